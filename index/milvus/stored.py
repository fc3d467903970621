"""The vectors that Lance has, as Milvus is fed with them: in batches from any place on, and what changed since."""

from collections.abc import Iterator
from dataclasses import dataclass

import lance
import numpy as np

from index.datasets import row_ids, rows_at
from index.live.changes import gone, scan_written
from index.rows import vectors_of
from index.vectors import unit

_VECTOR = "vector"
# 4 MB of 512 floats: far from the 64 MB that one message to a server may have
BATCH_ROWS = 2_000

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Stored:
    """Vectors of unit norm by row id in one dataset at one version; safe to share between threads.

    Attributes:
        dataset: items or captions.
        dim: d.
    """

    dataset: lance.LanceDataset
    dim: int

    def count(self) -> int:
        """Number of rows."""
        return self.dataset.count_rows()

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """Row ids (n,) int64 and vectors (n, d) float32 in storage order, from the *start*-th row on."""
        yield from self._batches(
            self.dataset.scanner(
                columns=[_VECTOR], with_row_id=True, batch_size=BATCH_ROWS, scan_in_order=True, offset=start
            )
        )

    def written_since(self, old: lance.LanceDataset) -> Iterator[Batch]:
        """The rows that are new since *old* or have other values, in batches; costs what was written."""
        scan = scan_written(old, self.dataset, [_VECTOR])
        if scan is not None:
            yield from self._batches(scan)

    def gone_since(self, old: lance.LanceDataset) -> np.ndarray:
        """(g,) int64 row ids that *old* had."""
        return gone(old, self.dataset)

    def vectors(self, rows: np.ndarray) -> Batch:
        """Those of *rows* (m,) that are there, and their vectors."""
        table = rows_at(self.dataset, rows.tolist(), [_VECTOR])
        return row_ids(table), unit(vectors_of(table[_VECTOR], self.dim))

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Those of *rows* (m,) that are there, sorted."""
        return np.sort(row_ids(rows_at(self.dataset, rows.tolist(), [])))

    def spread(self, size: int) -> Batch:
        """At most *size* rows, evenly spread over all."""
        places = np.unique(np.linspace(0, self.count() - 1, min(size, self.count())).astype(np.int64))
        if not len(places):
            return self.vectors(places)
        table = self.dataset.take(places.tolist(), columns=["_rowid", _VECTOR])
        return row_ids(table), unit(vectors_of(table[_VECTOR], self.dim))

    def _batches(self, scan: lance.LanceScanner) -> Iterator[Batch]:
        for batch in scan.to_batches():
            if batch.num_rows:
                yield row_ids(batch), unit(vectors_of(batch[_VECTOR], self.dim))
