"""Sets become groups round a representative."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.duplicates import stars as module
from index.duplicates.stars import least_cosine, stars
from tests.index.duplicates.made import turned

ANGLES = st.lists(st.floats(0, 180), min_size=1, max_size=15)


def _plain(count: int) -> np.ndarray:
    return np.ones(count, np.int64)


@given(ANGLES, st.floats(0.5, 0.999))
@settings(max_examples=30)
def test_every_member_resembles_its_representative(angles: list[float], threshold: float) -> None:
    """No member's cosine to its representative is below the threshold, and a representative is its own."""
    vectors = turned(angles)
    owners = stars(vectors, _plain(len(angles)), _plain(len(angles)), threshold)

    assert (owners == owners[owners]).all()
    own = owners == np.arange(len(angles))
    assert (np.einsum("nd,nd->n", vectors, vectors[owners])[~own] >= threshold).all()


@given(ANGLES)
@settings(max_examples=30)
def test_two_representatives_do_not_resemble_each_other(angles: list[float]) -> None:
    """What a representative resembles has joined it."""
    vectors = turned(angles)
    centres = np.unique(stars(vectors, _plain(len(angles)), _plain(len(angles)), 0.9))
    between = vectors[centres] @ vectors[centres].T

    assert (between[~np.eye(len(centres), dtype=bool)] < 0.9 + 1e-6).all()


def test_a_chain_is_cut_where_it_leads_too_far() -> None:
    """Steps of 20 degrees, each like the next, are one group only where chains are wanted."""
    vectors, ones = turned([0, 20, 40, 60, 80]), _plain(5)

    cut = stars(vectors, ones, ones, np.cos(np.radians(25)))
    chained = stars(vectors, ones, ones, np.cos(np.radians(25)), chains=True)

    assert 3 == len(np.unique(cut))
    assert 1 == len(np.unique(chained))


def test_the_one_with_the_most_neighbours_represents_then_the_largest() -> None:
    """The number of neighbours decides, of equals the pixels, of equals the order."""
    vectors = turned([0, 1, 2])

    assert 2 == stars(vectors, np.array([1, 1, 2]), np.array([9, 5, 1]), 0.9)[0]
    assert 1 == stars(vectors, np.array([2, 2, 2]), np.array([4, 9, 9]), 0.9)[0]


def test_a_near_hash_is_enough() -> None:
    """Members that look like the representative belong to it at any cosine; one without a hash needs the cosine."""
    vectors, ones = turned([0, 90, 90]), _plain(3)
    looks = np.array([0b1111, 0b1110, 0b1110]), np.array([True, True, False]), 1

    assert [0, 0, 2] == stars(vectors, np.array([3, 2, 1]), ones, 0.9, looks=looks).tolist()


@given(ANGLES)
@settings(max_examples=30)
def test_the_least_cosine_is_that_of_the_farthest_two(angles: list[float]) -> None:
    """It is the least entry of the matrix of cosines."""
    vectors = turned(angles)

    expected = min(1.0, float((vectors @ vectors.T).min()))

    assert expected == pytest.approx(least_cosine(vectors, vectors @ vectors[0]), abs=1e-6)


@given(ANGLES)
@settings(max_examples=30)
def test_of_a_large_group_it_is_bounded_from_below(angles: list[float]) -> None:
    """The bound by the widest angle to the representative is not above the true one."""
    vectors = turned(angles)
    true = least_cosine(vectors, vectors @ vectors[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT_DIAMETER", 0)
        bound = least_cosine(vectors, vectors @ vectors[0])

    assert bound <= true + 1e-3
