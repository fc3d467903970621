"""What a search asks for vectors of one kind, the images' or the captions'; it knows no engine.

Rows are named by their Lance row ids. FAISS with its tail (`index.live.part`) and Milvus (`index.milvus.part`) are parts;
`tests/index/parts/contract.py` has the laws that both keep.

Notation: n queries, d dimensions, N rows.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

# Scores and row ids, (n, k') each.
Found = tuple[np.ndarray, np.ndarray]

# stands where there is no row; FAISS says so too
NO_ROW = -1
NO_SCORE = float(np.finfo(np.float32).min)


class VectorPart(Protocol):
    """Finds the rows with the greatest inner products; safe to search from many threads."""

    @property
    def dim(self) -> int:
        """Dimension d."""
        ...

    @property
    def rows(self) -> int:
        """N."""
        ...

    def search(self, queries: np.ndarray, k: int, *, among: np.ndarray | None = None) -> Found:
        """Find the k best of each query.

        Args:
            queries: (n, d) float32, unit norm.
            k: how many, at least 1.
            among: sorted int64 row ids that may be found; None = all.

        Returns:
            scores (n, k') float32, falling, and row ids (n, k') int64, k' <= k; of equal scores the smaller row id
            first. Row id -1, behind all others, where there are fewer than k'.
        """
        ...


class WritablePart(VectorPart, Protocol):
    """A part whose rows can be written one by one; what was written is found by the next search."""

    def upsert(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Write *rows* (w,) int64 with their vectors (w, d) float32, unit norm; those that are there are replaced."""
        ...

    def delete(self, rows: np.ndarray) -> None:
        """Remove *rows* (w,) int64; those that are not there are passed over."""
        ...


def nothing(queries: int) -> Found:
    """The answer to so many queries when nothing may be found."""
    return np.zeros((queries, 0), np.float32), np.zeros((queries, 0), np.int64)


def best(found: Sequence[Found], k: int) -> Found:
    """The k best of answers to the same queries whose rows differ, in the order that `VectorPart.search` promises."""
    scores = np.concatenate([part for part, _ in found], axis=1)
    rows = np.concatenate([part for _, part in found], axis=1)
    order = np.lexsort((rows, -scores), axis=-1)[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def compared(queries: np.ndarray, rows: np.ndarray, vectors: np.ndarray, k: int) -> Found:
    """The k best by comparing queries (n, d) with every vector (m, d) of *rows* (m,)."""
    scores = (queries @ vectors.T).astype(np.float32)
    return best([(scores, np.broadcast_to(rows, scores.shape))], k)
