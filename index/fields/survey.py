"""A look at all metadata: which of their keys have one type throughout, and which values do not fit a field."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import lance
from pydantic import JsonValue
from pydantic_core import from_json

from index.fields.types import Field, FieldType, derived_fields, is_field_name
from index.fields.values import INT64_MAX, INT64_MIN, MISFIT, fit, parse_time

# Metadata whose keys are values ({"user-8271": 3}) would fill memory with keys.
MAX_KEYS = 4_096
_BATCH_ROWS = 8_192
# What a value may turn out to be: a type, a list of nothing, or no type of ours.
_NOTHING, _OTHER = "nothing", "other"
_WIDEST: tuple[tuple[set[str], FieldType], ...] = (
    ({"bool"}, "bool"),
    ({"int"}, "int"),
    ({"int", "float"}, "float"),
    ({"datetime"}, "datetime"),
    ({"string", "datetime"}, "string"),
    ({"strings", "string", "datetime", _NOTHING}, "strings"),
    ({"geo"}, "geo"),
)


@dataclass(frozen=True)
class Proposal:
    """A field that could be added: every value of that key fits it.

    Attributes:
        field: name and type.
        count: items that have a value.
    """

    field: Field
    count: int


@dataclass(frozen=True)
class Survey:
    """What was seen.

    Attributes:
        rows: items looked at.
        proposals: the most frequent first.
        mixed: of the keys that no type fits, what their values are ("int, string").
        misfits: values that do not fit a field that is there, by its name.
    """

    rows: int
    proposals: list[Proposal]
    mixed: dict[str, str]
    misfits: Counter[str]


@dataclass
class _Key:
    count: int = 0
    kinds: set[str] = field(default_factory=set[str])


def survey(items: lance.LanceDataset) -> Survey:
    """Look at the metadata of every item, in batches.

    A key gets the narrowest type that all of its values have: integers widen to floats, dates and texts to texts, a text
    and lists of them to lists. [48.1, 11.5] is not taken for a point, because it may as well be a size, or hold the
    longitude first: {"lat": 48.1, "lon": 11.5} is. Objects of other kinds are no fields. Of more than `MAX_KEYS` keys,
    those that come first are looked at.
    """
    return survey_rows(_metadata(items), {each.name: each for each in derived_fields(items.schema)})


def survey_rows(metadata: Iterable[Mapping[str, JsonValue]], fields: Mapping[str, Field]) -> Survey:
    """`survey` of metadata in which *fields* are there already."""
    keys: dict[str, _Key] = {}
    misfits: Counter[str] = Counter()
    rows = 0
    for row in metadata:
        rows += 1
        for name, value in row.items():
            if name in fields:
                misfits[name] += fit(value, fields[name].type) is MISFIT
            elif value is not None and (name in keys or len(keys) < MAX_KEYS):
                _note(keys.setdefault(name, _Key()), value)
    usable = {name: key for name, key in keys.items() if is_field_name(name)}
    proposals = [
        Proposal(Field(name, kind), key.count)
        for name, key in usable.items()
        if (kind := _type_of(key.kinds)) is not None
    ]
    mixed = {name: ", ".join(sorted(key.kinds)) for name, key in usable.items() if _type_of(key.kinds) is None}
    return Survey(rows, sorted(proposals, key=lambda each: (-each.count, each.field.name)), mixed, +misfits)


def _metadata(items: lance.LanceDataset) -> Iterable[Mapping[str, JsonValue]]:
    for batch in items.scanner(columns=["metadata"], batch_size=_BATCH_ROWS, scan_in_order=False).to_batches():
        yield from map(from_json, batch["metadata"].to_pylist())


def _note(key: _Key, value: JsonValue) -> None:
    key.count += 1
    # once there is a text, a date says nothing more, and reading it takes most of the time
    key.kinds.add("string" if isinstance(value, str) and "string" in key.kinds else _kind_of(value))


def _kind_of(value: JsonValue) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "int" if INT64_MIN <= value <= INT64_MAX else "float"
        case float():
            return "float"
        case str():
            return "string" if parse_time(value) is None else "datetime"
        case list():
            if not value:
                return _NOTHING
            return "strings" if all(isinstance(each, str) for each in value) else _OTHER
        case _:
            return _OTHER if fit(value, "geo") is MISFIT else "geo"


def _type_of(kinds: set[str]) -> FieldType | None:
    # lists of which all are empty have no type yet
    return next((kind for within, kind in _WIDEST if kinds <= within and kinds != {_NOTHING}), None)
