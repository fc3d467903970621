"""An index that is searched on cards: `VectorIndex` over a copy of its vectors in half precision.

A card compares with everything faster than a CPU walks a graph, so of kinds without lists all vectors are compared. Kinds with
lists keep their centroids and `nprobe`; their lists hold vectors in place of codes, so no less is found. The cards name
candidates; they are compared again with the stored vectors, on the CPU, so that scores are the same as without cards.

Cards know no filters (FAISS's classic GPU indexes heed no selector). They are asked for so many more that enough of what is
allowed should be among them; where it is not, or where that would be too many, the index on the CPU answers, which is open all
the while and mapped into memory.
"""

from math import ceil, log2
from pathlib import Path

import numpy as np

from index.allowed import Allowed
from index.faiss_cpu import FaissIndex
from index.gpu.device import Gpus
from index.gpu.resident import Resident
from index.vectors import Parameters, VectorIndex

# FAISS's largest k, and nprobe, on a card
MOST = 2048
# Two for each wanted: half precision puts few in the wrong order. A power of two at least this: searches of one depth share a batch.
_SPARE, _LEAST = 2, 32
# Lists that are near hold too little of what a filter allows: the CPU knows where to look (index.kinds.lists). Rows that died
# since are none of its business.
_MOSTLY = 0.9
_NONE = np.float32(np.finfo(np.float32).min)

Found = tuple[np.ndarray, np.ndarray]


def served_by(host: FaissIndex, gpus: Gpus | None) -> VectorIndex:
    """*host*, searched on the cards where there are some and it fits.

    Raises:
        GpuFailed: it does not fit, and cards are required.
    """
    if gpus is None or not host.rows:
        return host
    resident = Resident.copied(gpus, host.vectors, host.centroids)
    return host if resident is None else GpuIndex(host, gpus, resident)


class GpuIndex:
    """*host*, whose vectors are *resident* on cards."""

    def __init__(self, host: FaissIndex, gpus: Gpus, resident: Resident) -> None:
        self._host = host
        self._gpus = gpus
        self._resident = resident
        self._vectors = host.vectors
        self._lists = 0 if host.centroids is None else len(host.centroids)

    @property
    def rows(self) -> int:
        """N."""
        return self._host.rows

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self._host.dim

    @property
    def factory(self) -> str:
        """The FAISS factory string of what is on disk."""
        return self._host.factory

    def search(self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: Allowed | None = None) -> Found:
        """Find the k best of each query; see `VectorIndex.search`. Of the parameters, cards heed `nprobe`.

        Raises:
            GpuFailed: a card failed, and cards are required.
        """
        if allowed is not None and allowed.count == len(allowed):
            allowed = None
        share = 1.0 if allowed is None else allowed.count / len(allowed)
        depth = self._depth(k, share)
        if depth is None or not len(queries):
            return self._host.search(queries, k, parameters, allowed=allowed)
        queries = np.ascontiguousarray(queries, np.float32)
        # as many rows that may be found as in all of nprobe lists
        nprobe = min(round(parameters.get("nprobe", MOST) / share), self._lists, MOST)
        named = self._gpus.waited(self._resident.asked(queries, depth, nprobe))
        if named is None:
            return self._host.search(queries, k, parameters, allowed=allowed)
        scores, found = self._settled(queries, named, k, allowed)
        if allowed is not None:
            short = (found >= 0).sum(axis=1) < min(k, allowed.count)
            if short.any():
                scores[short], found[short] = self._host.search(queries[short], k, parameters, allowed=allowed)
        return scores, found

    def exact(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> Found:
        """Find the k best by comparing with every vector that is allowed, on the CPU."""
        return self._host.exact(queries, k, allowed=allowed)

    def save(self, path: Path) -> None:
        """Write it as one file, which opens without cards."""
        self._host.save(path)

    def _depth(self, k: int, share: float) -> int | None:
        """How many to ask cards for, where such a share is allowed; None: they are no help."""
        if not share or (self._lists and share < _MOSTLY):
            return None
        wanted = max(_LEAST, 1 << ceil(log2(_SPARE * k / share)))
        return None if wanted > MOST else wanted

    def _settled(self, queries: np.ndarray, named: np.ndarray, k: int, allowed: Allowed | None) -> Found:
        """The k best of the positions (n, depth) that cards named, by the stored vectors."""
        scores, found = np.full((len(queries), k), _NONE), np.full((len(queries), k), -1, np.int64)
        for place, (query, positions) in enumerate(zip(queries, named, strict=True)):
            kept = positions[positions >= 0]
            kept = (kept if allowed is None else kept[allowed.mask[kept]])[: _SPARE * k]
            if len(kept):
                # row by row the same sum: a matrix product rounds equal rows unequally
                values = np.einsum("nd,d->n", self._vectors.reconstruct_batch(kept), query)
                order = np.lexsort((kept, -values))[:k]
                scores[place, : len(order)], found[place, : len(order)] = values[order], kept[order]
        return scores, found
