"""Parts of files as the bodies of answers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.streaming import Span, pieces, size_of, span_of


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-3", Span(0, 4)),
        ("bytes=4-", Span(4, 10)),
        ("bytes=-3", Span(7, 10)),
        ("bytes=-99", Span(0, 10)),
        ("bytes=9-99", Span(9, 10)),
        ("Bytes=1-1", Span(1, 2)),
        (None, None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("bytes=5-4", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_what_a_range_asks_for(asked: str | None, span: Span | None) -> None:
    """One part, also from the end, and cut to what there is; all of it where the header means nothing or too much."""
    assert span == span_of(asked, 10)


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=10-", 10), ("bytes=99-100", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_part_that_is_not_there(asked: str, size: int) -> None:
    """Behind the end, or of nothing."""
    with pytest.raises(ValueError, match=f"{size} bytes"):
        span_of(asked, size)


@given(st.text())
def test_no_header_breaks_it(asked: str) -> None:
    """Whatever a client sends, there is an answer, and it lies inside the file."""
    try:
        span = span_of(asked, 10)
    except ValueError:
        return
    assert span is None or 0 <= span.start < span.end <= 10


@pytest.mark.parametrize(("start", "end"), [(0, 600_000), (5, 6), (262_143, 524_289), (599_999, 600_000), (7, 7)])
def test_pieces_make_the_part(start: int, end: int) -> None:
    """Joined they are it, none is large, and the file is closed at the end."""
    data = bytes(number % 251 for number in range(600_000))
    file = io.BytesIO(data)

    found = list(pieces(file, Span(start, end)))

    assert data[start:end] == b"".join(found)
    assert all(0 < len(piece) <= 2**18 for piece in found) and file.closed


def test_nobody_wants_more() -> None:
    """The file is closed when the client has gone half way."""
    file = io.BytesIO(bytes(10**6))
    parts = pieces(file, Span(0, size_of(file)))
    next(parts)

    parts.close()  # pyright: ignore[reportAttributeAccessIssue]

    assert file.closed


def test_a_file_that_became_shorter_ends() -> None:
    """No waiting for bytes that do not come."""
    assert [b"abc"] == list(pieces(io.BytesIO(b"abc"), Span(0, 10)))
