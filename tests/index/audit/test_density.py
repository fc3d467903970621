"""Outliers and hubs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from index.audit.density import OUTLIER_Z, Density, density_of
from index.neighbours import silent
from index.searcher import Searcher
from tests.index.duplicates.made import searcher
from tests.index.published import unit_vectors


def _density(distances: list[float], occurrences: list[int]) -> Density:
    return Density(np.arange(len(distances)), np.array(distances, np.float32), np.array(occurrences, np.int32))


@pytest.fixture
def made(tmp_path: Path) -> Searcher:
    """Forty vectors round one direction, and the opposite of it."""
    rng = np.random.default_rng(0)
    centre = unit_vectors(1, 16)
    crowd = centre + rng.normal(scale=0.1, size=(40, 16))
    return searcher(
        tmp_path, np.concatenate([crowd / np.linalg.norm(crowd, axis=1, keepdims=True), -centre]).astype(np.float32)
    )


def test_distances_and_occurrences_are_those_of_the_nearest(made: Searcher) -> None:
    """They are what comparing each with each gives."""
    vectors = np.concatenate([vectors for _, vectors in made.view.collection.item_vectors()])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :5]

    found = density_of(made.view, silent, k=5)

    np.testing.assert_allclose(
        1 - np.take_along_axis(cosines, nearest, axis=1).mean(axis=1), found.distances, atol=1e-3
    )
    assert np.bincount(nearest.ravel(), minlength=41).tolist() == found.occurrences.tolist()
    assert 41 * 5 == found.occurrences.sum()


def test_what_lies_apart_is_an_outlier(made: Searcher) -> None:
    """The opposite of all others is the one that is labelled; nobody's neighbour it is, too."""
    found = density_of(made.view, silent, k=5)

    assert [40] == np.flatnonzero(found.outlier_scores() > OUTLIER_Z).tolist()
    assert 0 == found.occurrences[40]
    assert found.never_found() >= 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
@settings(max_examples=30)
def test_the_skewness_is_the_standardised_third_moment(counts: list[int]) -> None:
    """It is scipy's; where all are equal it is 0."""
    found = _density([0.1] * len(counts), counts).skewness()

    expected = 0.0 if len(set(counts)) == 1 else skew(counts)
    assert expected == pytest.approx(found, abs=1e-6)


def test_a_hub_is_over_the_mean_and_two_deviations() -> None:
    """The bound is Radovanović's."""
    counts = [0] * 10 + [10] * 10 + [50]

    found = _density([0.1] * 21, counts)

    assert np.mean(counts) + 2 * np.std(counts) == pytest.approx(found.hub_bound())
    assert 10 == found.never_found()
    assert found.skewness() > 1


@pytest.mark.parametrize("distances", [[], [0.2], [0.2, 0.2, 0.2]])
def test_where_nothing_stands_apart_nothing_is_labelled(distances: list[float]) -> None:
    """None, one, or equals have no outliers, and nothing is divided by zero."""
    found = _density(distances, [0] * len(distances))

    assert not (found.outlier_scores() > OUTLIER_Z).any()
    assert 0 == found.skewness()
    assert 0 == found.hub_bound()


def test_half_of_them_at_one_distance_leave_the_others_comparable() -> None:
    """Where most items have copies, whose distance is 0, a far one still stands out, and a near one does not."""
    scores = _density([0.0] * 20 + [0.01] * 8 + [0.9], [0] * 29).outlier_scores()

    assert scores[-1] > OUTLIER_Z
    assert scores[20] < OUTLIER_Z
