"""Vectors put together, as properties."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.errors import QueryInvalid
from service.queries.composing import Term, composed, moved

DIM = 5
FIELD = "query.parts"


def unit(numbers: list[float]) -> np.ndarray:
    """The unit vector (d,) float32 of that direction."""
    vector = np.array(numbers)
    length = np.linalg.norm(vector)
    assume(length > 0.1)
    return (vector / length).astype(np.float32)


numbers = st.lists(st.floats(-1, 1, width=32), min_size=DIM, max_size=DIM)
units = numbers.map(unit)
weights = st.floats(0.01, 100) | st.floats(-100, -0.01)
terms = st.lists(st.builds(Term, units, weights), min_size=1, max_size=6)


def total(of: list[Term]) -> np.ndarray:
    """The weighted sum, over the sum of the weights' sizes."""
    whole = sum(abs(each.weight) for each in of)
    return sum((each.weight / whole * each.vector.astype(np.float64) for each in of), np.zeros(DIM))


@given(of=terms)
def test_a_sum_has_unit_length_and_the_sums_direction(of: list[Term]) -> None:
    """What comes out is a unit vector along the weighted sum; or, where that is next to nothing, a refusal."""
    expected = total(of)
    length = np.linalg.norm(expected)
    assume(abs(length - 1e-3) > 1e-6)
    if length < 1e-3:
        with pytest.raises(QueryInvalid, match="cancel"):
            composed(of, FIELD)
        return

    found = composed(of, FIELD)

    assert np.float32 == found.dtype
    assert 1 == pytest.approx(np.linalg.norm(found), abs=1e-5)
    assert 1 == pytest.approx(found @ expected / length, abs=1e-5)


@given(of=terms, factor=st.sampled_from([1e-300, 1e-9, 3.0, 1e9, 1e300]), seed=st.integers(0, 100))
def test_only_ratios_of_weights_count_and_no_order(of: list[Term], factor: float, seed: int) -> None:
    """All weights times one positive number, however large or small, and the terms in another order, give the same."""
    assume(np.linalg.norm(total(of)) > 0.01)
    scaled = [Term(each.vector, factor * each.weight) for each in of]
    mixed = [scaled[place] for place in np.random.default_rng(seed).permutation(len(scaled))]

    assert np.allclose(composed(of, FIELD), composed(mixed, FIELD), atol=1e-4)


@given(vector=units, weight=st.floats(0.01, 1000))
def test_one_part_is_itself_and_its_opposite_below_zero(vector: np.ndarray, weight: float) -> None:
    """A single term is its vector whatever its weight, turned round where that is negative."""
    assert np.allclose(vector, composed([Term(vector, weight)], FIELD), atol=1e-6)
    assert np.allclose(-vector, composed([Term(vector, -weight)], FIELD), atol=1e-6)


@given(vector=units, weight=weights)
def test_opposites_are_refused_by_name(vector: np.ndarray, weight: float) -> None:
    """A part and itself taken away leave nothing; the error names the field and says what to do."""
    with pytest.raises(QueryInvalid, match="change their weights") as caught:
        composed([Term(vector, weight), Term(vector, -weight)], FIELD)

    assert FIELD == caught.value.field


@given(one=units, other=units)
def test_a_part_that_counts_more_is_nearer(one: np.ndarray, other: np.ndarray) -> None:
    """The heavier a part, the nearer is the sum to it."""
    assume(one @ other > -0.99)
    near = [float(one @ composed([Term(one, weight), Term(other, 1.0)], FIELD)) for weight in (0.5, 1, 2, 8)]

    assert all(first <= second + 1e-6 for first, second in pairwise(near))


@given(query=units, liked=st.lists(units, max_size=4), disliked=st.lists(units, max_size=4))
def test_feedback_is_rocchios_rule(query: np.ndarray, liked: list[np.ndarray], disliked: list[np.ndarray]) -> None:
    """alpha q + beta mean(liked) - gamma mean(disliked), of unit length."""
    alpha, beta, gamma = 1.0, 0.75, 0.15
    expected = alpha * query.astype(np.float64)
    expected = expected + (beta * np.mean(liked, axis=0) if liked else 0)
    expected = expected - (gamma * np.mean(disliked, axis=0) if disliked else 0)
    assume(np.linalg.norm(expected) > 0.05)

    found = moved(query, liked, disliked, (alpha, beta, gamma), FIELD)

    assert np.allclose(expected / np.linalg.norm(expected), found, atol=1e-4)


@given(query=units, liked=units)
def test_what_is_liked_is_nearer_then(query: np.ndarray, liked: np.ndarray) -> None:
    """A query moved to an item is no farther from it, and alone with it is the item."""
    assume(query @ liked > -0.9)

    assert liked @ moved(query, [liked], [], (1, 0.75, 0.15), FIELD) >= liked @ query - 1e-5
    assert np.allclose(liked, moved(None, [liked], [], (1, 0.75, 0.15), FIELD), atol=1e-6)


def test_feedback_without_weight_is_refused() -> None:
    """A query and items that all count nothing are no question."""
    vector = np.eye(DIM, dtype=np.float32)[0]

    with pytest.raises(QueryInvalid):
        moved(vector, [vector], [], (0, 0, 0), "query.feedback")
