"""What values the matching items have: counts of texts, booleans, integers and list elements; ranges of floats and times."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from index.datasets import row_filter, row_ids
from index.errors import FieldInvalid
from index.fields.types import Field, fields_of, find_field
from index.live.tail import within

DEFAULT_LIMIT = 10
MAX_LIMIT = 1_000
MAX_FACETS = 32
# So few rows are fetched by their ids; of more, the column is read through.
_FETCHED = 2_000
# Partial counts are added up whenever they are so many, so that they take no more memory than there are values.
_PARTIAL = 262_144
_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Bucket:
    """Values from *low* to *high*; only the last bucket's *high* is one of its own."""

    low: float | datetime
    high: float | datetime
    count: int


@dataclass(frozen=True)
class Facet:
    """One field over the matching items.

    Attributes:
        field: which.
        missing: items without a value.
        distinct: different values, or elements of lists.
        values: the most frequent ones with the number of their items, and by value where these are equal; empty for floats
            and times.
        buckets: for floats and times, ranges of about equally many items, ascending.
    """

    field: Field
    missing: int
    distinct: int
    values: tuple[tuple[str | int | bool, int], ...] = ()
    buckets: tuple[Bucket, ...] = ()


def facet_counts(
    items: lance.LanceDataset, names: Sequence[str], rows: np.ndarray | None = None, *, limit: int = DEFAULT_LIMIT
) -> dict[str, Facet]:
    """Facets of the items, exact, in one pass over the columns.

    Args:
        items: at the version to count at.
        names: of fields.
        rows: (n,) int64 row ids to count, ascending, each once, as `matching_rows` gives them; None = all items.
        limit: values, or buckets, of each facet at most.

    Raises:
        FieldUnknown: no such field.
        FieldInvalid: points have no facets; or they are too many.
        ValueError: *limit* is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit is {limit}: it must be 1 to {MAX_LIMIT}")
    fields = _fields(items, names)
    tallies = {name: _Ranges() if field.type in ("float", "datetime") else _Counts() for name, field in fields.items()}
    if tallies:
        for batch in _batches(items, [field.column for field in fields.values()], rows):
            for name, field in fields.items():
                tallies[name].add(batch[field.column])
    return {name: tallies[name].facet(field, limit) for name, field in fields.items()}


def _fields(items: lance.LanceDataset, names: Sequence[str]) -> dict[str, Field]:
    if len(names) > MAX_FACETS:
        raise FieldInvalid(f"{len(names)} facets, {MAX_FACETS} are allowed: ask for fewer", "facets")
    known = fields_of(items.schema)
    found = {name: find_field(known, name, f"facets[{at}]") for at, name in enumerate(names)}
    for at, field in enumerate(found.values()):
        if field.type == "geo":
            raise FieldInvalid(f"{field} is a point, and points have no facets: filter by distance", f"facets[{at}]")
    return found


def _batches(items: lance.LanceDataset, columns: list[str], rows: np.ndarray | None) -> Iterator[pa.RecordBatch]:
    """Those columns of those rows, in any order."""
    if rows is None:
        yield from items.scanner(columns=columns, batch_size=_BATCH_ROWS, scan_in_order=False).to_batches()
    elif len(rows) <= _FETCHED:
        if len(rows):
            yield from items.scanner(columns=columns, filter=row_filter(rows.tolist())).to_batches()
    else:
        scan = items.scanner(columns=columns, with_row_id=True, batch_size=_BATCH_ROWS, scan_in_order=False)
        for batch in scan.to_batches():
            yield batch.filter(pa.array(within(row_ids(batch), rows)))


class _Counts:
    """Counts of values; of lists, of the items that hold an element."""

    def __init__(self) -> None:
        self._missing = 0
        self._partial: list[pa.Table] = []
        self._rows = 0

    def add(self, column: pa.Array) -> None:
        self._missing += column.null_count
        if pa.types.is_list(column.type):
            values, counts = _element_counts(column)
        else:
            values, counts = column.drop_null().value_counts().flatten()
        self._partial.append(pa.table({"value": values, "count": counts}))
        self._rows += len(values)
        if self._rows > _PARTIAL:
            self._partial = [self._total()]
            # what is left is distinct: room for as much again
            self._rows = min(len(self._partial[0]), _PARTIAL) // 2

    def facet(self, field: Field, limit: int) -> Facet:
        if not self._partial:
            return Facet(field, 0, 0)
        total = self._total()
        order = [("count", "descending"), ("value", "ascending")]
        best = total.take(_call("select_k_unstable", total, k=limit, sort_keys=order)) if len(total) else total
        values = tuple(zip(best["value"].to_pylist(), best["count"].to_pylist(), strict=True))
        return Facet(field, self._missing, len(total), values=values)

    def _total(self) -> pa.Table:
        table = pa.concat_tables(self._partial).group_by("value").aggregate([("count", "sum")])
        return table.rename_columns({"count_sum": "count"})


class _Ranges:
    """The values themselves: 8 bytes each."""

    def __init__(self) -> None:
        self._missing = 0
        self._values: list[np.ndarray] = []
        self._kind: pa.DataType = pa.float64()

    def add(self, column: pa.Array) -> None:
        self._missing += column.null_count
        self._kind = column.type
        plain = column.drop_null()
        # times as microseconds
        self._values.append((plain.cast(pa.int64()) if pa.types.is_timestamp(column.type) else plain).to_numpy())

    def facet(self, field: Field, limit: int) -> Facet:
        values = np.sort(np.concatenate(self._values)) if self._values else np.zeros(0)
        if not len(values):
            return Facet(field, self._missing, 0)
        edges = np.unique(values[np.linspace(0, len(values) - 1, limit + 1).round().astype(np.int64)])
        # a bucket begins with the first of the values that equal its lower end; the last one holds its upper end too
        starts = np.searchsorted(values, edges[:-1] if len(edges) > 1 else edges, side="left")
        counts = np.diff([*starts, len(values)])
        ends = pa.array(edges).cast(self._kind).to_pylist()
        highs = ends[1:] or ends
        buckets = tuple(Bucket(*each) for each in zip(ends, highs, counts.tolist(), strict=False))
        return Facet(field, self._missing, 1 + int((np.diff(values) > 0).sum()), buckets=buckets)


def _element_counts(lists: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The elements of lists, and in how many lists each is."""
    coded = _call("list_flatten", lists).dictionary_encode()
    size = max(1, len(coded.dictionary))
    # a pair of list and element is one number, and counts once
    pairs = _call("list_parent_indices", lists).to_numpy().astype(np.int64) * size + coded.indices.to_numpy()
    # sorted, for np.unique hashes, which takes ten times as long
    pairs.sort()
    once = pairs[np.diff(pairs, prepend=-1) > 0]
    counts = np.bincount(once % size, minlength=len(coded.dictionary))
    return coded.dictionary, pa.array(counts[: len(coded.dictionary)], pa.int64())


def _call(name: str, *arguments: object, **options: object) -> pa.Array:
    # pyarrow makes these functions when it is imported, so no checker knows them
    return getattr(pc, name)(*arguments, **options)
