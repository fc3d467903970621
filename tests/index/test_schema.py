"""index.schema: the rules for names, ids, captions and metadata."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from index import schema
from index.errors import CollectionNameInvalid, ItemInvalid

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", ["a", "0", "fashion-2024", "a.b_c-d", "x" * 64])
def test_plain_names_are_accepted(name: str) -> None:
    """What is a file name everywhere and a URL segment without escapes names a collection."""
    schema.check_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "A", "-a", "_a", ".a", "a b", "é", "x" * 65, "a\n"])
def test_other_names_are_refused(name: str) -> None:
    """No name can leave the folder of collections, hide in it, or clash on a file system that ignores case."""
    with pytest.raises(CollectionNameInvalid, match="a-z"):
        schema.check_name(name)


@pytest.mark.parametrize("item_id", ["a", "a/b/c.jpg", "é ü", "图像/一.png", "a'b\"c", "x" * 512, "image", "a/images"])
def test_ids_may_be_any_readable_text(item_id: str) -> None:
    """Ids may hold slashes, spaces, quotes and any script."""
    schema.check_id(item_id)
    assert schema.is_valid_id(item_id)


@pytest.mark.parametrize(
    "item_id",
    [
        "",
        ".",
        "..",
        "x" * 513,
        "é" * 257,
        "a\nb",
        "a\x00",
        "a\x7f",
        "a\x85",
        "a\u2028b",
        "a/image",
        "a/thumbnail",
        "\ud800",
    ],
)
def test_ids_that_no_url_or_log_can_carry_are_refused(item_id: str) -> None:
    """Empty, too long, with control characters, undecodable, ending like a route of the service, or a dot or two: a bad id."""
    with pytest.raises(ItemInvalid) as caught:
        schema.check_id(item_id)
    assert "bad-id" == caught.value.reason
    assert not schema.is_valid_id(item_id)


@pytest.mark.parametrize("captions", [["x" * 65_537], ["a"] * 1_001, ["ok", "\udfff"]])
def test_captions_beyond_the_limits_are_refused(captions: list[str]) -> None:
    """Too long, too many, or not Unicode: a bad caption."""
    with pytest.raises(ItemInvalid) as caught:
        schema.check_captions(captions)
    assert "bad-caption" == caught.value.reason


def test_usual_captions_are_accepted() -> None:
    """Any text may be a caption, at any length a person writes."""
    schema.check_captions(["", "a dog", "ein Hund\nund eine Katze", "犬"])


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_metadata_come_back_equal(metadata: dict[str, JsonValue]) -> None:
    """What JSON can hold is stored as JSON and comes back equal."""
    assert metadata == json.loads(schema.metadata_to_json(metadata))


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=5))
def test_the_order_of_keys_is_no_difference(metadata: dict[str, int]) -> None:
    """Equal metadata have one stored form, however they were written."""
    turned = dict(reversed(metadata.items()))
    assert schema.metadata_to_json(metadata) == schema.metadata_to_json(turned)


@pytest.mark.parametrize(
    "metadata", [{"a": math.nan}, {"a": [math.inf]}, {"a": b"x"}, {"a": "x" * 65_536}, {"\ud800": 1}, {"a": "\udc00"}]
)
def test_what_json_cannot_hold_is_refused(metadata: dict[str, JsonValue]) -> None:
    """NaN, infinity, bytes, lone surrogates, and more than 64 KiB: bad metadata."""
    with pytest.raises(ItemInvalid) as caught:
        schema.metadata_to_json(metadata)
    assert "bad-metadata" == caught.value.reason


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"price": math.nan}, "metadata.price is NaN"),
        ({"a": 1, "x": {"y": [1, -math.inf]}}, "metadata.x.y[1] is -Infinity"),
        ({"k" * 500: math.inf}, f"metadata.{'k' * 40}… is Infinity"),
    ],
)
def test_a_number_that_json_does_not_know_is_told_with_its_place(metadata: dict[str, JsonValue], said: str) -> None:
    """Whoever sends NaN is told where it is and what to write in its place, and long names are cut."""
    with pytest.raises(ItemInvalid) as caught:
        schema.metadata_to_json(metadata)
    assert f"{said}, which is no number in JSON: leave it out, or write null" == str(caught.value)


def test_vectors_are_half_precision_of_fixed_length() -> None:
    """Both vector columns hold d float16 numbers and no row may lack one."""
    for columns in (schema.items_schema(7), schema.captions_schema(7)):
        field = columns.field("vector")
        assert "fixed_size_list<item: halffloat>[7]" == str(field.type)
        assert not field.nullable


@pytest.mark.parametrize(("depth", "fine"), [(1, True), (63, True), (64, False), (5_000, False)])
@pytest.mark.parametrize("kind", [list, dict])
def test_metadata_have_a_depth(depth: int, fine: bool, kind: type) -> None:
    """Lists and objects may stand in each other 64 deep, the metadata themselves counted: deeper ones no answer shows."""
    value: JsonValue = 1
    for _ in range(depth):
        value = [value] if kind is list else {"x": value}
    if fine:
        assert schema.metadata_to_json({"x": value})
    else:
        with pytest.raises(ItemInvalid, match="flatten"):
            schema.metadata_to_json({"x": value})


@given(st.lists(st.sampled_from("ab"), max_size=4), st.integers(0, 6), st.sampled_from("abc"))
def test_a_caption_counts_where_it_is_listed(captions: list[str], position: int, text: str) -> None:
    """That very text at that very position; lists and tuples are alike, and behind their end nothing is listed."""
    expected = (position, text) in enumerate(captions)

    assert expected == schema.lists(captions, position, text) == schema.lists(tuple(captions), position, text)
