"""What tests of filters share: metadata of all types, filters of all kinds, and a second opinion on what matches.

The second opinion is plain Python over the metadata: no Arrow, no index, no normal form, another formula for distances.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from index.collection import Collection
from index.fields.change import add_fields
from index.fields.types import Field
from index.fields.values import MISFIT, fit
from tests.index.support import empty_collection, entry

FIELDS = [
    Field("brand", "string"),
    Field("stock", "int"),
    Field("price", "float"),
    Field("sale", "bool"),
    Field("made", "datetime"),
    Field("tags", "strings"),
    Field("place", "geo"),
    Field("Base Colour.v2/`x`", "string"),
]
TYPES = {field.name: field.type for field in FIELDS} | {"id": "string", "width": "int", "height": "int"}

# few values, so that filters meet them; among them what would break a query that is pasted together
TEXTS = [
    "",
    "a",
    "ab",
    "o'x",
    '"',
    "\\",
    "%",
    "_",
    "a%",
    "\0n",
    "é",
    "É",
    "日本",
    "🐚",
    "\U0010ffff",
    "a\U0010ffff",
    "--",
    "*/",
]
TIMES = ["2024-01-31", "2024-01-31T00:00:00Z", "2024-01-31T01:00:00+01:00", "1969-12-31 23:59:59.5", "9999-12-31"]
PLACES = [(0, 0), (48.1, 11.5), (90, 0), (-90, 30), (10, 180), (10, -180), (10, 179.9), (-45.5, -179.95), (89.9, -120)]

_texts = st.sampled_from(TEXTS)
_integers = st.sampled_from([0, 1, 2, 5, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)])
_floats = st.sampled_from([0.0, -0.0, 0.1, 1.0, 2.5, -1.5, 1e-300, 1e300, 5e-324])
_junk = st.sampled_from([None, True, 3, 1.5, "x", "12", "1e3", "true", [], ["a", 1], {"lat": 91, "lon": 0}, 10**400])
_points = st.sampled_from(PLACES)
VALUES: dict[str, SearchStrategy[Any]] = {
    "brand": _texts,
    "stock": _integers,
    "price": _floats | _integers,
    "sale": st.booleans(),
    "made": st.sampled_from(TIMES),
    "tags": st.lists(_texts, max_size=3) | _texts,
    "place": _points.map(lambda point: {"lat": point[0], "lon": point[1]}) | _points.map(list),
    "Base Colour.v2/`x`": _texts,
}
METADATA: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={name: values | _junk.filter(lambda value: value != 10**400) for name, values in VALUES.items()}
)

_numbers = _integers | _floats | st.sampled_from([2.5, 1e25, -1e25, 0.5])
_operands: dict[str, SearchStrategy[Any]] = {
    "string": _texts,
    "int": _numbers,
    "float": _numbers,
    "bool": st.booleans(),
    "datetime": st.sampled_from(TIMES),
}
_radii = st.sampled_from([1.0, 20_000.0, 500_000.0, 5_000_000.0, 10_100_000.0, 1e8])


def _condition(name: str) -> SearchStrategy[dict[str, Any]]:
    kind = TYPES[name]

    def asks(op: str, value: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({"field": st.just(name), "op": st.just(op), "value": value})

    forms = [asks("exists", st.booleans())]
    if kind in _operands:
        one = _operands[kind]
        forms += [asks(op, one) for op in ("eq", "ne")] + [asks("in", st.lists(one, max_size=4))]
        if kind != "bool":
            forms += [asks(op, one) for op in ("lt", "lte", "gt", "gte")]
            ends = [st.fixed_dictionaries({low: one, high: one}) for low in ("gt", "gte") for high in ("lt", "lte")]
            forms += [
                asks("range", st.one_of(ends)),
                asks("range", st.fixed_dictionaries({"gt": one, "lt": st.none()})),
            ]
    if kind in ("string", "strings"):
        forms.append(asks("contains", _texts))
    if kind == "string":
        forms.append(asks("prefix", _texts))
    if kind == "strings":
        forms += [asks("in", st.lists(_texts, max_size=3)), asks("eq", _texts), asks("ne", _texts)]
    if kind == "geo":
        circle = st.tuples(_points, _radii)
        forms.append(asks("geo", circle.map(lambda each: {"lat": each[0][0], "lon": each[0][1], "radius_m": each[1]})))
    return st.one_of(forms)


_conditions = st.sampled_from(sorted(TYPES)).flatmap(_condition)
FILTERS: SearchStrategy[dict[str, Any]] = st.recursive(
    _conditions,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)


def collection_of(folder: Path, metadata: Sequence[Mapping[str, Any]]) -> Collection:
    """A collection with those items, `item-00000` …, 3 × 4 pixels, and all of `FIELDS`."""
    collection = empty_collection(folder)
    add_fields(collection, FIELDS)
    collection.refresh()
    write(collection, dict(enumerate(metadata)))
    return collection


def write(collection: Collection, metadata: Mapping[int, Mapping[str, Any]]) -> None:
    """Write items by their number."""
    collection.add(
        [replace(entry(number), record=replace(entry(number).record, metadata=metadata[number])) for number in metadata]
    )


def ids_of(collection: Collection, rows: Sequence[int]) -> list[str]:
    """Ids of row ids, sorted."""
    return sorted(record.id for record in collection.records_at([int(row) for row in rows]) if record)


def matches(asked: Mapping[str, Any], number: int, metadata: Mapping[str, Any]) -> bool:
    """Whether item *number* with these metadata meets a filter in the long form."""
    if "and" in asked:
        return all(matches(part, number, metadata) for part in asked["and"])
    if "or" in asked:
        return any(matches(part, number, metadata) for part in asked["or"])
    if "not" in asked:
        return not matches(asked["not"], number, metadata)
    name, op = asked["field"], asked["op"]
    built_in = {"id": f"item-{number:05d}", "width": 3, "height": 4}
    value = built_in[name] if name in built_in else fit(metadata.get(name), TYPES[name])  # pyright: ignore[reportArgumentType]
    return _holds(None if value is MISFIT else value, op, asked["value"], TYPES[name])


def _holds(value: object, op: str, operand: object, kind: str) -> bool:
    if op == "exists":
        return (value is not None) == operand
    if op == "ne":
        return not _holds(value, "eq", operand, kind)
    if value is None:
        return False
    if kind == "datetime":
        operand = _times(operand)
    if kind == "float":
        # they are compared as 64-bit floats
        operand = _floats_of(operand)
    match op:
        case "eq":
            return operand in value if kind == "strings" else value == operand
        case "in":
            return any(each in operand for each in (value if kind == "strings" else [value]))
        case "contains":
            return operand in value
        case "prefix":
            return value.startswith(operand)
        case "geo":
            return metres(value, (operand["lat"], operand["lon"])) <= operand["radius_m"]
        case "range":
            return all(_compare(value, end, each) for end, each in operand.items() if each is not None)
        case _:
            return _compare(value, op, operand)


def _compare(value: object, op: str, operand: object) -> bool:
    return {"lt": value < operand, "lte": value <= operand, "gt": value > operand, "gte": value >= operand}[op]


def _times(operand: object) -> object:
    if isinstance(operand, list):
        return [_times(each) for each in operand]
    if isinstance(operand, dict):
        return {op: each and _times(each) for op, each in operand.items()}
    found = datetime.fromisoformat(operand)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _floats_of(operand: object) -> object:
    if isinstance(operand, list):
        return [float(each) for each in operand]
    if isinstance(operand, dict):
        return {op: each if each is None else float(each) for op, each in operand.items()}
    return float(operand)


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """By the angle between two vectors, which is exact at all distances too."""
    a, b = _unit(*one), _unit(*other)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return 6_371_008.8 * math.atan2(math.hypot(*cross), sum(x * y for x, y in zip(a, b, strict=True)))


def _unit(lat: float, lon: float) -> tuple[float, float, float]:
    lat, lon = math.radians(lat), math.radians(lon)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)
