"""How much an approximate index finds of what an exact one does."""

import time
from dataclasses import dataclass

import numpy as np

from index.vectors import Parameters, VectorIndex

K = 10


@dataclass(frozen=True)
class Measured:
    """Recall@10 in [0, 1] against exact search, and milliseconds for one query alone (median)."""

    recall: float
    milliseconds: float


def recall_at_k(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact answers that were found.

    Args:
        found: (n, k) positions, -1 = none.
        exact: (n, k) positions of the exact search, -1 = none.

    Returns:
        Mean over all exact answers; 1 when there are none.
    """
    wanted = exact >= 0
    hit = (found[:, None, :] == exact[:, :, None]).any(axis=2) & wanted
    return float(hit.sum() / wanted.sum()) if wanted.any() else 1.0


def measure(index: VectorIndex, queries: np.ndarray, parameters: Parameters, k: int = K) -> Measured:
    """Measure an index on queries (n, d) float32."""
    k = min(k, index.rows)
    if not len(queries) or not k:
        return Measured(1.0, 0.0)
    _, exact = index.exact(queries, k)
    _, found = index.search(queries, k, parameters)
    times: list[float] = []
    for query in queries[:20]:
        began = time.perf_counter()
        index.search(query[None], k, parameters)
        times.append(time.perf_counter() - began)
    return Measured(recall_at_k(found, exact), 1000 * float(np.median(times)))


def tune(index: VectorIndex, queries: list[np.ndarray], target: float) -> tuple[Parameters, Measured]:
    """The cheapest search parameters that reach *target* on every set of queries, and what they measure.

    Text vectors are distributed unlike image vectors: a parameter that is enough for one kind of query may not be for
    the other, so the worst of them decides. If none is enough, the dearest is taken and its recall told.
    """
    if index.factory == "Flat":
        return {}, Measured(1.0, measure(index, queries[0], {}).milliseconds)
    worst = Measured(0.0, 0.0)
    parameters: Parameters = {}
    for width in (32, 64, 128, 256, 512, 1024):
        parameters = {"efSearch": width}
        found = [measure(index, each, parameters) for each in queries if len(each)]
        worst = min(found, key=lambda each: each.recall)
        if worst.recall >= target:
            break
    return parameters, worst
