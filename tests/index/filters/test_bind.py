"""index.filters.bind: values get the type of their field, without a change of meaning."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import FilterInvalid
from index.fields.types import TYPES, Field
from index.fields.values import INT64_MAX, INT64_MIN
from index.filters.bind import MAX_TEXT_BYTES, MAX_VALUES, OPERATORS, bind
from index.filters.nodes import Between, Bound, Near, Not, OneOf

STOCK, PRICE, MADE, TAGS = (Field(kind, kind) for kind in ("int", "float", "datetime", "strings"))
PLACE, NAME = Field("geo", "geo"), Field("string", "string")


def bound(field: Field, op: str, value: object) -> object:
    """The condition."""
    return bind(field, op, value, "value", "op")


@settings(max_examples=200)
@given(
    integer=st.integers(-10, 10) | st.sampled_from([INT64_MIN, INT64_MAX]),
    op=st.sampled_from(["lt", "lte", "gt", "gte", "eq", "ne"]),
    value=st.integers(-11, 11)
    | st.sampled_from([x / 4 for x in range(-44, 44)])
    | st.sampled_from([INT64_MIN, INT64_MAX, INT64_MIN - 1, INT64_MAX + 1, 1e30, -1e30]),
)
def test_integers_compare_exactly_with_any_number(integer: int, op: str, value: float) -> None:
    """2.5, 10^30 and 2^63 have their place among 64-bit integers, though no such integer equals them."""
    python = {"lt": integer < value, "lte": integer <= value, "gt": integer > value, "gte": integer >= value}
    expected = python | {"eq": integer == value, "ne": integer != value}
    node = bound(STOCK, op, value)
    if isinstance(node, Between):
        for end in (node.low, node.high):
            assert end is None or (isinstance(end.value, int) and INT64_MIN <= end.value <= INT64_MAX)
        found = _within(integer, node)
    elif isinstance(node, Not):
        found = integer not in node.part.values  # pyright: ignore[reportAttributeAccessIssue]
    else:
        found = integer in node.values
    assert expected[op] == found


def _within(value: int, node: Between) -> bool:
    low, high = node.low, node.high
    above = low is None or value > low.value or (low.inclusive and value == low.value)  # pyright: ignore[reportOperatorIssue]
    below = high is None or value < high.value or (high.inclusive and value == high.value)  # pyright: ignore[reportOperatorIssue]
    return above and below


def test_a_range_has_one_or_two_ends() -> None:
    """An end that is null or missing is open; two of one side, or none, are a mistake."""
    expected = Between(PRICE, Bound(1.0, inclusive=True), Bound(2.0, inclusive=False))
    assert expected == bound(PRICE, "range", {"gte": 1, "lt": 2})
    assert Between(PRICE, None, Bound(2.0, inclusive=True)) == bound(PRICE, "range", {"gte": None, "lte": 2})
    for value in ({}, {"gt": None}, {"gt": 1, "gte": 1}, {"lt": 1, "lte": 2}, {"above": 1}, [1, 2], 5):
        with pytest.raises(FilterInvalid, match="range takes"):
            bound(PRICE, "range", value)
    with pytest.raises(FilterInvalid) as error:
        bound(PRICE, "range", {"gte": 1, "lt": "x"})
    assert "value.lt" == error.value.path


def test_times_are_moments() -> None:
    """The same moment written in two zones is one value."""
    moment = datetime(2024, 1, 31, 11, tzinfo=UTC)
    assert (
        OneOf(MADE, (moment,))
        == bound(MADE, "eq", "2024-01-31T12:00:00+01:00")
        == bound(MADE, "eq", "2024-01-31T11:00")
    )
    for value in ("yesterday", 1706659200, "2024-13-01"):
        with pytest.raises(FilterInvalid, match="a time like 2024-01-31"):
            bound(MADE, "lt", value)


def test_lists_are_asked_for_elements() -> None:
    """eq and contains ask for one element, ne for none such, in for any of several; a list has no order and no prefix."""
    assert OneOf(TAGS, ("a",)) == bound(TAGS, "contains", "a") == bound(TAGS, "eq", "a")
    assert Not(OneOf(TAGS, ("a",))) == bound(TAGS, "ne", "a")
    assert OneOf(TAGS, ("a", "b")) == bound(TAGS, "in", ["b", "a", "b"])
    for op in ("lt", "range", "prefix", "geo"):
        with pytest.raises(FilterInvalid, match="ask eq, ne, in, exists, contains"):
            bound(TAGS, op, "a")


@pytest.mark.parametrize("op", ["eq", "ne", "contains"])
def test_a_whole_list_is_no_element(op: str) -> None:
    """Whoever asks a list field for a list is told the words for any of several, and for all of them."""
    with pytest.raises(FilterInvalid, match=r"asks tags:strings for one element: .* in, .* and") as error:
        bound(Field("tags", "strings"), op, ["a", "b"])
    assert "value" == error.value.path


def test_a_circle_is_on_the_globe() -> None:
    """Degrees and metres; a place that is none is told."""
    assert Near(PLACE, -90.0, 180.0, 5.0) == bound(PLACE, "geo", {"lat": -90, "lon": 180, "radius_m": 5})
    for value, path in (
        ({"lat": 91, "lon": 0, "radius_m": 1}, "value"),
        ({"lat": 1, "lon": 0}, "value"),
        ({"lat": 1, "lon": 0, "radius_m": 1, "unit": "km"}, "value"),
        ([1, 2, 3], "value"),
        ({"lat": 1, "lon": 0, "radius_m": 0}, "value.radius_m"),
        ({"lat": 1, "lon": "0", "radius_m": 1}, "value.lon"),
    ):
        with pytest.raises(FilterInvalid) as error:
            bound(PLACE, "geo", value)
        assert path == error.value.path


@pytest.mark.parametrize("value", [10**400, -(10**400), float("nan"), float("inf"), True, None, "5", [5]])
def test_what_is_no_number_is_told(value: object) -> None:
    """JSON readers let NaN and huge integers through; no field holds them."""
    for field in (STOCK, PRICE):
        with pytest.raises(FilterInvalid, match="a number") as error:
            bound(field, "lt", value)
        assert ("NaN" in str(error.value)) == (value != value)  # NaN alone is not itself


def test_values_are_bounded() -> None:
    """Long texts, long lists and broken Unicode are refused."""
    bound(NAME, "in", ["x"] * MAX_VALUES)
    with pytest.raises(FilterInvalid, match="10,001 values"):
        bound(NAME, "in", ["x"] * (MAX_VALUES + 1))
    bound(NAME, "eq", "x" * MAX_TEXT_BYTES)
    with pytest.raises(FilterInvalid, match="4,098 bytes"):
        bound(NAME, "eq", "é" * (MAX_TEXT_BYTES // 2 + 1))
    with pytest.raises(FilterInvalid, match="Unicode"):
        bound(NAME, "contains", "\ud800")
    with pytest.raises(FilterInvalid, match="true or false"):
        bound(Field("sale", "bool"), "eq", 1)
    with pytest.raises(FilterInvalid, match="true or false"):
        bound(NAME, "exists", "yes")


def test_each_type_says_what_it_can_be_asked() -> None:
    """Every type can be asked whether there is a value, and a refusal lists the rest."""
    for kind in TYPES:
        bound(Field("x", kind), "exists", True)
    for op in OPERATORS:
        if op != "geo" and op != "exists":
            with pytest.raises(FilterInvalid, match="ask exists, geo") as error:
                bound(PLACE, op, 1)
            assert "op" == error.value.path
