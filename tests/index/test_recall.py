"""Recall against exact search."""

import numpy as np
import pytest

from index.faiss_cpu import FaissIndex
from index.recall import measure, recall_at_k, tune
from tests.index.published import unit_vectors


@pytest.mark.parametrize(
    ("found", "exact", "recall"),
    [
        ([[1, 2]], [[1, 2]], 1.0),
        ([[2, 1]], [[1, 2]], 1.0),
        ([[1, 3]], [[1, 2]], 0.5),
        ([[-1, -1]], [[1, 2]], 0.0),
        ([[1, -1]], [[1, -1]], 1.0),
        ([[-1]], [[-1]], 1.0),
    ],
)
def test_recall_counts_what_was_found(found: list[list[int]], exact: list[list[int]], recall: float) -> None:
    """Recall is the share of exact answers found, in any order; missing answers of the exact search do not count."""
    assert recall == recall_at_k(np.array(found), np.array(exact))


def test_exact_search_has_recall_one() -> None:
    """A flat index finds everything, with no parameter, in a measured time."""
    vectors = unit_vectors(200)
    index = FaissIndex.build([vectors], 200, 8)

    parameters, measured = tune(index, [vectors[:20]], 0.95)

    assert {} == parameters
    assert 1.0 == measured.recall
    assert measured.milliseconds > 0


def test_an_empty_index_is_no_error() -> None:
    """Without vectors or queries there is nothing to miss."""
    assert 1.0 == measure(FaissIndex.build([], 0, 8), unit_vectors(3), {}).recall


class Steps:
    """An index whose recall grows with efSearch: it finds position 0 only from 128 on."""

    rows, dim, factory = 4, 8, "HNSW"

    def search(self, queries: np.ndarray, k: int, parameters: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """Find the right answers only with a wide search."""
        _, positions = self.exact(queries, k)
        found = positions if parameters["efSearch"] >= 128 else positions[:, ::-1] * 0 - 1
        return np.ones(found.shape, np.float32), found

    def exact(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Find positions 0..k-1."""
        return np.ones((len(queries), k), np.float32), np.tile(np.arange(k), (len(queries), 1))

    def save(self, path: object) -> None:
        """Keep nothing."""


def test_the_cheapest_sufficient_parameter_is_taken() -> None:
    """Tuning stops at the first parameter that reaches the target on every kind of query."""
    parameters, measured = tune(Steps(), [unit_vectors(5), unit_vectors(3)], 0.95)

    assert {"efSearch": 128} == parameters
    assert 1.0 == measured.recall
