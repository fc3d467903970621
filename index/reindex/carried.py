"""What a generation has besides rows: columns of typed fields, and indexes over them and over texts."""

from collections.abc import Sequence

import pyarrow as pa

from index.collection import Collection
from index.fields.change import add_fields, declare_fields, drop_fields
from index.fields.indexes import index_fields
from index.fields.types import Field, derived_fields
from index.lexical.text_index import ensure_text_index, text_index


def declare_like(served: Collection, target: Collection) -> None:
    """Give a target without rows the typed fields of the served collection: what is then written fills them."""
    declare_fields(target.items, derived_fields(served.items.schema))
    target.refresh()


def has_fields_of(served: Collection, target: Collection) -> bool:
    """Whether both have the same typed fields."""
    return _fields(served) == _fields(target)


def settle_like(served: Collection, target: Collection) -> None:
    """Bring typed fields and all indexes of the target to what the served collection has.

    Raises:
        LeaseHeld: a job runs on the collection: fields cannot be changed meanwhile.
    """
    served, target = served.latest(), target.latest()
    wanted, there = _fields(served), _fields(target)
    if there - wanted:
        drop_fields(target, sorted(field.name for field in there - wanted))
    if wanted - there:
        add_fields(target, [field for field in derived_fields(served.items.schema) if field in wanted - there])
    target = target.latest()
    index_fields(target)
    for old, new in ((served.items, target.latest().items), (served.captions, target.latest().captions)):
        for column in _texts(old.schema):
            index = text_index(old, column)
            if index is not None:
                ensure_text_index(new, column, index.analysis)


def _fields(collection: Collection) -> set[Field]:
    return set(derived_fields(collection.items.schema))


def _texts(schema: pa.Schema) -> Sequence[str]:
    kinds = (pa.string(), pa.list_(pa.string()))
    return [field.name for field in schema if field.type in kinds]
