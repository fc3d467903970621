"""One dataset of a collection for its writer, who knows what it wrote: nothing of that is read again."""

from collections.abc import Iterable, Sequence

import lance
import numpy as np
import pyarrow as pa
from lance.fragment import RowIdSequence

from index.ids import RecentIds
from index.live.changes import Changes, Made, fresh_files
from index.replace import NO_ROWS, Rows, drop, put
from index.rows import vectors_of

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
        made: the commits since `begin`, but for large ones and those that another's came before.
    """

    def __init__(self, dataset: lance.LanceDataset, key: str, dim: int) -> None:
        self.dataset = dataset
        self.made: list[Made] = []
        self._key, self._dim = key, dim
        self._ids = RecentIds(key)

    def begin(self, dataset: lance.LanceDataset) -> None:
        """Go on from there, which others may have made."""
        self.dataset, self.made = dataset, []

    def rows(self, keys: Iterable[str], columns: Sequence[str] = ()) -> pa.Table:
        """The rows of those keys; see `RecentIds.rows`."""
        return self._ids.rows(self.dataset, keys, list(columns))

    def put(
        self, fresh: pa.Table, changed: pa.Table | None = None, rows: Rows = NO_ROWS, dropped: Rows = NO_ROWS
    ) -> None:
        """One commit; see `index.replace.put`."""
        before = self.dataset
        self.dataset = put(before, fresh, changed, rows, dropped)
        self._note(before, [each for each in (fresh, changed) if each is not None and each.num_rows], dropped)

    def drop(self, rows: Rows) -> None:
        """One commit; see `index.replace.drop`."""
        before = self.dataset
        self.dataset = drop(before, rows)
        self._note(before, [], rows)

    def _note(self, before: lance.LanceDataset, written: Sequence[pa.Table], gone: Rows) -> None:
        after = self.dataset
        if after.version != before.version + 1 or sum(each.num_rows for each in written) > _MOST:
            return
        rows, vectors = [np.zeros(0, np.int64)], [np.zeros((0, self._dim), np.float32)]
        for file, table in zip(fresh_files(before, after), written, strict=True):
            ids = _row_ids(file)
            self._ids.wrote(file.fragment_id, table[self._key].to_pylist(), ids.tolist())
            rows.append(ids)
            vectors.append(vectors_of(table[_VECTOR], self._dim))
        found = Changes(gone.ids, np.concatenate(rows), np.concatenate(vectors))
        self.made.append(Made(before.version, after.version, found))


def _row_ids(file: lance.LanceFragment) -> np.ndarray:
    """(n,) int64 in the order of its rows; nothing is read for them."""
    ids = file.metadata.row_id_meta
    assert ids is not None, "all datasets of a collection have stable row ids"
    sequence = RowIdSequence.from_inline_metadata(ids)
    return sequence.to_pyarrow().to_numpy(zero_copy_only=False).astype(np.int64)
