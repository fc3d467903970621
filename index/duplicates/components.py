"""Which things hang together, by the pairs that do: union-find (Tarjan and van Leeuwen, J. ACM 31, 1984)."""

from array import array
from collections.abc import Iterable

import numpy as np


class Components:
    """Sets of places 0..n-1 that are merged pair by pair; a set is named by its smallest place.

    Paths are halved when they are walked, so a walk costs O(log n) amortised. 8 bytes a place.
    """

    def __init__(self, count: int) -> None:
        # scalars of an array are read three times as fast as numpy's
        self._parents = array("q", range(count))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Merge the sets of both places of each pair."""
        for one, other in pairs:
            first, second = self._root(one), self._root(other)
            if first < second:
                self._parents[second] = first
            else:
                self._parents[first] = second

    def labels(self) -> np.ndarray:
        """(n,) int64: the smallest place of each place's set."""
        parents = np.array(self._parents, np.int64)
        while True:
            above = parents[parents]
            if (above == parents).all():
                return parents
            parents = above

    def _root(self, place: int) -> int:
        parents = self._parents
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place
