"""What became of a dataset's rows between two of its versions; row ids are stable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation

from index.datasets import row_ids
from index.rows import vectors_of

_VECTOR = "vector"
_CREATED, _UPDATED = "_row_created_at_version", "_row_last_updated_at_version"
# rows of new files that are read whole
_FEW = 4_096
# A merge makes two versions, and an index one. A look costs 1 ms.
_LOOKS = 6


@dataclass(frozen=True)
class Changes:
    """From an older version to a newer one.

    Attributes:
        gone: (g,) int64 row ids that were deleted.
        rows: (w,) int64 row ids that were written: new ones, and old ones with other values.
        vectors: (w, d) float32 of those, as they are stored.
        records: of those that are items, w packed ones (`index.records.packed`), where their writer told; else none.
    """

    gone: np.ndarray
    rows: np.ndarray
    vectors: np.ndarray
    records: Sequence[bytes] = ()

    @classmethod
    def none(cls, dim: int) -> "Changes":
        """Of vectors of d = *dim*, not one."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, dim), np.float32))


@dataclass(frozen=True)
class Made:
    """What one commit made of a dataset, from one version to the next, as its writer knows it."""

    before: int
    after: int
    changes: Changes


@dataclass(frozen=True)
class Commits:
    """What was made of the items and of the captions of one generation of a collection, in its order."""

    generation: str
    items: Sequence[Made]
    captions: Sequence[Made]


NO_COMMITS = Commits("", (), ())


def known(made: Iterable[Made], old: lance.LanceDataset, new: lance.LanceDataset) -> list[Changes] | None:
    """Changes from one version to a later one, if those commits lead from the one to the other; one after the other.

    What changed no row, as a merge of small files does, may have come between, if it is little.
    """
    found, since, looks = list[Changes](), old.version, 0
    by_version = {each.before: each for each in made}
    while since < new.version:
        if (step := by_version.get(since)) is not None and step.after <= new.version:
            found.append(step.changes)
            since = step.after
        elif looks < _LOOKS and _changed_no_row(new, since + 1):
            since, looks = since + 1, looks + 1
        else:
            return None
    return found


def _changed_no_row(dataset: lance.LanceDataset, version: int) -> bool:
    """Whether the commit that made that version moved rows at most; False where that cannot be told."""
    try:
        made = dataset.read_transaction(version)
        if made is None or isinstance(made.operation, LanceOperation.Rewrite):
            return made is not None
        # what reserves numbers for a merge's files has no class of its own, as other commits to come may have none
        if type(made.operation) not in (LanceOperation.BaseOperation, LanceOperation.CreateIndex):
            return False
        return _deletions(dataset.checkout_version(version)) == _deletions(dataset.checkout_version(version - 1))
    except (OSError, ValueError, TypeError):
        # It was cleaned away; or it is a merge of whose indexes Lance 14.0.2 makes no objects (`RewrittenIndex`, called with too few
        # arguments: a TypeError).
        return False


def changes(old: lance.LanceDataset | None, new: lance.LanceDataset, dim: int) -> Changes:
    """What was deleted and written after *old*, up to *new*; costs what was written, not what is there.

    Rows are written into fragments of their own, so what *old* has not got holds them. Compaction moves old rows into
    new fragments too: those keep the version of their last change, which tells them apart.

    Args:
        old: the dataset at the older version; None where it was not there yet.
        new: the same dataset at the newer one.
        dim: d.
    """
    none = Changes.none(dim)
    table = _read_written(old, new)
    found = none if table is None else Changes(none.gone, row_ids(table), vectors_of(table[_VECTOR], dim))
    if old is None:
        return found
    moved = 0 if table is None else int(np.count_nonzero(table[_CREATED].to_numpy() <= old.version))
    return replace(found, gone=gone(old, new, moved))


def written(old: lance.LanceDataset | None, new: lance.LanceDataset, most: int = 0) -> int:
    """How many rows `changes` would find written, or up to *most* an upper bound of that, which costs less; reads none."""
    bound = sum(fragment.physical_rows for fragment in fresh_files(old, new))
    if bound <= most:
        return bound
    # merged files have rows that nobody wrote
    scanner = scan_written(old, new, [])
    return 0 if scanner is None else scanner.count_rows()


def scan_written(
    old: lance.LanceDataset | None, new: lance.LanceDataset, columns: list[str]
) -> lance.LanceScanner | None:
    """The rows that were written after *old*, up to *new*, with their row ids; None where there are none."""
    fresh = fresh_files(old, new)
    if not fresh:
        return None
    since = f"{_UPDATED} > {_version(old)}"
    return new.scanner(columns=columns, filter=since, fragments=fresh, with_row_id=True)


def gone(old: lance.LanceDataset, new: lance.LanceDataset, moved: int | None = None) -> np.ndarray:
    """(g,) int64 row ids that were deleted after *old*, up to *new*; *old* must not have been cleaned away.

    Args:
        old: the dataset at the older version.
        new: the same dataset at the newer one.
        moved: how many of the rows of *old* were written again, where that is known; it spares a look at the row ids.
    """
    now, before = _deletions(new), _deletions(old)
    # what was written and deleted in between was never seen
    if all(now.get(fragment) == count for fragment, count in before.items()):
        return np.zeros(0, np.int64)
    # a row that is marked as deleted in its old file is in a new one, or is gone
    marked = sum(now.get(fragment, 0) - count for fragment, count in before.items())
    if before.keys() <= now.keys() and marked == moved:
        return np.zeros(0, np.int64)
    found = new.delta(compared_against=old.version).get_deleted_row_ids()
    table = found if hasattr(found, "column") else found.read_all()
    return row_ids(table)


def _read_written(old: lance.LanceDataset | None, new: lance.LanceDataset) -> pa.Table | None:
    """Vectors of the rows that were written after *old*, with row ids and the versions of their first writing."""
    fresh = fresh_files(old, new)
    if not fresh:
        return None
    columns = [_VECTOR, _CREATED, _UPDATED]
    if sum(fragment.physical_rows for fragment in fresh) > _FEW:
        scanner = scan_written(old, new, columns)
        return None if scanner is None else scanner.to_table()
    # a condition costs Lance more than reading so few rows does
    table = new.scanner(columns=columns, fragments=fresh, with_row_id=True).to_table()
    return table.filter(table[_UPDATED].to_numpy() > _version(old))


def fresh_files(old: lance.LanceDataset | None, new: lance.LanceDataset) -> list[lance.LanceFragment]:
    """The files that only the newer one has, in the order of their numbers."""
    known = set[int]() if old is None else {fragment.fragment_id for fragment in old.get_fragments()}
    return [fragment for fragment in new.get_fragments() if fragment.fragment_id not in known]


def _version(old: lance.LanceDataset | None) -> int:
    return 0 if old is None else old.version


def _deletions(dataset: lance.LanceDataset) -> dict[int, int]:
    """Rows marked as deleted, by fragment."""
    return {fragment.fragment_id: fragment.num_deletions for fragment in dataset.get_fragments()}
