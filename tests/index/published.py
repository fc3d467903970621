"""Published collections of known vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.rows import Entry
from index.schema import Record
from tests.index.support import empty_collection

DIM = 8


def unit_vectors(rows: int, dim: int = DIM, seed: int = 0) -> np.ndarray:
    """Random directions (N, d) float32."""
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def entries(vectors: np.ndarray, captions: int = 1, first: int = 0) -> list[Entry]:
    """Items `item-00000` …; each caption's vector is its item's."""
    return [
        Entry(
            Record(
                f"item-{number:05d}",
                f"file:///{number}.png",
                "0" * 64,
                3,
                4,
                tuple(f"caption {place} of {number}" for place in range(captions)),
                {"number": number},
            ),
            vector,
            np.repeat(vector[None], captions, axis=0),
        )
        for number, vector in enumerate(vectors, first)
    ]


def filled(root: Path, vectors: np.ndarray, name: str = "test", captions: int = 1) -> Collection:
    """A collection with those items, not yet published."""
    collection = empty_collection(root, name, dim=vectors.shape[1])
    rows: Sequence[Entry] = entries(vectors, captions)
    for start in range(0, len(rows), 1000):
        collection.add(rows[start : start + 1000])
    return collection
