"""Metadata as columns of typed fields."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
from pydantic import JsonValue

from index.fields.types import Field
from index.fields.values import MISFIT, fit


def typed_columns(
    metadata: Sequence[Mapping[str, JsonValue]], fields: Iterable[Field]
) -> tuple[dict[str, pa.Array], Counter[str]]:
    """The columns of *fields*, by name, with a row for each item's metadata.

    Returns:
        The columns, null where an item has no such key or its value does not fit; and how many values of each field did
        not fit.
    """
    columns: dict[str, pa.Array] = {}
    misfits: Counter[str] = Counter()
    for field in fields:
        fitted = [fit(each.get(field.name), field.type) for each in metadata]
        count = sum(value is MISFIT for value in fitted)
        if count:
            misfits[field.name] = count
        columns |= _arrays(field, [None if value is MISFIT else value for value in fitted])
    return columns, misfits


def misfits_of(metadata: Mapping[str, JsonValue], fields: Iterable[Field]) -> list[tuple[Field, JsonValue]]:
    """Of one item, the fields whose value in its metadata is none of their type, each with that value."""
    given = ((field, metadata.get(field.name)) for field in fields)
    return [(field, value) for field, value in given if fit(value, field.type) is MISFIT]


def _arrays(field: Field, values: Sequence[object]) -> dict[str, pa.Array]:
    kinds = field.columns()
    if field.type != "geo":
        return {name: pa.array(values, kind) for name, kind in kinds.items()}
    points = [value if isinstance(value, tuple) else (None, None) for value in values]
    return {name: pa.array([point[at] for point in points], kind) for at, (name, kind) in enumerate(kinds.items())}
