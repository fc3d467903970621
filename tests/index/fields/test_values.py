"""index.fields.values: a value fits a type or it does not, and what it becomes is what it says."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.fields.types import TYPES, FieldType
from index.fields.values import INT64_MAX, INT64_MIN, MISFIT, fit, is_point, parse_time
from tests.index.test_schema import JSON


@settings(max_examples=50)
@given(JSON, st.sampled_from(TYPES))
def test_any_value_fits_or_not(value: object, kind: FieldType) -> None:
    """No JSON makes an error, and what fits is of the column's Python type."""
    types = {
        "string": str,
        "int": int,
        "float": float,
        "bool": bool,
        "datetime": datetime,
        "strings": list,
        "geo": tuple,
    }
    found = fit(value, kind)
    assert found is MISFIT or (found is None and value is None) or isinstance(found, types[kind])


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("x", "string", "x"),
        (5, "string", MISFIT),
        (5, "int", 5),
        (5.0, "int", 5),
        (5.5, "int", MISFIT),
        (True, "int", MISFIT),
        ("-12", "int", -12),
        ("1_000", "int", MISFIT),
        ("٣", "int", MISFIT),
        ("", "int", MISFIT),
        ("9" * 5_000, "int", MISFIT),
        (INT64_MAX, "int", INT64_MAX),
        (INT64_MAX + 1, "int", MISFIT),
        (INT64_MIN, "int", INT64_MIN),
        (INT64_MIN - 1, "int", MISFIT),
        (1, "float", 1.0),
        ("1e3", "float", 1_000.0),
        (".5", "float", 0.5),
        ("nan", "float", MISFIT),
        ("inf", "float", MISFIT),
        ("1e999", "float", MISFIT),
        (10**400, "float", MISFIT),
        (False, "float", MISFIT),
        (True, "bool", True),
        ("False", "bool", False),
        (1, "bool", MISFIT),
        ("yes", "bool", MISFIT),
        ("red", "strings", ["red"]),
        (["a", "b", "a"], "strings", ["a", "b", "a"]),
        ([], "strings", []),
        (["a", None], "strings", MISFIT),
        (["a", 1], "strings", MISFIT),
        ({"lat": 1, "lon": "2.5", "name": "here"}, "geo", (1.0, 2.5)),
        ([48.1, 11.5], "geo", (48.1, 11.5)),
        ([1, 2, 3], "geo", MISFIT),
        ({"lat": 91, "lon": 0}, "geo", MISFIT),
        ({"lat": 1}, "geo", MISFIT),
        ([True, 1], "geo", MISFIT),
        ([None, 1], "geo", MISFIT),
    ],
)
def test_values(value: object, kind: FieldType, expected: object) -> None:
    """What is written as a value of the type is one; nothing else is bent into one."""
    found = fit(value, kind)
    assert expected == found and type(expected) is type(found)


def test_zero_has_no_sign() -> None:
    """Arrow tells -0.0 from 0.0, so no column holds it."""
    for value in (-0.0, "-0", "-0.0"):
        assert 1.0 == math.copysign(1, fit(value, "float"))  # pyright: ignore[reportArgumentType, reportCallIssue]


@given(
    st.datetimes(
        min_value=datetime(2, 1, 1, tzinfo=UTC).replace(tzinfo=None),
        max_value=datetime(9998, 12, 31, tzinfo=UTC).replace(tzinfo=None),
    ),
    st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_the_same_moment(moment: datetime, offset_minutes: int) -> None:
    """A time with an offset is that moment in UTC; without one it is UTC."""
    there = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert there == parse_time(there.isoformat())
    assert moment.replace(tzinfo=UTC) == parse_time(moment.isoformat()) == parse_time(moment.isoformat(" "))


def test_what_is_no_time() -> None:
    """Numbers that could be dates, days that do not exist, and moments outside of the calendar are no times."""
    for text in (
        "20240131",
        "2024",
        "2024-02-30",
        "12:00",
        "2024-W05",
        "0001-01-01T00:00+14:00",
        "2024-01-31T25:00",
        "x" * 99,
    ):
        assert parse_time(text) is None
    assert datetime(2024, 1, 31, tzinfo=UTC) == parse_time("2024-01-31")
    assert datetime(2024, 1, 31, 10, 0, 0, 123456, UTC) == parse_time("2024-01-31T12:00:00.123456789+02:00")


def test_points_are_on_the_globe() -> None:
    """Poles and the antimeridian are; NaN is not."""
    assert is_point(90, 180) and is_point(-90, -180)
    assert not is_point(90.1, 0) and not is_point(0, 180.1) and not is_point(math.nan, 0)
