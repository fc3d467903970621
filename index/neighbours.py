"""The nearest neighbours of all stored vectors, in batches: what duplicates, outliers and hubs are found by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lance
import numpy as np

from index.datasets import row_ids, rows_at
from index.live.part import LiveVectors
from index.live.tail import within
from index.live.view import View
from index.rows import vectors_of
from index.vectors import unit

# Called with what is being done, how much of it is done, and how much there is.
Tell = Callable[[str, int, int], None]

_BATCH = 1_024


def silent(what: str, done: int, total: int) -> None:
    """A `Tell` that tells nobody."""


@dataclass(frozen=True)
class Neighbourhood:
    """Of n rows their k nearest others.

    Attributes:
        rows: (n,) int64 row ids.
        vectors: (n, d) float32 of those, unit norm.
        scores: (n, k) float32 cosines as the index has them, falling.
        others: (n, k) int64 row ids, never a row's own; -1 = none.
    """

    rows: np.ndarray
    vectors: np.ndarray
    scores: np.ndarray
    others: np.ndarray


def neighbourhoods(view: View, k: int, *, chosen: np.ndarray | None = None) -> Iterator[Neighbourhood]:
    """The k nearest other images of all items in storage order; memory is bounded by a batch of 1,024.

    Args:
        view: of the collection.
        k: how many.
        chosen: sorted int64 row ids to look at; None = all.
    """
    for stored, vectors in view.collection.item_vectors(_BATCH):
        among = slice(None) if chosen is None else within(stored, chosen)
        rows, queries = stored[among], unit(vectors[among])
        if len(rows):
            yield Neighbourhood(rows, queries, *nearest_others(view.images, rows, queries, k))


def nearest_others(part: LiveVectors, rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k best of each query but the query's own row.

    Args:
        part: where to look.
        rows: (n,) int64 row ids of the queries.
        queries: (n, d) float32, unit norm.
        k: how many.

    Returns:
        scores (n, k) float32, falling, and row ids (n, k) int64; row id -1 where there are fewer.
    """
    scores, others = part.search(queries, k + 1)
    if others.shape[1] < k + 1:
        missing = ((0, 0), (0, k + 1 - others.shape[1]))
        scores = np.pad(scores, missing, constant_values=-np.inf)
        others = np.pad(others, missing, constant_values=-1)
    own = others == rows[:, None]
    # a graph may miss a row's own vector among its copies: then the farthest is one too many
    own[:, -1] |= ~own.any(axis=1)
    kept = ~own
    return scores[kept].reshape(len(rows), k), others[kept].reshape(len(rows), k)


def vectors_at(items: lance.LanceDataset, rows: np.ndarray, dim: int) -> np.ndarray:
    """Vectors (n, d) float32, unit norm, of the items of *rows* (n,), in their order; a row may be there twice.

    Args:
        items: of a collection; all the rows are there.
        rows: (n,) int64 row ids.
        dim: d.
    """
    wanted, places = np.unique(rows, return_inverse=True)
    table = rows_at(items, wanted.tolist(), ["vector"])
    order = np.argsort(row_ids(table))
    return unit(vectors_of(table["vector"], dim))[order][places]
