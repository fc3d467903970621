"""The keys of one file of a dataset, in memory: which of its rows have a key, and where they lie.

A file never changes but for rows that are marked as deleted, so what is held of it is right while it counts as many of them as
the file does.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

# Of so few rows a dictionary takes less time than a look into arrays; of more it takes ten times their memory.
_FEW = 512


class Found(NamedTuple):
    """A row that has a key: its row id, and its offset in the file."""

    key: str
    row: int
    offset: int


class FileIds:
    """Used by one thread.

    Args:
        keys: (n,) strings, any of which may come more than once.
        rows: (n,) int64 row ids.
        offsets: (n,) int64 where in the file they lie.
        deletions: rows of the file that are not among them.

    Attributes:
        deletions: rows of the file that are there no more.
    """

    def __init__(self, keys: pa.Array, rows: np.ndarray, offsets: np.ndarray, deletions: int) -> None:
        self.deletions = deletions
        self._keys, self._rows, self._offsets = keys, rows, offsets
        self._alive = np.ones(len(keys), bool)
        self._few: dict[str, tuple[int, ...]] = {}
        texts = keys.to_pylist()
        if len(texts) <= _FEW:
            for place, key in enumerate(texts):
                # tuples of numbers are nothing to Python's collector, which lists would keep busy
                self._few[key] = (*self._few.get(key, ()), place)
            return
        hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
        self._order = np.argsort(hashes).astype(np.uint32)
        self._hashes = hashes[self._order]

    def find(self, keys: Sequence[str], hashes: np.ndarray) -> Iterator[Found]:
        """The rows that have one of the *keys* (q,), whose `hashes_of` are given too."""
        if len(self._keys) <= _FEW:
            # of most small files it is none: that takes no loop of Python's
            candidates = () if self._few.keys().isdisjoint(keys) else self._by_name(keys)
        else:
            candidates = self._by_hash(keys, hashes)
        for key, place in candidates:
            if self._alive[place]:
                yield Found(key, int(self._rows[place]), int(self._offsets[place]))

    def drop(self, offsets: np.ndarray) -> None:
        """Those at the offsets (m,) were deleted."""
        gone = self._alive & np.isin(self._offsets, offsets)
        self._alive[gone] = False
        self.deletions += int(np.count_nonzero(gone))

    def _by_name(self, keys: Sequence[str]) -> Iterator[tuple[str, int]]:
        return ((key, place) for key in keys for place in self._few.get(key, ()))

    def _by_hash(self, keys: Sequence[str], hashes: np.ndarray) -> Iterator[tuple[str, int]]:
        first, last = (np.searchsorted(self._hashes, hashes, side) for side in ("left", "right"))
        for at in np.flatnonzero(first < last).tolist():
            for place in self._order[first[at] : last[at]].tolist():
                # two keys may have one hash
                if self._keys[place].as_py() == keys[at]:
                    yield keys[at], place


def hashes_of(keys: Sequence[str]) -> np.ndarray:
    """(q,) int64; of this process alone."""
    return np.fromiter(map(hash, keys), np.int64, len(keys))
