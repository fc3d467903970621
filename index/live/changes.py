"""What became of a dataset's rows between two of its versions; row ids are stable."""

from dataclasses import dataclass

import lance
import numpy as np

from index.datasets import row_ids
from index.rows import vectors_of

_VECTOR = "vector"


@dataclass(frozen=True)
class Changes:
    """From an older version to a newer one.

    Attributes:
        gone: (g,) int64 row ids that were deleted.
        rows: (w,) int64 row ids that were written: new ones, and old ones with other values.
        vectors: (w, d) float32 of those, as they are stored.
    """

    gone: np.ndarray
    rows: np.ndarray
    vectors: np.ndarray

    @classmethod
    def none(cls, dim: int) -> "Changes":
        """Of vectors of d = *dim*, not one."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, dim), np.float32))


def changes(old: lance.LanceDataset | None, new: lance.LanceDataset, dim: int) -> Changes:
    """What was deleted and written after *old*, up to *new*; costs what was written, not what is there.

    Rows are written into fragments of their own, so what *old* has not got holds them. Compaction moves old rows into
    new fragments too: those keep the version of their last change, which tells them apart.

    Args:
        old: the dataset at the older version; None where it was not there yet.
        new: the same dataset at the newer one.
        dim: d.
    """
    rows, vectors = np.zeros(0, np.int64), np.zeros((0, dim), np.float32)
    scanner = scan_written(old, new, [_VECTOR])
    if scanner is not None:
        table = scanner.to_table()
        rows, vectors = row_ids(table), vectors_of(table[_VECTOR], dim)
    return Changes(np.zeros(0, np.int64) if old is None else gone(old, new), rows, vectors)


def written(old: lance.LanceDataset | None, new: lance.LanceDataset) -> int:
    """How many rows `changes` would find written; reads none."""
    scanner = scan_written(old, new, [])
    return 0 if scanner is None else scanner.count_rows()


def scan_written(
    old: lance.LanceDataset | None, new: lance.LanceDataset, columns: list[str]
) -> lance.LanceScanner | None:
    """The rows that were written after *old*, up to *new*, with their row ids; None where there are none."""
    known = set[int]() if old is None else {fragment.fragment_id for fragment in old.get_fragments()}
    fresh = [fragment for fragment in new.get_fragments() if fragment.fragment_id not in known]
    if not fresh:
        return None
    since = f"_row_last_updated_at_version > {0 if old is None else old.version}"
    return new.scanner(columns=columns, filter=since, fragments=fresh, with_row_id=True)


def gone(old: lance.LanceDataset, new: lance.LanceDataset) -> np.ndarray:
    """(g,) int64 row ids that were deleted after *old*, up to *new*; *old* must not have been cleaned away."""
    now = _deletions(new)
    # what was written and deleted in between was never seen
    if all(now.get(fragment) == count for fragment, count in _deletions(old).items()):
        return np.zeros(0, np.int64)
    found = new.delta(compared_against=old.version).get_deleted_row_ids()
    table = found if hasattr(found, "column") else found.read_all()
    return row_ids(table)


def _deletions(dataset: lance.LanceDataset) -> dict[int, int]:
    """Rows marked as deleted, by fragment."""
    return {fragment.fragment_id: fragment.num_deletions for fragment in dataset.get_fragments()}
