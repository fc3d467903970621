"""index.sources.item: captions and metadata of a row."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from index.sources.item import SourceItem, split_fields, to_json, without_nan


def test_what_is_no_caption_is_metadata() -> None:
    """Every field that is neither a caption nor dropped is kept as metadata."""
    captions, metadata = split_fields(
        {"caption": "a", "captions": ["b", "c"], "price": 3, "path": "x"}, drop=frozenset(("path",))
    )
    assert (("a", "b", "c"), {"price": 3}) == (captions, metadata)


def test_captions_are_texts_that_say_something_once() -> None:
    """Blank captions, repeated ones and missing ones are left out; the rest are stripped and keep their order."""
    assert ("b", "a") == split_fields({"captions": ["b", " ", "", "a ", "b"], "caption": None})[0]


@pytest.mark.parametrize("value", [3, {"en": "a"}, ["a", None], [["a"]]])
def test_captions_that_are_no_strings_are_refused(value: object) -> None:
    """A caption of another type is a fault of the source, not something to guess at."""
    with pytest.raises(TypeError, match="not a string"):
        split_fields({"captions": value})


def test_values_of_tables_get_a_form_in_json() -> None:
    """Dates become ISO 8601, decimals strings, nested values stay nested."""
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert {"at": ["2026-01-02T03:04:00+00:00"], "1": "2026-01-02"} == to_json({"at": [moment], 1: date(2026, 1, 2)})
    assert "1.10" == to_json(Decimal("1.10"))
    assert [None, True, 1, 1.5, "a"] == to_json((None, True, 1, 1.5, "a"))


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_values_without_a_form_in_json_are_refused(value: object) -> None:
    """Bytes and foreign objects are not turned into something that looks like data."""
    with pytest.raises(TypeError, match="no form in JSON"):
        to_json({"a": [value]})


def test_missing_numbers_are_null() -> None:
    """NaN in a table means that there is no value."""
    assert {"a": None, "b": 1.0, "c": "nan"} == without_nan({"a": math.nan, "b": 1.0, "c": "nan"})


@pytest.mark.parametrize(
    ("uri", "said", "is_video"),
    [
        ("file:///a.mp4", None, True),
        ("s3://b/a.MOV?v=1", None, True),
        ("file:///a.png", None, False),
        ("https://host/watch", True, True),
        ("file:///s.tar#offset=1&size=2", None, False),
        ("file:///a.mp4", False, False),
    ],
)
def test_what_is_a_video(uri: str, said: bool | None, is_video: bool) -> None:
    """What the source says it is; where it says nothing, what the name ends in."""
    assert is_video == SourceItem("a", uri, video=said).is_video
