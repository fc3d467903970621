"""`VectorIndex` on FAISS, on the CPU: of any kind of `index.kinds.spec`."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import faiss
import numpy as np

from index.allowed import Allowed
from index.errors import SnapshotInvalid
from index.gpu.build import adder, graph_of, learn
from index.gpu.device import Gpus
from index.kinds.effort import Effort, effort_of, refined, with_candidates
from index.kinds.rows import Rows, write_halves
from index.kinds.spec import EXACT_BELOW_ROWS, HNSW_LINKS, Spec, factory_of
from index.vectors import Knob, Parameters

__all__ = ["EXACT_BELOW_ROWS", "HNSW_LINKS", "FaissIndex", "use_threads"]


class FaissIndex:
    """A FAISS index of inner products.

    What it walks or scans is *index*; *rows* are the vectors that an exact search compares with. Where these are not
    the index's own, they settle the order of the candidates that the index finds.
    """

    def __init__(self, index: faiss.Index, rows: Rows | None = None) -> None:
        self._index = index
        self._rows = rows or Rows(_own_rows(index))
        self._refined = None if rows is None else faiss.IndexRefine(index, rows.index)
        self._effort: Effort = effort_of(index)

    @classmethod
    def build(
        cls,
        batches: Iterable[np.ndarray],
        rows: int,
        dim: int,
        spec: Spec | None = None,
        *,
        training: np.ndarray | None = None,
        vectors: Path | None = None,
        gpus: Gpus | None = None,
    ) -> "FaissIndex":
        """Build from batches (n, d) float32, about *rows* of them in all; the batches are not kept.

        Args:
            batches: in the order of positions.
            rows: how many there are; it decides only which kind is built where *spec* leaves it open.
            dim: d.
            spec: what to build; by the rows if it is left out.
            training: (n, d) a sample to learn from, spread over all; the first batch if it is left out.
            vectors: file for the half-precision vectors, for a kind that compares candidates again.
            gpus: what helps, where the kind knows how (`index.gpu.build`).

        Raises:
            ValueError: that kind needs *vectors*.
            GpuFailed: a card failed, and cards are required.
        """
        spec = spec or Spec("flat" if rows < EXACT_BELOW_ROWS else "hnsw-fp16")
        if gpus is not None and spec.kind == "hnsw-fp16":
            return cls(graph_of(batches, spec, dim, gpus))
        index = spec.make(dim)
        if spec.refines:
            if vectors is None:
                raise ValueError(f"an index of kind {spec.kind} needs a file for the vectors that it compares again")
            batches = write_halves(batches, vectors)
        _fill(index, batches, training, gpus if spec.is_inverted else None)
        return cls(index, Rows.mapped(vectors, index.ntotal, dim) if spec.refines and vectors is not None else None)

    @classmethod
    def load(cls, path: Path, vectors: Path | None = None) -> "FaissIndex":
        """Map a saved index into memory: opening costs nothing, pages come in with the first searches.

        Raises:
            SnapshotInvalid: *path* is not an index that this FAISS reads, or *vectors* are not its vectors.
        """
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            return cls(index, None if vectors is None else Rows.mapped(vectors, index.ntotal, index.d))
        except (RuntimeError, ValueError) as error:
            # FAISS has one exception for all faults; its message begins with a C++ signature
            detail = str(error).splitlines()[-1]
            raise SnapshotInvalid(
                f"{path} is not an index for FAISS {faiss.__version__} ({detail}): build it again"
            ) from error

    @property
    def rows(self) -> int:
        """N."""
        return self._index.ntotal

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self._index.d

    @property
    def factory(self) -> str:
        """The FAISS factory string."""
        return factory_of(self._index) + (",Refine(SQfp16)" if self._refined is not None else "")

    @property
    def vectors(self) -> faiss.Index:
        """What an exact search compares with, (N, d)."""
        return self._rows.index

    @property
    def centroids(self) -> np.ndarray | None:
        """(lists, d) float32; None where it has no lists."""
        if not isinstance(self._index, faiss.IndexIVF):
            return None
        return self._index.quantizer.reconstruct_n(0, self._index.nlist)

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """What `search` may be given as parameters, the one that decides where it looks first."""
        return self._effort.knobs if self._refined is None else with_candidates(self._effort.knobs)

    def search(
        self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: Allowed | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best of each query; see `VectorIndex.search`. Parameters that its kind does not have are ignored."""
        chosen = self._effort.chosen(k, parameters, allowed)
        if chosen is None:
            return self.exact(queries, k, allowed=allowed)
        queries = np.ascontiguousarray(queries, np.float32)
        if self._refined is None:
            found = self._index.search(queries, k, params=chosen)
        else:
            found = self._refined.search(queries, k, params=refined(chosen, k, parameters))
        return self._filled(queries, k, allowed, *found)

    def _filled(
        self, queries: np.ndarray, k: int, allowed: Allowed | None, scores: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What was found; all rows are compared where there are more answers than the lists or the graph led to.

        Who pages takes fewer than k for the end.
        """
        there = min(k, self.rows if allowed is None else allowed.count)
        short = np.flatnonzero(positions[:, there - 1] < 0) if there else np.zeros(0, np.int64)
        if len(short):
            scores[short], positions[short] = self.exact(queries[short], k, allowed=allowed)
        return scores, positions

    def exact(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best by comparing with every vector that is allowed."""
        return self._rows.search(queries, k, allowed=allowed)

    def save(self, path: Path) -> None:
        """Write it as one file; vectors in a file of their own are there already."""
        faiss.write_index(self._index, str(path))


def use_threads(count: int) -> None:
    """Let searches that *this* thread makes use so many threads: OpenMP counts the machine's cores, not our share."""
    faiss.omp_set_num_threads(count)


def _own_rows(index: faiss.Index) -> faiss.Index:
    return faiss.downcast_index(index.storage) if isinstance(index, faiss.IndexHNSW) else index  # pyright: ignore[reportAttributeAccessIssue] - of IndexHNSW


def _fill(index: faiss.Index, batches: Iterable[np.ndarray], training: np.ndarray | None, gpus: Gpus | None) -> None:
    batches = (np.ascontiguousarray(batch, np.float32) for batch in batches)
    if not index.is_trained:
        first, batches = _peeked(batches)
        learnt = np.ascontiguousarray(first if training is None else training, np.float32)
        if gpus is None:
            index.train(learnt)
        else:
            learn(index, learnt, gpus)
    add = index.add if gpus is None else adder(index, gpus)
    for batch in batches:
        add(batch)


def _peeked(batches: Iterator[np.ndarray]) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    first = next(batches)
    return first, chain([first], batches)
