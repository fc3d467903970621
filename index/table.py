"""One dataset of a collection for its writer, who knows what it wrote: nothing of that is read again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import RowIdSequence

from index.ids import RecentIds
from index.live.changes import Changes, Made, fresh_files
from index.records import packed
from index.replace import NO_ROWS, Rows, drop, put
from index.rows import RECORD_COLUMNS, records_of, vectors_of

# Rows of a commit that is remembered: what a job writes is read by whoever follows it.
_MOST = 4_096
_VECTOR = "vector"


class Table:
    """Used by one thread, in its turn.

    Args:
        dataset: rows with a `vector`.
        key: its column of ids.
        dim: d.

    Attributes:
        dataset: as it is after the last commit.
    """

    def __init__(self, dataset: lance.LanceDataset, key: str, dim: int) -> None:
        self.dataset = dataset
        self._written: list[_Written] = []
        self._key, self._dim = key, dim
        self._ids = RecentIds(key)

    def begin(self, dataset: lance.LanceDataset) -> None:
        """Go on from there, which others may have made."""
        self.dataset, self._written = dataset, []

    @property
    def made(self) -> list[Made]:
        """The commits since `begin`, but for large ones and those that another's came before."""
        return [each.told(self._dim) for each in self._written]

    def hold_all(self) -> None:
        """Hold the ids of all its rows in memory, unless they are too many, for look-ups of a few at a time."""
        self._ids = RecentIds(self._key, whole=True)
        self.rows([])

    def rows(self, keys: Iterable[str], columns: Sequence[str] = ()) -> pa.Table:
        """The rows of those keys; see `RecentIds.rows`."""
        return self._ids.rows(self.dataset, keys, list(columns))

    def put(
        self, fresh: pa.Table, changed: pa.Table | None = None, rows: Rows = NO_ROWS, dropped: Rows = NO_ROWS
    ) -> None:
        """One commit; see `index.replace.put`."""
        before = self.dataset
        self.dataset = put(before, fresh, changed, rows, dropped)
        written = [each for each in (fresh, changed) if each is not None and each.num_rows]
        self._note(before, written, dropped, rows.and_those(dropped))

    def drop(self, rows: Rows) -> None:
        """One commit; see `index.replace.drop`."""
        before = self.dataset
        self.dataset = drop(before, rows)
        self._note(before, [], rows, rows)

    def _note(self, before: lance.LanceDataset, written: Sequence[pa.Table], gone: Rows, moved: Rows) -> None:
        """What a commit wrote, in a file for each table; rows that went, and those that lie where they lay no more."""
        after = self.dataset
        if after.version != before.version + 1 or sum(each.num_rows for each in written) > _MOST:
            return
        rows = [np.zeros(0, np.int64)]
        for file, table in zip(fresh_files(before, after), written, strict=True):
            ids = _row_ids(file)
            self._ids.wrote(file.fragment_id, table[self._key], ids)
            rows.append(ids)
        if moved.places is not None:
            self._ids.dropped(moved.places)
        self._written.append(_Written(before.version, after.version, gone.ids, np.concatenate(rows), written))


@dataclass(frozen=True)
class _Written:
    """One commit: row ids that went, and those that the rows of the tables have, in their order."""

    before: int
    after: int
    gone: np.ndarray
    rows: np.ndarray
    tables: Sequence[pa.Table]

    def told(self, dim: int) -> Made:
        """For whoever follows; costs more than the writer, who may be a job, needs to know."""
        vectors = [np.zeros((0, dim), np.float32), *(vectors_of(each[_VECTOR], dim) for each in self.tables)]
        items = [each for each in self.tables if set(RECORD_COLUMNS).issubset(each.column_names)]
        records = [packed(record) for each in items for record in records_of(each)]
        return Made(self.before, self.after, Changes(self.gone, self.rows, np.concatenate(vectors), records))


def _row_ids(file: lance.LanceFragment) -> np.ndarray:
    """(n,) int64 in the order of its rows; nothing is read for them."""
    ids = file.metadata.row_id_meta
    assert ids is not None, "all datasets of a collection have stable row ids"
    sequence = RowIdSequence.from_inline_metadata(ids)
    return sequence.to_pyarrow().to_numpy(zero_copy_only=False).astype(np.int64)
