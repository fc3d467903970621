"""How much an approximate index finds of what an exact one does, on queries that were held out.

A query may be a stored vector: then its own row is neither wanted nor counted, or every query would find one of its ten.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from index.kinds.rows import merged
from index.kinds.swig import swig
from index.vectors import unit

K = 10
# Rows as near as the tenth are as good; so many of them are known.
_KNOWN = 4 * K
# what float32 leaves of equal scores
_EQUAL = 1e-6

Batches = Iterable[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Queries:
    """Queries of one kind.

    Attributes:
        vectors: (n, d) float32, unit norm.
        own: (n,) int64, the position at which each is stored in the index that is asked, -1 where it is not.
    """

    vectors: np.ndarray
    own: np.ndarray

    @classmethod
    def strangers(cls, vectors: np.ndarray) -> "Queries":
        """Queries that are not stored."""
        return cls(vectors, np.full(len(vectors), -1, np.int64))


@dataclass(frozen=True)
class Truth:
    """What an exact search finds for n queries.

    Attributes:
        queries: what was asked.
        positions: (n, m) int64, the nearest first, their own row left out; -1 where there are no more.
        scores: (n, m) float32.
    """

    queries: Queries
    positions: np.ndarray
    scores: np.ndarray

    def recall(self, found: np.ndarray) -> float:
        """Recall@10 in [0, 1] of positions (n, 11 or more) that a search found, own rows among them or not."""
        found = without(found, self.queries.own)[:, :K]
        wanted = (self.positions >= 0).sum(axis=1).clip(max=K)
        if not wanted.any():
            return 1.0
        tenth = np.take_along_axis(self.scores, np.maximum(wanted - 1, 0)[:, None], axis=1)
        good = np.where((self.scores >= tenth - _EQUAL) & (self.positions >= 0), self.positions, -2)
        hits = (found[:, None, :] == good[:, :, None]).any(axis=2).sum(axis=1)
        return float(np.minimum(hits, wanted).sum() / wanted.sum())


def without(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Positions (n, k) with each query's own (n,) taken out and -1 put at the end in its place."""
    mine = found == np.where(own < 0, -2, own)[:, None]
    kept = np.where(mine, -1, found)
    return np.take_along_axis(kept, np.argsort(mine, axis=1, kind="stable"), axis=1)


def truths(batches: Batches, queries: Mapping[str, Queries]) -> dict[str, Truth]:
    """What exact search finds for each kind of queries; the vectors are streamed, and compared with float32 queries."""
    if not queries:
        return {}
    stacked = np.ascontiguousarray(np.concatenate([each.vectors for each in queries.values()]), np.float32)
    best = np.zeros((len(stacked), 0), np.float32), np.zeros((len(stacked), 0), np.int64)
    start = 0
    for _, vectors in batches:
        depth = min(_KNOWN + 1, len(vectors))
        scores, positions = swig.knn(stacked, unit(vectors), depth, swig.METRIC_INNER_PRODUCT)
        best = merged(best, (scores, positions + start), _KNOWN + 1)
        start += len(vectors)
    found: dict[str, Truth] = {}
    first = 0
    for kind, each in queries.items():
        part = slice(first, first + len(each.vectors))
        found[kind] = _without_own(each, best[0][part], best[1][part])
        first += len(each.vectors)
    return found


def _without_own(queries: Queries, scores: np.ndarray, positions: np.ndarray) -> Truth:
    mine = positions == np.where(queries.own < 0, -2, queries.own)[:, None]
    order = np.argsort(mine, axis=1, kind="stable")
    kept = np.where(mine, -1, positions)
    return Truth(queries, np.take_along_axis(kept, order, axis=1), np.take_along_axis(scores, order, axis=1))
