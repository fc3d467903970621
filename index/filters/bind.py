"""Operators and their values, checked against the type of the field they are asked of."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import JsonValue

from index.errors import FilterInvalid
from index.fields.types import Field, FieldType
from index.fields.values import INT64_MAX, INT64_MIN, is_point, parse_time
from index.filters.nodes import (
    Between,
    Bound,
    Exists,
    HasPart,
    HasPrefix,
    Leaf,
    Near,
    Node,
    Not,
    OneOf,
    Ordered,
    Scalar,
)

# Of one `in`: more are sent in an `or`, or belong into a field.
MAX_VALUES = 10_000
MAX_TEXT_BYTES = 4_096

_SCALARS: frozenset[FieldType] = frozenset({"string", "int", "float", "bool", "datetime"})
_ORDERED: frozenset[FieldType] = frozenset({"string", "int", "float", "datetime"})
_LIST: frozenset[FieldType] = frozenset({"strings"})
_POINT: frozenset[FieldType] = frozenset({"geo"})
_TEXT: frozenset[FieldType] = frozenset({"string"})
_ENDS = ("gt", "gte", "lt", "lte")
# By operator, the types it may be asked of.
_ALLOWED: dict[str, frozenset[FieldType]] = {
    "eq": _SCALARS | _LIST,
    "ne": _SCALARS | _LIST,
    "in": _SCALARS | _LIST,
    **dict.fromkeys([*_ENDS, "range"], _ORDERED),
    "exists": _SCALARS | _LIST | _POINT,
    "contains": _TEXT | _LIST,
    "prefix": _TEXT,
    "geo": _POINT,
}
OPERATORS = tuple(_ALLOWED)


def bind(field: Field, op: str, value: JsonValue, path: str, op_path: str) -> Node:
    """The condition that *op* and *value* make of *field*.

    Args:
        field: what is asked.
        op: an operator.
        value: its operand, as it was sent.
        path: where the value stands, for errors.
        op_path: where the operator does.

    Raises:
        FilterInvalid: no such operator, not one of this type, or a value that it cannot take.
    """
    if op not in _ALLOWED:
        raise FilterInvalid(op_path, f"there is no operator {op[:40]!r}: use one of {', '.join(OPERATORS)}")
    if field.type not in _ALLOWED[op]:
        able = [each for each, types in _ALLOWED.items() if field.type in types]
        raise FilterInvalid(op_path, f"{op} cannot be asked of {field}: ask {', '.join(able)}")
    return _BIND[op](field, value, path)


def _eq(field: Field, value: JsonValue, path: str) -> Leaf:
    if field.type in _LIST and isinstance(value, list):
        raise FilterInvalid(
            path, f"this asks {field} for one element: for any of several use in, for all of them an and of one each"
        )
    found = _scalar(field, value, path)
    # no integer is 2.5
    return OneOf(field, ()) if _is_between_integers(field, found) else OneOf(field, (found,))


def _ne(field: Field, value: JsonValue, path: str) -> Node:
    return Not(_eq(field, value, path))


def _in(field: Field, value: JsonValue, path: str) -> Leaf:
    if not isinstance(value, list):
        raise FilterInvalid(path, "in takes a list of values")
    if len(value) > MAX_VALUES:
        raise FilterInvalid(path, f"{len(value):,} values, {MAX_VALUES:,} are allowed: send fewer")
    found = (_scalar(field, each, f"{path}[{at}]") for at, each in enumerate(value))
    # each once, in one order: filters that mean the same are equal
    kept = {each for each in found if not _is_between_integers(field, each)}
    return OneOf(field, tuple(sorted(kept)))  # pyright: ignore[reportArgumentType] - all of one type


def _one_end(op: str) -> Callable[[Field, JsonValue, str], Leaf]:
    def end(field: Field, value: JsonValue, path: str) -> Leaf:
        return _between(field, {op: value}, {op: path})

    return end


def _range(field: Field, value: JsonValue, path: str) -> Leaf:
    if not isinstance(value, dict) or value.keys() - set(_ENDS):
        raise FilterInvalid(path, f"range takes an object with one or two of {', '.join(_ENDS)}")
    ends = {op: end for op, end in value.items() if end is not None}
    if not ends or {"gt", "gte"} <= ends.keys() or {"lt", "lte"} <= ends.keys():
        raise FilterInvalid(path, "range takes a lower end (gt or gte), an upper end (lt or lte), or one of each")
    return _between(field, ends, {op: f"{path}.{op}" for op in ends})


def _between(field: Field, ends: Mapping[str, JsonValue], paths: Mapping[str, str]) -> Leaf:
    low = high = None
    for op, value in ends.items():
        found = _scalar(field, value, paths[op])
        assert not isinstance(found, bool)  # the table of operators leaves booleans out
        bound = _end(field, op, found)
        if op in ("gt", "gte"):
            low = bound
        else:
            high = bound
    return Between(field, low, high)


def _end(field: Field, op: str, value: Ordered) -> Bound:
    if field.type == "int" and isinstance(value, int | float):
        # the nearest integer that the end lets in or shuts out; beyond 64 bits there is none
        rounded = math.ceil(value) if op in ("gte", "lt") else math.floor(value)
        if not INT64_MIN <= rounded <= INT64_MAX:
            # then either all integers are let in or none
            above = rounded > INT64_MAX
            return Bound(INT64_MAX if above else INT64_MIN, above == (op in ("lt", "lte")))
        return Bound(rounded, op in ("gte", "lte"))
    return Bound(value, op in ("gte", "lte"))


def _exists(field: Field, value: JsonValue, path: str) -> Node:
    if not isinstance(value, bool):
        raise FilterInvalid(path, "exists takes true or false")
    return Exists(field) if value else Not(Exists(field))


def _contains(field: Field, value: JsonValue, path: str) -> Leaf:
    return HasPart(field, _text(value, path)) if field.type in _TEXT else _eq(field, value, path)


def _prefix(field: Field, value: JsonValue, path: str) -> Leaf:
    return HasPrefix(field, _text(value, path))


def _geo(field: Field, value: JsonValue, path: str) -> Leaf:
    names = ("lat", "lon", "radius_m")
    if not isinstance(value, dict) or value.keys() != set(names):
        raise FilterInvalid(path, f"geo takes an object with {', '.join(names)}")
    lat, lon, radius_m = (_number(value[name], f"{path}.{name}") for name in names)
    if not is_point(lat, lon):
        raise FilterInvalid(path, f"({lat:g}, {lon:g}) is no point: lat is -90 to 90 degrees, lon -180 to 180")
    if radius_m <= 0:
        raise FilterInvalid(f"{path}.radius_m", "the radius is a number of metres above 0")
    return Near(field, lat, lon, radius_m)


def _scalar(field: Field, value: JsonValue, path: str) -> Scalar:
    """*value* as the type of *field* has it; a float for an integer field stays one.

    Raises:
        FilterInvalid: it is none; nothing that would never match is let through as a mistake.
    """
    match field.type:
        case "bool":
            if not isinstance(value, bool):
                raise FilterInvalid(path, f"{field} takes true or false")
            return value
        case "int":
            number = _number(value, path)
            # exact where the number was sent whole
            return value if isinstance(value, int) else int(number) if number.is_integer() else number
        case "float":
            return _number(value, path)
        case "datetime":
            return _time(field, value, path)
        case _:
            return _text(value, path)


def _number(value: JsonValue, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterInvalid(path, "this takes a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise FilterInvalid(path, "this takes a number, which NaN is not: rows without a value are found by exists")
    if math.isinf(number):
        raise FilterInvalid(path, "this takes a number of at most 1.8e308")
    # the columns hold no -0.0, which Arrow would tell from 0.0
    return number + 0.0


def _time(field: Field, value: JsonValue, path: str) -> datetime:
    found = parse_time(value) if isinstance(value, str) else None
    if found is None:
        raise FilterInvalid(path, f"{field} takes a time like 2024-01-31 or 2024-01-31T12:00:00+01:00")
    return found


def _text(value: JsonValue, path: str) -> str:
    if not isinstance(value, str):
        raise FilterInvalid(path, "this takes a string")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise FilterInvalid(path, f"the string is not Unicode text ({error.reason})") from error
    if size > MAX_TEXT_BYTES:
        raise FilterInvalid(path, f"the string has {size:,} bytes, {MAX_TEXT_BYTES:,} are allowed")
    return value


def _is_between_integers(field: Field, value: Scalar) -> bool:
    """Whether no value of an integer field can equal it."""
    return field.type == "int" and not (isinstance(value, int) and INT64_MIN <= value <= INT64_MAX)


_BIND: dict[str, Callable[[Field, JsonValue, str], Node]] = {
    "eq": _eq,
    "ne": _ne,
    "in": _in,
    **{op: _one_end(op) for op in _ENDS},
    "range": _range,
    "exists": _exists,
    "contains": _contains,
    "prefix": _prefix,
    "geo": _geo,
}
