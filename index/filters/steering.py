"""Whether an index over a column helps: a tree finds few rows at once, and is far slower than a scan for many.

Measured at 1 M rows: a B-tree gives 0.1 % of them in 1 ms and 50 % in 190 ms; reading the column takes 20 to 30 ms whatever
it finds. Lance uses an index wherever there is one, so a range that holds many rows is written in a way that none fits. How
many it holds is guessed from a sample of the column. A guess is never more than that: it changes no result.
"""

import threading
from bisect import bisect_left, bisect_right

import lance

from index.filters.nodes import Bound, Ordered

# Above this part of the rows a scan is faster; see `benchmarks.filter_rows`.
MOST_FOR_TREE = 0.03
# Values that are kept of a column: a part of 3 % is guessed to within half a percent.
_SAMPLE = 8_192

# Sorted samples by dataset, column and magnitude of the rows: taken again when these have doubled.
_kept: dict[tuple[str, str, int], tuple[list[Ordered], int]] = {}
_MAX_KEPT = 256
_lock = threading.Lock()


def tree_columns(items: lance.LanceDataset) -> set[str]:
    """Columns that have a B-tree at this version."""
    return {index.field_names[0] for index in items.describe_indices() if index.index_type == "BTree"}


def part_between(items: lance.LanceDataset, column: str, low: Bound | None, high: Bound | None) -> float:
    """About which part of all rows has a value in *column* that lies between two ends."""
    sample, rows = _sample_of(items, column)
    first = 0 if low is None else bisect_left(sample, low.value)  # pyright: ignore[reportArgumentType] - all of one type
    last = len(sample) if high is None else bisect_right(sample, high.value)  # pyright: ignore[reportArgumentType]
    return max(0, last - first) / max(1, rows)


def _sample_of(items: lance.LanceDataset, column: str) -> tuple[list[Ordered], int]:
    rows = items.count_rows()
    # the type too: a field that was dropped may come again as another
    key = (str(items.uri), f"{column} {items.schema.field(column).type}", rows.bit_length())
    with _lock:
        known = _kept.get(key)
    if known is None:
        known = _sample(items, column, rows)
        with _lock:
            while len(_kept) >= _MAX_KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = known
    return known


def _sample(items: lance.LanceDataset, column: str, rows: int) -> tuple[list[Ordered], int]:
    """The values of every so many-th row, sorted; and how many rows these were, with those that have none."""
    step = rows // _SAMPLE + 1
    found: list[Ordered] = []
    looked = 0
    for batch in items.scanner(columns=[column]).to_batches():
        some = batch[column][::step]
        looked += len(some)
        found.extend(some.drop_null().to_pylist())
    return sorted(found), looked  # pyright: ignore[reportArgumentType]
