"""The vectors of one kind, images' or captions', as they are now: a snapshot's index, less the dead, and a tail."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self

import numpy as np

from index.allowed import Allowed
from index.kept import Kept
from index.live.changes import Changes
from index.live.tail import Tail
from index.snapshot import LoadedPart
from index.vectors import unit

# of a filter that allows fewer rows than such a share, each is looked up: of more, the mask is read off a table of row ids
_LOOKED_UP_BELOW = 1 / 64
# row ids whose numbers are spread wider than so many times the rows have no such table
_WIDEST_TABLE = 8
# Hits of one score, as copies of a picture are, are all looked at where no more than so many are in the way.
_TIES = 4_096
_DEEPER = 4
_KEPT_MASKS = 16
_KEPT_MASK_BYTES = 1 << 27


class LiveVectors(Protocol):
    """What a view has of each kind: vectors that an engine finds, FAISS here or Milvus (`index.milvus.live`), and a tail."""

    @property
    def rows(self) -> int:
        """Number of rows that can be found."""
        ...

    @property
    def dead(self) -> int:
        """Rows of the engine that are there no more, or are in the tail."""
        ...

    @property
    def tail(self) -> Tail:
        """What was written since."""
        ...

    @property
    def remedy(self) -> str:
        """The command that makes the tail part of what the engine has; a collection's name comes after it."""
        ...

    def there(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the row ids *rows* (n,) int64 can be found."""
        ...

    def after(self, changes: Changes) -> Self:
        """The part once those changes were made; only the newest may be changed."""
        ...

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each query; see `LivePart.search`."""
        ...


@dataclass(frozen=True)
class Places:
    """Where a snapshot has which row: rowids (N,) by position, and what it takes to look one up.

    Positions follow the order of storage, which is that of row ids until rows are rewritten.
    """

    rowids: np.ndarray

    @cached_property
    def _order(self) -> np.ndarray | None:
        rising = len(self.rowids) < 2 or bool((self.rowids[1:] > self.rowids[:-1]).all())
        return None if rising else np.argsort(self.rowids)

    @cached_property
    def _sorted(self) -> np.ndarray:
        return self.rowids if self._order is None else self.rowids[self._order]

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Positions of those of *rows* (n,) int64 that are there."""
        if not len(self.rowids) or not len(rows):
            return np.zeros(0, np.int64)
        places = np.minimum(np.searchsorted(self._sorted, rows), len(self.rowids) - 1)
        places = places[self._sorted[places] == rows]
        return places if self._order is None else self._order[places]

    def mask(self, rows: np.ndarray) -> np.ndarray:
        """(N,) bool: which positions have one of *rows* (n,), sorted. 1 to 2 ms for any share of a million rows."""
        found = np.zeros(len(self.rowids), bool)
        if not len(found) or not len(rows):
            return found
        first, last = int(self._sorted[0]), int(self._sorted[-1])
        if len(rows) < _LOOKED_UP_BELOW * len(found) or last - first >= _WIDEST_TABLE * len(found):
            found[self.of(rows)] = True
            return found
        table = np.zeros(last - first + 1, bool)
        start, stop = np.searchsorted(rows, [first, last + 1])
        table[rows[start:stop] - first] = True
        return table[self.rowids - first if first else self.rowids]


@dataclass(frozen=True)
class LivePart:
    """Vectors by row id at one moment; immutable, safe to share between threads.

    Attributes:
        loaded: of the snapshot; None where it had no vectors of this kind.
        alive: (N,) bool by position, what did not die since; None = all.
        tail: what was written since.
    """

    loaded: LoadedPart | None
    places: Places
    alive: np.ndarray | None
    tail: Tail

    @classmethod
    def of(cls, loaded: LoadedPart | None, dim: int) -> "LivePart":
        """As the snapshot has them; d = *dim*."""
        rowids = np.zeros(0, np.int64) if loaded is None else loaded.rowids
        return cls(loaded, Places(rowids), None, Tail.empty(dim))

    @property
    def rows(self) -> int:
        """Number of rows that can be found."""
        kept = len(self.places.rowids) if self.alive is None else int(self.alive.sum())
        return kept + len(self.tail)

    @property
    def remedy(self) -> str:
        """What makes the tail part of the snapshot."""
        return "vilem index publish"

    @property
    def dead(self) -> int:
        """Rows of the snapshot that are there no more, or are in the tail."""
        return 0 if self.alive is None else len(self.alive) - int(self.alive.sum())

    def positions(self, rows: Sequence[int]) -> dict[int, int]:
        """Where in the snapshot those of *rows* are that are alive there, by row id."""
        found = self._alive_of(np.array(rows, np.int64))
        return dict(zip(self.places.rowids[found].tolist(), found.tolist(), strict=True))

    def there(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the row ids *rows* (n,) int64 can be found."""
        return np.isin(rows, self.places.rowids[self._alive_of(rows)]) | self.tail.there(rows)

    def after(self, changes: Changes) -> "LivePart":
        """The part once those changes were made; only the newest may be changed."""
        died = np.concatenate([self.places.of(changes.gone), self.places.of(changes.rows)])
        alive = self.alive
        if len(died):
            alive = np.ones(len(self.places.rowids), bool) if alive is None else alive.copy()
            alive[died] = False
        return replace(
            self,
            alive=alive,
            tail=self.tail.changed(changes.gone, changes.rows, unit(changes.vectors), changes.records),
        )

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The k best of each query.

        Args:
            queries: (n, d) float32, unit norm.
            k: how many, at least 1.
            among: sorted int64 row ids that may be found; None = all.

        Returns:
            scores (n, k') float32 and row ids (n, k') int64, best first, of equals the smaller row id; row id -1 where
            there are fewer. The first of more are the same, but for ties of thousands.
        """
        scores, rows = self._best(queries, k + 1, among)
        depth, cut = k, _in_a_tie(scores, rows, k)
        # which of equals are found at the end is chance: what is deeper would not follow it
        while len(cut) and depth < min(self.rows, max(_TIES, _DEEPER * k)):
            depth = min(_DEEPER * depth, self.rows)
            deeper = self._best(queries[cut], depth + 1, among)
            scores[cut, :k], rows[cut, :k] = (found[:, :k] for found in deeper)
            cut = cut[_in_a_tie(*deeper, depth, first=k)]
        return scores[:, :k], rows[:, :k]

    def _alive_of(self, rows: np.ndarray) -> np.ndarray:
        """Positions in the snapshot of those of *rows* (n,) that are alive there."""
        found = self.places.of(rows)
        return found if self.alive is None else found[self.alive[found]]

    def _best(self, queries: np.ndarray, k: int, among: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, but that some of equals are left out at the end."""
        found = [self._in_snapshot(queries, k, among), self.tail.search(queries, k, among)]
        scores = np.concatenate([part for part, _ in found], axis=1)
        rows = np.concatenate([part for _, part in found], axis=1)
        # FAISS gives what is missing the row id -1 and the least score there is
        order = np.lexsort((rows, -scores), axis=-1)[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)

    def _in_snapshot(self, queries: np.ndarray, k: int, among: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        if self.loaded is None:
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        allowed = self._living if among is None else self._allowed(among)
        return self.loaded.search(queries, k, allowed=allowed)

    @cached_property
    def _living(self) -> Allowed | None:
        return None if self.alive is None else Allowed(self.alive)

    @cached_property
    def _masks(self) -> Kept[tuple[np.ndarray, Allowed]]:
        return Kept(_KEPT_MASKS, _KEPT_MASK_BYTES)

    def _allowed(self, among: np.ndarray) -> Allowed:
        """What a filter allows: worked out once for each array, as long as this part is the newest."""

        def made() -> tuple[np.ndarray, Allowed]:
            mask = self.places.mask(among)
            # the array is kept too: no other has its id then
            return among, Allowed(mask if self.alive is None else mask & self.alive)

        return self._masks.of(id(among), made, lambda kept: among.nbytes + kept[1].most_bytes)[1]


def _in_a_tie(scores: np.ndarray, rows: np.ndarray, k: int, first: int | None = None) -> np.ndarray:
    """The queries (numbers) whose hit behind the k-th, which is there, has the score of the k-th, or of the *first*-th."""
    if scores.shape[1] <= k:
        return np.zeros(0, np.int64)
    return np.flatnonzero((rows[:, k] >= 0) & (scores[:, k] == scores[:, (first or k) - 1]))
