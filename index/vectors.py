"""The contract of an index over unit vectors; it knows no implementation.

Notation: N stored vectors, n queries, d dimensions. A position is a vector's place in the order of building, 0..N-1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from index.allowed import Allowed

Parameters = Mapping[str, int]


@dataclass(frozen=True)
class Knob:
    """A parameter of a search: the greater it is, the more is looked at, found and spent.

    Attributes:
        name: as `VectorIndex.search` takes it.
        least: value that makes sense.
        most: value beyond which nothing is gained.
    """

    name: str
    least: int
    most: int


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (N, d), or one (d,), scaled to unit norm as float32; zeros stay zeros.

    Half precision, in which vectors are stored, leaves their norms a thousandth off: scores would be no cosines.
    """
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.finfo(np.float32).tiny)


class VectorIndex(Protocol):
    """Finds the stored vectors with the greatest inner product; safe to search from many threads."""

    @property
    def rows(self) -> int:
        """N."""
        ...

    @property
    def dim(self) -> int:
        """Dimension d."""
        ...

    @property
    def factory(self) -> str:
        """What it is, as a FAISS factory string."""
        ...

    def search(
        self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: Allowed | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the k best of each query.

        Args:
            queries: (n, d) float32, unit norm.
            k: how many, at least 1.
            parameters: of this call alone, e.g. {"efSearch": 64}; nothing shared is changed.
            allowed: which positions may be answers; None allows all.

        Returns:
            scores (n, k) float32, falling, and positions (n, k) int64; position -1 where there are fewer than k.
        """
        ...

    def exact(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `search`, by comparing with every vector that is allowed."""
        ...

    def save(self, path: Path) -> None:
        """Write it as one file."""
        ...
