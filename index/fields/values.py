"""One value of the metadata as a value of a field's type, or the fact that it is none."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from pydantic import JsonValue

from index.fields.types import FieldType

Point = tuple[float, float]
Value = str | int | float | bool | datetime | list[str] | Point

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# Written numbers and times are short; longer ones are no such thing, and cost to read.
_MAX_WRITTEN = 64
_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# The extended form alone: 20240131 is as likely a number of something.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


class _Misfit(Enum):
    MISFIT = "misfit"


# What `fit` gives for a value that is none of its type.
MISFIT: Final = _Misfit.MISFIT


def fit(value: JsonValue, kind: FieldType) -> Value | _Misfit | None:
    """*value* as one of type *kind*; None for null, `MISFIT` if it is none.

    Written numbers ("12.5"), true and false count as what they say, because CSV knows nothing else. A lone string is a
    list of one. Times without an offset are UTC. A point is {"lat": …, "lon": …} or [lat, lon], in degrees.
    """
    return None if value is None else _FIT[kind](value)


def parse_time(text: str) -> datetime | None:
    """An ISO 8601 date or time in its extended form, in UTC; None if it is none."""
    if len(text) > _MAX_WRITTEN or not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        # the 31st of June; a time that is in the year 0 or 10000 in UTC
        return None


def is_point(lat: float, lon: float) -> bool:
    """Whether these are degrees of latitude and longitude; not so for NaN."""
    return -90 <= lat <= 90 and -180 <= lon <= 180


def _string(value: JsonValue) -> Value | _Misfit:
    return value if isinstance(value, str) else MISFIT


def _int(value: JsonValue) -> Value | _Misfit:
    if isinstance(value, str):
        value = int(value) if len(value) <= _MAX_WRITTEN and _INT.fullmatch(value) else None
    elif isinstance(value, float):
        value = int(value) if value.is_integer() else None
    if not isinstance(value, int) or isinstance(value, bool):
        return MISFIT
    return value if INT64_MIN <= value <= INT64_MAX else MISFIT


def _float(value: JsonValue) -> Value | _Misfit:
    if isinstance(value, str):
        value = float(value) if len(value) <= _MAX_WRITTEN and _FLOAT.fullmatch(value) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return MISFIT
    try:
        number = float(value)
    except OverflowError:
        return MISFIT
    # Arrow tells -0.0 from 0.0 where people do not
    return number + 0.0 if abs(number) < float("inf") else MISFIT


def _bool(value: JsonValue) -> Value | _Misfit:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower(), MISFIT)
    return value if isinstance(value, bool) else MISFIT


def _datetime(value: JsonValue) -> Value | _Misfit:
    found = parse_time(value) if isinstance(value, str) else None
    return MISFIT if found is None else found


def _strings(value: JsonValue) -> Value | _Misfit:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return MISFIT
    texts = [each for each in value if isinstance(each, str)]
    return texts if len(texts) == len(value) else MISFIT


def _geo(value: JsonValue) -> Value | _Misfit:
    if isinstance(value, dict) and value.keys() >= {"lat", "lon"}:
        value = [value["lat"], value["lon"]]
    if not isinstance(value, list) or len(value) != 2:
        return MISFIT
    lat, lon = (_float(each) for each in value)
    return (lat, lon) if isinstance(lat, float) and isinstance(lon, float) and is_point(lat, lon) else MISFIT


_FIT: dict[FieldType, Callable[[JsonValue], Value | _Misfit]] = {
    "string": _string,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "datetime": _datetime,
    "strings": _strings,
    "geo": _geo,
}
