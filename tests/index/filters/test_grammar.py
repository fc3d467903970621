"""index.filters.grammar: JSON is a filter, or an error that names the place."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import FieldUnknown, FilterInvalid
from index.fields.types import BUILT_IN, Field
from index.filters.grammar import MAX_DEPTH, MAX_NODES, parse_filter
from index.filters.nodes import And, Between, Bound, Exists, Node, Not, OneOf, Or
from tests.index.filters.support import FIELDS as ALL
from tests.index.filters.support import FILTERS

PRICE, BRAND, TAGS = Field("price", "float"), Field("brand", "string"), Field("tags", "strings")
FIELDS = BUILT_IN | {field.name: field for field in (PRICE, BRAND, TAGS, Field("and", "int"))}
CHEAP = Between(PRICE, None, Bound(5.0, inclusive=False))
MADE_BY_X = OneOf(BRAND, ("x",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"field": "price", "op": "lt", "value": 5}, CHEAP),
        ({"price": {"lt": 5}}, CHEAP),
        ({"brand": "x"}, MADE_BY_X),
        ({"brand": ["y", "x", "y"]}, OneOf(BRAND, ("x", "y"))),
        ({"tags": "x"}, OneOf(TAGS, ("x",))),
        ({"tags": ["y", "x"]}, OneOf(TAGS, ("x", "y"))),
        ({"price": {"lt": 5}, "brand": "x"}, And((CHEAP, MADE_BY_X))),
        ({"price": {"gt": 1, "lt": 5}}, And((Between(PRICE, Bound(1.0, inclusive=False), None), CHEAP))),
        ({"and": [{"price": {"lt": 5}}, {"brand": "x"}]}, And((CHEAP, MADE_BY_X))),
        ({"or": [{"not": {"brand": "x"}}]}, Or((Not(MADE_BY_X),))),
        ({"field": "brand", "op": "ne", "value": "x"}, Not(MADE_BY_X)),
        ({"field": "brand", "op": "exists"}, Exists(BRAND)),
        ({"field": "brand", "op": "exists", "value": False}, Not(Exists(BRAND))),
        ({"field": "and", "op": "eq", "value": 1}, OneOf(Field("and", "int"), (1,))),
        ({"width": 3}, OneOf(BUILT_IN["width"], (3,))),
    ],
)
def test_both_forms_mean_conditions(value: object, expected: Node) -> None:
    """The short form is an "and" of conditions; ids and pixels are fields of every item."""
    assert expected == parse_filter(value, FIELDS)


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ([], "filter", "an object like"),
        ({}, "filter", "an object like"),
        ("price < 5", "filter", "an object like"),
        ({"and": []}, "filter.and", "at least one"),
        ({"and": {"brand": "x"}}, "filter.and", "a list"),
        ({"and": [{"brand": "x"}, {"field": "price", "op": "lt", "value": "5"}]}, "filter.and[1].value", "a number"),
        ({"not": [{"brand": "x"}]}, "filter.not", "an object"),
        ({"not": {"or": [{"brand": 1}]}}, "filter.not.or[0].brand", "a string"),
        ({"and": [{"brand": "x"}], "or": [{"brand": "x"}]}, "filter", "and and or cannot stand"),
        ({"and": [{"brand": "x"}], "brand": "x"}, "filter", "nothing else"),
        ({"field": "price", "op": "lt"}, "filter", "lt takes a value"),
        ({"field": "price", "value": 5}, "filter.op", "one of eq"),
        ({"field": "price", "op": "<", "value": 5}, "filter.op", "no operator '<'"),
        (
            {"field": "price", "op": "prefix", "value": "a"},
            "filter.op",
            "prefix cannot be asked of price:float: ask eq",
        ),
        ({"field": 3, "op": "lt", "value": 5}, "filter.field", "the name of a field"),
        ({"field": "price", "op": "lt", "value": 5, "boost": 2}, "filter", "'boost' has no place"),
        ({"price": {}}, "filter.price", "operators like"),
        ({"price": {"lt": 5, "like": "x"}}, "filter.price.like", "no operator"),
        ({"price": {"lt": None}}, "filter.price.lt", "exists"),
        ({"brand": None}, "filter.brand", "null is no value"),
        ({"brand": ["x", None]}, "filter.brand[1]", "a string"),
    ],
)
def test_a_fault_is_told_with_its_place(value: object, path: str, says: str) -> None:
    """The path leads to what is wrong, and the sentence says what to write there."""
    with pytest.raises(FilterInvalid) as error:
        parse_filter(value, FIELDS)
    assert path == error.value.path
    assert says in str(error.value) and str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("value", "path"),
    [({"prize": 5}, "filter.prize"), ({"not": {"field": "prize", "op": "eq", "value": 5}}, "filter.not.field")],
)
def test_an_unknown_field_is_told_with_its_place(value: object, path: str) -> None:
    """And with the fields there are."""
    with pytest.raises(FieldUnknown, match=rf"{path}: there is no field 'prize': .*price:float") as error:
        parse_filter(value, FIELDS)
    assert path == error.value.path


@pytest.mark.parametrize(
    "value",
    [
        {"\ud800": 5},
        {"brand": {"\udfff": 5}},
        {"not": {"\ud800": {"lt": 5}}},
        {"field": "brand", "op": "\ud800"},
        {"field": "brand", "op": "eq", "\ud800": 1},
    ],
)
def test_any_place_can_be_told(value: object) -> None:
    """A key that is no Unicode (half a surrogate pair, as JSON may hold it) is escaped: the message can be sent."""
    with pytest.raises((FieldUnknown, FilterInvalid)) as error:
        parse_filter(value, FIELDS)
    assert "\\ud" in str(error.value).encode().decode()


def test_the_place_begins_where_the_caller_says() -> None:
    """A filter that stands elsewhere in a request is named so."""
    with pytest.raises(FilterInvalid, match=r"query\.filter\.and: "):
        parse_filter({"and": 1}, FIELDS, "query.filter")


def test_depth_and_size_are_bounded() -> None:
    """What is at a bound is answered; what is beyond is refused before it costs anything, however it is nested."""
    deep: Any = {"brand": "x"}
    for _ in range(MAX_DEPTH - 1):
        deep = {"not": deep}
    parse_filter(deep, FIELDS)
    with pytest.raises(FilterInvalid, match="at most 16 deep"):
        parse_filter({"not": deep}, FIELDS)
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(FilterInvalid, match="deep"):
        parse_filter(deep, FIELDS)
    part = {"field": "brand", "op": "eq", "value": "x"}
    parse_filter({"or": [part] * (MAX_NODES - 1)}, FIELDS)
    with pytest.raises(FilterInvalid, match="256 parts"):
        parse_filter({"or": [part] * MAX_NODES}, FIELDS)
    with pytest.raises(FilterInvalid, match="256 parts"):
        parse_filter({"or": [{"price": dict.fromkeys(("gt", "lt", "gte", "lte", "eq"), 1)}] * 60}, FIELDS)


@settings(max_examples=50)
@given(FILTERS)
def test_a_tree_is_a_key(asked: dict[str, Any]) -> None:
    """Equal filters are equal trees, with equal hashes."""
    fields = BUILT_IN | {field.name: field for field in ALL}
    one, other = parse_filter(asked, fields), parse_filter(asked, fields)
    assert one == other and hash(one) == hash(other)


@settings(max_examples=100)
@given(
    st.recursive(
        st.sampled_from([None, True, 1, "x", "price", "brand", "lt", "eq"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["field", "op", "value", "and", "or", "not", "price", "lt"]), inner, max_size=3
            )
        ),
        max_leaves=6,
    )
)
def test_any_json_is_a_filter_or_a_fault(value: object) -> None:
    """Nothing that a client sends makes another error."""
    try:
        hash(parse_filter(value, FIELDS))
    except FilterInvalid as error:
        assert error.path.startswith("filter")
    except FieldUnknown as error:
        assert str(error).startswith("filter")
