"""Names of requests."""

import contextvars
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.operations import request_ids

SANE = string.ascii_letters + string.digits + "._:=+/@-"


def begun(value: bytes | None) -> str:
    """The name of a request that came with this header, as the task that answers it sees it."""
    headers = [(b"host", b"x")] + ([] if value is None else [(request_ids.HEADER, value)])

    def begin() -> str:
        name = request_ids.begin(headers)
        assert name == request_ids.current()
        return name

    return contextvars.Context().run(begin)


@given(st.text(SANE, min_size=1, max_size=128).filter(lambda name: name[0].isalnum()))
def test_a_callers_own_name_is_kept(name: str) -> None:
    """What a proxy or a tracer would send comes back as it was."""
    assert name == begun(name.encode())


@given(st.binary(max_size=300))
def test_whatever_is_sent_the_name_is_harmless(value: bytes) -> None:
    """A name is 1 to 128 characters that no log, shell or page takes for something else, whatever the header holds."""
    name = begun(value)

    assert 1 <= len(name) <= 128
    assert set(name) <= set(SANE)
    assert name[0].isalnum()


@pytest.mark.parametrize("value", [None, b"", b"a b", b"a\nb", b'"', b"-rf", b"x" * 129, "é".encode(), b"<b>"])
def test_what_is_not_sane_gets_a_new_name(value: bytes | None) -> None:
    """Without a header, or with one that no name should look like, each request has a name of its own."""
    first, second = begun(value), begun(value)

    assert first != second
    assert (value or b"-").decode("latin-1") not in first


def test_outside_of_a_request_there_is_no_name() -> None:
    """What a service does by itself belongs to no request."""
    assert contextvars.Context().run(request_ids.current) is None
    assert [] == contextvars.Context().run(request_ids.texts)


def test_texts_belong_to_their_request_and_are_bounded() -> None:
    """What is noted is kept for this request alone, cut, and so many of them: a line of a log must not grow with what is sent."""

    def noted(count: int) -> list[str]:
        request_ids.begin([])
        for number in range(count):
            request_ids.note_text(f"{number}" + "x" * 10_000)
        return request_ids.texts()

    many, one = contextvars.Context().run(noted, 1000), contextvars.Context().run(noted, 1)

    assert 1 == len(one)
    assert sum(map(len, many)) <= 16 * 500


def test_texts_of_one_context_do_not_leak_into_the_next() -> None:
    """A task that answers two requests in turn, as a pipelining client causes, begins each with nothing noted."""

    def two() -> list[str]:
        request_ids.begin([])
        request_ids.note_text("first")
        request_ids.begin([])
        return request_ids.texts()

    assert [] == contextvars.Context().run(two)
