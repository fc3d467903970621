"""Vectors written since the snapshot was made: a log that grows at its end, and views of it that never change.

A search compares with every living vector of the log. It is kept short by publishing anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from index.records import unpacked
from index.schema import Record

_FIRST_ROOM = 256
# share of the entries from which on all are compared with
_MOSTLY = 0.3
# of records that are kept; what comes beyond is looked up in the dataset
_RECORD_BYTES = 32 * 2**20


@dataclass
class _Log:
    """What all views of one tail share; entries are only ever appended, by the newest view."""

    rows: np.ndarray
    vectors: np.ndarray
    length: int
    places: dict[int, int]
    # by place; bytes, which Python's collector does not look through
    records: dict[int, bytes] = field(default_factory=dict[int, bytes])
    room: int = field(default_factory=lambda: _RECORD_BYTES)

    def append(self, rows: np.ndarray, vectors: np.ndarray, records: Sequence[bytes]) -> None:
        end = self.length + len(rows)
        if end > len(self.rows):
            # older views keep the arrays that they have
            room = max(2 * len(self.rows), end)
            self.rows, self.vectors = _grown(self.rows, room), _grown(self.vectors, room)
        self.rows[self.length : end] = rows
        self.vectors[self.length : end] = vectors
        self.room -= sum(map(len, records))
        if self.room >= 0:
            self.records |= dict(enumerate(records, self.length))
        # once the record is there: who finds the place looks for it
        self.places |= {row: self.length + at for at, row in enumerate(rows.tolist())}
        self.length = end


class Tail:
    """Rows by id with their vectors (d,), at one moment; safe to search from many threads.

    A tail is made longer from its newest view alone: `changed` of an older one is refused.
    """

    def __init__(self, log: _Log, alive: np.ndarray) -> None:
        self._log = log
        self._rows = log.rows[: log.length]
        self._vectors = log.vectors[: log.length]
        self._alive = alive

    @classmethod
    def empty(cls, dim: int) -> "Tail":
        """A tail of no rows, of d = *dim*."""
        vectors = np.zeros((_FIRST_ROOM, dim), np.float32)
        return cls(_Log(np.zeros(_FIRST_ROOM, np.int64), vectors, 0, {}), np.zeros(0, bool))

    def __len__(self) -> int:
        """Number of rows that are there."""
        return int(self._alive.sum())

    @property
    def entries(self) -> int:
        """Entries of the log, those included that later ones replaced: what a search costs."""
        return len(self._alive)

    def there(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the row ids *rows* (n,) int64 it has."""
        return within(rows, self._living)

    def records(self, rows: Iterable[int]) -> dict[int, Record]:
        """The items of those row ids whose records are known, by row id; of an older view fewer than it has."""
        found = dict[int, Record]()
        for row in rows:
            place = self._log.places.get(row, len(self._alive))
            # where a later view has it, this one's is forgotten
            if place < len(self._alive) and self._alive[place] and (packed := self._log.records.get(place)) is not None:
                found[row] = unpacked(packed)
        return found

    def changed(self, gone: np.ndarray, rows: np.ndarray, vectors: np.ndarray, records: Sequence[bytes] = ()) -> "Tail":
        """The tail without the row ids *gone* (g,), and with *rows* (w,) at their new *vectors* (w, d), unit norm.

        Their *records*, packed, are w where they are known, or none.

        Raises:
            ValueError: there is a newer view of this tail.
        """
        log = self._log
        if log.length != len(self._alive):
            raise ValueError("a tail grows from its newest view: this one has been followed by another")
        alive = np.concatenate([self._alive, np.ones(len(rows), bool)])
        replaced = (log.places.get(row) for row in (*gone.tolist(), *rows.tolist()))
        alive[[place for place in replaced if place is not None]] = False
        for row in gone.tolist():
            log.places.pop(row, None)
        log.append(rows, vectors, records)
        return Tail(log, alive)

    def search(self, queries: np.ndarray, k: int, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each query (n, d) by comparing with every row.

        Args:
            queries: (n, d) float32, unit norm.
            k: how many.
            among: sorted int64 row ids that may be found; None = all.

        Returns:
            scores (n, k') float32 and row ids (n, k') int64, k' = min(k, rows that may be found), in no order.
        """
        there = np.flatnonzero(self._alive if among is None else self._alive & within(self._rows, among))
        if len(there) > _MOSTLY * len(self._alive):
            # a copy of most vectors costs more than comparing with all
            scores = (queries @ self._vectors.T)[:, there]
        else:
            scores = queries @ self._vectors[there].T
        rows = self._rows[there]
        if k < len(there):
            best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            return np.take_along_axis(scores, best, axis=1), rows[best]
        return scores, np.broadcast_to(rows, scores.shape)

    @cached_property
    def _living(self) -> np.ndarray:
        return np.sort(self._rows[self._alive])


def within(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """(n,) bool: which of *rows* (n,) are in *among*, sorted."""
    if not len(among):
        return np.zeros(len(rows), bool)
    places = np.minimum(np.searchsorted(among, rows), len(among) - 1)
    return among[places] == rows


def _grown(array: np.ndarray, room: int) -> np.ndarray:
    grown = np.zeros((room, *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown
