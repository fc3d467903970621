"""Vectors that lie on cards, in half precision, and the queue before them."""

import weakref
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from index.gpu.device import Gpus
from index.kinds.swig import SwigIndex, swig

# converted to single precision on their way to a card: 64 MiB of 512 dimensions
_COPIED_TOGETHER = 1 << 15


@dataclass(frozen=True, eq=False)
class _Asked:
    """One call: queries (n, d), how many positions each wants, and how many lists are looked at."""

    queries: np.ndarray
    kind: tuple[int, int]
    found: "Future[np.ndarray]" = field(default_factory=Future)


class Resident:
    """A copy on all cards, each with as many of the rows; calls that wait together are one search.

    Args:
        gpus: the cards.
        held: the copy, alone in a list, so that the owner can let go of it: who drops it frees a card's memory.
    """

    def __init__(self, gpus: Gpus, held: list[SwigIndex]) -> None:
        self._gpus = gpus
        self._held = held
        self._waiting: deque[_Asked] = deque()
        # at the end of the process cards are freed without us
        weakref.finalize(self, gpus.later, held.clear).atexit = False

    @classmethod
    def copied(cls, gpus: Gpus, vectors: SwigIndex, centroids: np.ndarray | None) -> Self | None:
        """A copy of the N > 0 rows of *vectors*, an index in memory; None where it does not fit.

        Args:
            gpus: where to.
            vectors: of any kind that gives its rows back.
            centroids: (lists, d) for a copy in lists; None for one that compares with everything.

        Raises:
            GpuFailed: it does not fit, and cards are required.
        """
        held = gpus.attempt(lambda: [_spread(gpus, vectors, _empty(vectors.d, centroids))])
        return None if held is None else cls(gpus, held)

    def asked(self, queries: np.ndarray, depth: int, nprobe: int) -> "Future[np.ndarray]":
        """Find the *depth* best of each query (n, d) float32: positions (n, depth) int64, -1 where there are fewer."""
        asked = _Asked(queries, (depth, nprobe))
        self._waiting.append(asked)
        # whatever came meanwhile is answered by the first of these; to the others nothing is left
        self._gpus.later(self._answer)
        return asked.found

    def _answer(self) -> None:
        waiting: list[_Asked] = []
        while self._waiting:
            waiting.append(self._waiting.popleft())
        for kind in dict.fromkeys(each.kind for each in waiting):
            same = [each for each in waiting if each.kind == kind]
            try:
                found = self._searched(np.concatenate([each.queries for each in same]), *kind)
            except Exception as error:  # noqa: BLE001 - the callers get it
                for each in same:
                    each.found.set_exception(error)
                continue
            ends = np.cumsum([len(each.queries) for each in same])[:-1]
            for each, positions in zip(same, np.split(found, ends), strict=True):
                each.found.set_result(positions)

    def _searched(self, queries: np.ndarray, depth: int, nprobe: int) -> np.ndarray:
        index = self._held[0]
        return index.search(queries, depth, params=swig.SearchParametersIVF(nprobe=nprobe) if nprobe else None)[1]


def _empty(dim: int, centroids: np.ndarray | None) -> SwigIndex:
    half, metric = swig.ScalarQuantizer.QT_fp16, swig.METRIC_INNER_PRODUCT
    if centroids is None:
        return swig.IndexScalarQuantizer(dim, half, metric)
    coarse = swig.IndexFlatIP(dim)
    coarse.add(centroids)
    made = swig.IndexIVFScalarQuantizer(coarse, dim, len(centroids), half, metric, False)
    # there is nothing to learn, but it wants to be told so
    made.train(centroids)
    return made


def _spread(gpus: Gpus, vectors: SwigIndex, empty: SwigIndex) -> SwigIndex:
    """Each card has rows that follow each other: FAISS then tells whose position is whose by counting."""
    cards = min(gpus.count, vectors.ntotal)
    bounds = [vectors.ntotal * number // cards for number in range(cards + 1)]
    copies = [_filled(gpus.copy(number, empty), vectors, *bounds[number : number + 2]) for number in range(cards)]
    if cards == 1:
        return copies[0]
    # FAISS's own way to several cards (index_cpu_to_gpu_multiple) has no shards of half-precision vectors without lists
    shards = swig.IndexShards(vectors.d, True, True)  # a thread for each, positions count on
    for each in copies:
        shards.add_shard(each)
    return shards


def _filled(copy: SwigIndex, vectors: SwigIndex, start: int, stop: int) -> SwigIndex:
    for first in range(start, stop, _COPIED_TOGETHER):
        copy.add(vectors.reconstruct_n(first, min(_COPIED_TOGETHER, stop - first)))
    return copy
