"""Vectors of one kind as they are now: what was pushed to Milvus, less what changed since, and those changes.

It is to Milvus what `index.live.part` is to a FAISS snapshot, and stands in a view in its place.
"""

from dataclasses import dataclass, replace

import numpy as np

from index.live.changes import Changes
from index.live.tail import Tail, within
from index.milvus.part import MilvusPart
from index.milvus.stored import Stored
from index.parts import Found, best
from index.vectors import unit


@dataclass(frozen=True)
class LiveMilvus:
    """Immutable, safe to share between threads.

    Attributes:
        part: what was pushed.
        stored: the same rows in Lance.
        pushed: how many there were.
        changed: sorted int64 row ids that were written or deleted since. A later push writes them into the same store, so
            they are known better here even where they were not there before.
        dead: how many of the pushed rows are among them.
        tail: what was written since.
    """

    part: MilvusPart
    stored: Stored
    pushed: int
    changed: np.ndarray
    dead: int
    tail: Tail

    @classmethod
    def of(cls, part: MilvusPart, stored: Stored) -> "LiveMilvus":
        """As it was pushed."""
        return cls(part, stored, stored.count(), np.zeros(0, np.int64), 0, Tail.empty(part.dim))

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.part.dim

    @property
    def rows(self) -> int:
        """Number of rows that can be found."""
        return self.pushed - self.dead + len(self.tail)

    @property
    def remedy(self) -> str:
        """What makes the tail part of the store."""
        return "vilem index push"

    def there(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the row ids *rows* (n,) int64 can be found; those that were pushed Lance tells."""
        pushed = np.isin(rows, self.stored.known(rows[~within(rows, self.changed)]))
        return pushed | self.tail.there(rows)

    def after(self, changes: Changes) -> "LiveMilvus":
        """The part once those changes were made; only the newest may be changed."""
        fresh = np.setdiff1d(np.union1d(changes.gone, changes.rows), self.changed, assume_unique=True)
        return replace(
            self,
            changed=np.union1d(self.changed, fresh),
            dead=self.dead + len(self.stored.known(fresh)),
            tail=self.tail.changed(changes.gone, changes.rows, unit(changes.vectors), changes.records),
        )

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Found:
        """The k best of each query; see `index.parts.VectorPart.search`, and `MilvusPart.search` for what it raises."""
        without = self.changed if len(self.changed) else None
        found = self.part.search(queries, k, among=among, without=without)
        return best([found, self.tail.search(queries, k, among)], k)
