"""Maximal marginal relevance, as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.queries.diversity import diverse_order


def drawn(seed: int, count: int, dim: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Falling scores (n,) and unit vectors (n, d)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim))
    return np.sort(rng.random(count))[::-1], vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


seeds, counts, trades = st.integers(0, 10_000), st.integers(0, 25), st.floats(0, 1)


@given(seed=seeds, count=counts, trade=trades)
def test_every_candidate_is_chosen_once(seed: int, count: int, trade: float) -> None:
    """The order is one of all candidates."""
    assert list(range(count)) == sorted(diverse_order(*drawn(seed, count), trade))


@given(seed=seeds, count=counts, equal=st.booleans())
def test_lambda_one_is_the_plain_order(seed: int, count: int, *, equal: bool) -> None:
    """Where only relevance counts nothing moves, equals neither."""
    scores, vectors = drawn(seed, count)

    assert list(range(count)) == diverse_order(np.zeros(count) if equal else scores, vectors, 1.0)


@given(seed=seeds, count=st.integers(1, 25), trade=trades)
def test_the_best_stays_first(seed: int, count: int, trade: float) -> None:
    """Nothing is shown before the first, so nothing speaks against it."""
    assert 0 == diverse_order(*drawn(seed, count), trade)[0]


@given(seed=seeds, count=st.integers(3, 12), trade=st.floats(0, 0.99))
def test_a_duplicate_comes_after_as_good_distinct_ones(seed: int, count: int, trade: float) -> None:
    """Of equal scores, what repeats the first comes last: each of the others is farther from what is shown."""
    vectors = np.eye(count)
    vectors[1] = vectors[0]

    order = diverse_order(np.full(count, 0.5), vectors, trade)

    assert 1 == order[-1]


@given(seed=seeds, count=st.integers(1, 15), trade=trades)
def test_each_choice_is_the_best_of_those_left(seed: int, count: int, trade: float) -> None:
    """Each place holds what the formula of the paper puts there, given the places before."""
    scores, vectors = drawn(seed, count)
    relevance = (scores - scores.min()) / max(np.ptp(scores), 1e-12)

    order = diverse_order(scores, vectors, trade)

    for place in range(1, count):
        shown, left = order[:place], order[place:]
        gains = [
            trade * relevance[each] - (1 - trade) * max(vectors[each] @ vectors[k] for k in shown) for each in left
        ]
        assert max(gains) == pytest.approx(gains[0], abs=1e-9)


@given(seed=seeds, count=st.integers(2, 15), trade=trades, factor=st.floats(0.01, 100), offset=st.floats(-5, 5))
def test_the_scale_of_scores_does_not_matter(seed: int, count: int, trade: float, factor: float, offset: float) -> None:
    """Cosines of one model, of another and fused scores are traded alike."""
    scores, vectors = drawn(seed, count)
    # clear of ties that rounding would decide
    scores = np.round(scores, 3)

    first, second = (diverse_order(each, vectors, trade) for each in (scores, factor * scores + offset))

    relevance = (scores - scores.min()) / max(np.ptp(scores), 1e-12)
    assert np.allclose(relevance[first], relevance[second], atol=1e-6) or first == second


def test_what_has_no_vector_is_like_nothing() -> None:
    """Zeros in the place of vectors that are gone leave the order by relevance."""
    assert [0, 1, 2] == diverse_order(np.array([0.9, 0.5, 0.1]), np.zeros((3, 4)), 0.3)
