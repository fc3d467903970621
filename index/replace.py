"""Writing rows in one commit of their own files: new ones, and others in the place of rows that keep their ids.

Lance's `merge_insert` does as much for any condition, and pays for a join of the whole key column: 14 ms for ten rows
beside the 3 ms of this (idle, 100,000 rows), which knows already which rows it replaces.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation
from lance.fragment import FragmentMetadata, RowIdSequence, write_fragments

from index.datasets import newest, row_addresses, row_filter, row_ids

# A merge of small files beside us (`index.maintenance`) may take away the files that we delete rows of: look again.
_ATTEMPTS = 8
# Rows of a predicate: more are looked for by reading all row ids.
_ROWS_TOGETHER = 10_000
ADDRESS_BITS, OFFSET = 32, 0xFFFF_FFFF

Operation = LanceOperation.BaseOperation


class StoredRow(NamedTuple):
    """A row that is there: its id, and where it lies (see `Rows`)."""

    row: int
    place: int

    @classmethod
    def each_of(cls, read: pa.Table) -> "list[StoredRow]":
        """Those of a table that was read with row ids and addresses, in its order."""
        return list(map(cls, row_ids(read).tolist(), row_addresses(read).tolist()))


@dataclass(frozen=True)
class Rows:
    """Rows of one dataset that are there at one of its versions.

    Attributes:
        ids: (n,) int64 row ids.
        places: (n,) int64 where they lie at that version: file and offset in one number; None = to be looked up.
    """

    ids: np.ndarray
    places: np.ndarray | None = None

    @classmethod
    def of(cls, read: pa.Table) -> "Rows":
        """Those of a table that was read with row ids and addresses."""
        return cls(row_ids(read), row_addresses(read))

    @classmethod
    def each(cls, rows: Iterable[StoredRow]) -> "Rows":
        """Those rows."""
        ids, places = np.array(list(rows), np.int64).reshape(-1, 2).T
        return cls(ids, places)

    def and_those(self, others: "Rows") -> "Rows":
        """These and others of the same version; where they lie must be known of both, or is looked up."""
        ids = np.concatenate([self.ids, others.ids])
        if self.places is None or others.places is None:
            return Rows(ids)
        return Rows(ids, np.concatenate([self.places, others.places]))


NO_ROWS = Rows(np.empty(0, np.int64), np.empty(0, np.int64))


def put(
    dataset: lance.LanceDataset,
    fresh: pa.Table,
    changed: pa.Table | None = None,
    rows: Rows = NO_ROWS,
    dropped: Rows = NO_ROWS,
) -> lance.LanceDataset:
    """Add the rows *fresh*, and put those of *changed* in the place of *rows*, as many and in that order; one commit.

    Rows that keep their ids cost a look at all row ids: 20 ms of a million, where new ones cost 1. The caller has the turn;
    where both tables are empty nothing is written.

    Args:
        dataset: what is written to.
        fresh: rows that get new ids, with the dataset's columns.
        changed: rows that keep the ids of those that they replace; likewise.
        rows: which those are.
        dropped: rows that go in the same commit.
    """
    new, in_place = list[FragmentMetadata](), list[FragmentMetadata]()
    if fresh.num_rows:
        new = write_fragments(fresh, dataset, mode="append")
    if changed is not None and changed.num_rows:
        (written,) = write_fragments(changed, dataset, mode="append")  # a file takes a million rows
        in_place = [with_row_ids(written, rows.ids.tolist())]
    return commit_rows(dataset, new, in_place, rows.and_those(dropped))


def commit_rows(
    dataset: lance.LanceDataset, fresh: list[FragmentMetadata], changed: list[FragmentMetadata], rows: Rows
) -> lance.LanceDataset:
    """As `put`, of files that are written already; those in *changed* name their row ids (`with_row_ids`); *rows* go."""
    if not fresh and not changed:
        return dataset

    def operation(at: lance.LanceDataset, rows: Rows) -> Operation:
        if not len(rows.ids):
            return LanceOperation.Append(fresh)
        left, emptied = without(at, rows)
        return LanceOperation.Update(
            removed_fragment_ids=emptied, updated_fragments=left, new_fragments=[*fresh, *changed]
        )

    return _commit(dataset, rows, operation)


def drop(dataset: lance.LanceDataset, rows: Rows) -> lance.LanceDataset:
    """Without those rows, in one commit; of rows that are not there nothing is said."""
    if not len(rows.ids):
        return dataset

    def operation(at: lance.LanceDataset, rows: Rows) -> Operation:
        left, emptied = without(at, rows)
        # Lance wants a condition to show; which rows it held for, the files say
        return LanceOperation.Delete(updated_fragments=left, deleted_fragment_ids=emptied, predicate="_rowid")

    return _commit(dataset, rows, operation)


def with_row_ids(fragment: FragmentMetadata, rows: Sequence[int]) -> FragmentMetadata:
    """A file not yet committed, whose rows will have those ids in their order."""
    fragment.row_id_meta = RowIdSequence(list(rows)).to_inline_metadata()
    return fragment


def located(dataset: lance.LanceDataset, ids: np.ndarray) -> Rows:
    """Those of the row ids (n,) that are there, and where; in any order."""
    few = len(ids) <= _ROWS_TOGETHER
    condition = row_filter(ids.tolist()) if few and len(ids) else None
    scan = dataset.scanner(columns=[], filter=condition, with_row_id=True, with_row_address=True)
    found, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for batch in scan.to_batches() if len(ids) else ():
        there = np.isin(row_ids(batch), ids)
        found.append(row_ids(batch)[there])
        places.append(row_addresses(batch)[there])
    return Rows(np.concatenate(found), np.concatenate(places))


def without(dataset: lance.LanceDataset, rows: Rows) -> tuple[list[FragmentMetadata], list[int]]:
    """The files that those rows are in, without them, and the numbers of files that are empty then."""
    places = located(dataset, rows.ids).places if rows.places is None else rows.places
    assert places is not None
    left, emptied = list[FragmentMetadata](), list[int]()
    files = places >> ADDRESS_BITS
    for number in np.unique(files).tolist():
        fragment = dataset.get_fragment(number)
        assert fragment is not None
        rest = fragment.delete_rows((places[files == number] & OFFSET).tolist())
        if rest is None:
            emptied.append(number)
        else:
            left.append(rest)
    return left, emptied


def _commit(
    dataset: lance.LanceDataset, rows: Rows, operation: Callable[[lance.LanceDataset, Rows], Operation]
) -> lance.LanceDataset:
    for attempt in itertools.count(1):
        try:
            return lance.LanceDataset.commit(dataset, operation(dataset, rows), read_version=dataset.version)
        except (OSError, RuntimeError) as error:
            if attempt == _ATTEMPTS or "conflict" not in str(error).lower():
                raise
            # they may lie elsewhere now
            dataset, rows = newest(dataset), Rows(rows.ids)
    raise AssertionError("counts for ever")
