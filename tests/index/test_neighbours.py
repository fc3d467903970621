"""Neighbours of all stored vectors."""

from pathlib import Path

import numpy as np
import pytest

from index import neighbours as module
from index.neighbours import nearest_others, neighbourhoods, vectors_at
from index.publish import publish
from index.searcher import Searcher
from tests.index.published import filled, unit_vectors


def _searcher(root: Path, vectors: np.ndarray) -> Searcher:
    publish(filled(root, vectors, captions=0).latest())
    return Searcher.open(root, "test")


def test_they_are_those_of_comparing_each_with_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row comes once, with its nearest others, in batches of any size; its own vector is not among them."""
    monkeypatch.setattr(module, "_BATCH", 7)
    vectors = unit_vectors(30)
    view = _searcher(tmp_path, vectors).view
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)

    found = list(neighbourhoods(view, 4))

    rows = np.concatenate([each.rows for each in found])
    assert sorted(rows.tolist()) == list(range(30))
    expected = np.argsort(-cosines, axis=1)[rows, :4]
    assert (expected == np.concatenate([each.others for each in found])).mean() > 0.97
    np.testing.assert_allclose(
        -np.sort(-cosines, axis=1)[rows, :4], np.concatenate([each.scores for each in found]), atol=2e-3
    )


def test_where_there_are_few_the_rest_is_nothing(tmp_path: Path) -> None:
    """Of three rows each has two neighbours; the third is -1."""
    found = next(iter(neighbourhoods(_searcher(tmp_path, unit_vectors(3)).view, 3)))

    assert [-1, -1, -1] == found.others[:, 2].tolist()
    assert np.isneginf(found.scores[:, 2]).all()
    assert not (found.others == found.rows[:, None]).any()


def test_among_many_copies_a_row_is_not_its_own_neighbour(tmp_path: Path) -> None:
    """Where more copies than neighbours tie with a row, it may not be found itself; it has k others all the same."""
    view = _searcher(tmp_path, np.repeat(unit_vectors(1), 20, axis=0)).view
    rows = np.arange(20)

    scores, others = nearest_others(view.images, rows, vectors_at(view.collection.items, rows, 8), 5)

    assert (20, 5) == others.shape == scores.shape
    assert not (others == rows[:, None]).any()
    assert (others >= 0).all()


@pytest.mark.parametrize("chosen", [[], [3], [2, 9, 11]])
def test_some_rows_can_be_chosen(tmp_path: Path, chosen: list[int]) -> None:
    """Neighbours are looked up of the chosen rows alone, among all rows."""
    view = _searcher(tmp_path, unit_vectors(12)).view

    found = list(neighbourhoods(view, 3, chosen=np.array(chosen, np.int64)))

    assert chosen == [row for each in found for row in each.rows.tolist()]


def test_vectors_come_in_the_order_asked_for(tmp_path: Path) -> None:
    """A row that is asked for twice comes twice, and vectors have unit norm."""
    vectors = unit_vectors(10)
    items = _searcher(tmp_path, vectors).view.collection.items

    found = vectors_at(items, np.array([7, 2, 7]), 8)

    np.testing.assert_allclose(vectors[[7, 2, 7]], found, atol=2e-3)
    np.testing.assert_allclose(1, np.linalg.norm(found, axis=1), atol=1e-5)
