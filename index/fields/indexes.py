"""Scalar indexes over fields: a condition that few rows meet is answered without reading the column.

Rows that are younger than an index are read, so an index is never wrong, only less of a help; `index_fields` brings it up to date.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import lance
import pyarrow as pa
import pyarrow.compute as pc
from lance.commit import CommitConflictError

from index.collection import Collection
from index.commits import full_disk_told
from index.fields.types import Field, derived_fields
from index.lease import turn

Kind = Literal["BTREE", "BITMAP", "LABEL_LIST"]

# Below this a column is read sooner than an index is opened.
INDEX_FROM_ROWS = 4_096
# A bitmap for each value: up to here that is smaller and faster than a tree.
_MAX_BITMAPS = 1_000
# Of longer texts nobody asks for the whole value, and their index would be as large as they are.
_MAX_MEAN_BYTES = 128
_BATCH_ROWS = 8_192


def index_fields(collection: Collection, *, from_rows: int = INDEX_FROM_ROWS) -> list[str]:
    """Index the fields that have no index, and take new rows into the indexes there are; a small collection needs none.

    Writers need not wait, except while it is repeated because a compaction came between.

    Args:
        collection: whose fields.
        from_rows: how many items it must have.

    Returns:
        The columns that are indexed.

    Raises:
        LeaseHeld: a compaction came between, and another writer has not finished since.
        StorageFull: no space for them; the collection stays as it was.
    """
    items = collection.latest().items
    if items.count_rows() < from_rows:
        return []
    indexed: list[str] = []
    with full_disk_told(collection):
        for field in derived_fields(items.schema):
            kind = _kind(items, field)
            if kind is not None:
                for column in field.columns():
                    _patiently(collection, partial(_bring_up, collection, column, kind))
                    indexed.append(column)
    return indexed


def update_field_indexes(collection: Collection, *, behind: int = INDEX_FROM_ROWS) -> list[str]:
    """Take new rows into the indexes there are, where more than *behind* are not in one: each would be read by every filter.

    An update writes much of an index anew (0.3 s for nine of 100,000 rows), so it is not made for a few.

    Returns:
        The columns whose indexes were behind.

    Raises:
        LeaseHeld, StorageFull: as `index_fields`.
    """
    items = collection.latest().items
    columns = [column for field in derived_fields(items.schema) for column in field.columns()]
    late = [column for column in columns if _unindexed(items, column) > behind]
    with full_disk_told(collection):
        for column in late:
            _patiently(collection, partial(_update, collection, column))
    return late


def index_names(items: lance.LanceDataset, column: str) -> list[str]:
    """Names of the indexes over one column's values; one over its words is none."""
    found = [index for index in items.describe_indices() if index.field_names == [column]]
    return [index.name for index in found if index.index_type != "Inverted"]


def _bring_up(collection: Collection, column: str, kind: Kind) -> None:
    items = collection.latest().items
    names = index_names(items, column)
    if not names:
        items.create_scalar_index(column, kind)
    elif _unindexed(items, column):
        items.optimize.optimize_indices(index_names=names)


def _update(collection: Collection, column: str) -> None:
    items = collection.latest().items
    items.optimize.optimize_indices(index_names=index_names(items, column))


def _unindexed(items: lance.LanceDataset, column: str) -> int:
    """Rows that are younger than the column's index; 0 where it has none."""
    counts = (items.stats.index_stats(name)["num_unindexed_rows"] for name in index_names(items, column))
    return max(counts, default=0)


def _patiently(collection: Collection, work: Callable[[], None]) -> None:
    try:
        work()
    except (CommitConflictError, OSError) as error:
        if "commit conflict" not in str(error):
            raise
        # rows were moved to other fragments by a compaction meanwhile; it waits for us now
        with turn(collection.home):
            work()


def _kind(items: lance.LanceDataset, field: Field) -> Kind | None:
    match field.type:
        case "bool":
            return "BITMAP"
        case "strings":
            return "LABEL_LIST"
        case "geo":
            return "BTREE"
        case _:
            # what an earlier look has decided stays
            return "BTREE" if index_names(items, field.column) else _kind_of_values(items, field.column)


def _kind_of_values(items: lance.LanceDataset, column: str) -> Kind | None:
    """A bitmap for few values, a tree for many, none for long texts; reads no more than it takes to tell."""
    values: set[object] = set()
    rows = size = 0
    for batch in items.scanner(columns=[column], batch_size=_BATCH_ROWS).to_batches():
        found: pa.Array = batch[column]
        rows += len(found) - found.null_count
        if pa.types.is_string(found.type):
            size += pc.call_function("sum", [pc.call_function("binary_length", [found])]).as_py() or 0
        values.update(found.unique().to_pylist())
        if len(values) > _MAX_BITMAPS:
            break
    if size > rows * _MAX_MEAN_BYTES:
        return None
    return "BTREE" if len(values) > _MAX_BITMAPS else "BITMAP"
