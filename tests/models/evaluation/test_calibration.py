"""Probabilities that can be believed, and the weight of a second opinion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.calibration import (
    calibration_error,
    candidate_ranks,
    deciding_threshold,
    mixing_weight,
    platt,
    sigmoid,
)


def draw(slope: float, intercept: float, words: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are wrong with probability sigmoid(slope x logit + intercept)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, words)
    return logits, rng.random(words) < sigmoid(slope * logits + intercept)


@given(st.floats(0.2, 3), st.floats(-2, 2), st.integers(0, 9))
@settings(max_examples=20)
def test_the_fit_finds_what_the_labels_were_drawn_with(slope: float, intercept: float, seed: int) -> None:
    """Of many words, slope and intercept come back, up to what chance does to them."""
    found = platt(*draw(slope, intercept, seed=seed))

    assert (slope, intercept) == pytest.approx(found, rel=0.15, abs=0.15)


def test_the_fit_is_the_likeliest() -> None:
    """No neighbour of the fit explains the smoothed labels better."""
    logits, wrong = draw(0.7, -1, words=300)
    positive, negative = wrong.sum(), (~wrong).sum()
    labels = np.where(wrong, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(slope: float, intercept: float) -> float:
        scaled = slope * logits + intercept
        return float((np.logaddexp(0, scaled) - labels * scaled).sum())

    slope, intercept = platt(logits, wrong)

    for more, higher in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert loss(slope, intercept) < loss(slope + more, intercept + higher)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_class_stays_finite(share: float) -> None:
    """Where no word is wrong, or every one, the chances are near 0 or 1 and no number is lost."""
    logits = np.random.default_rng(0).normal(size=200)

    slope, intercept = platt(logits, np.full(200, share == 1))

    assert np.isfinite([slope, intercept]).all()
    assert np.abs(sigmoid(slope * logits + intercept) - share).max() < 0.05


def test_words_that_a_line_parts_stay_finite() -> None:
    """A detector without fault on the data of the fit does not become infinitely sure."""
    logits = np.concatenate([np.full(50, -1000.0), np.full(50, 1000.0)])

    slope, intercept = platt(logits, logits > 0)

    chances = sigmoid(slope * logits + intercept)
    assert 0 < slope < 1
    assert 0 < chances[0] < 0.05 < 0.95 < chances[-1] < 1


def test_a_detector_that_is_turned_round_is_not_believed() -> None:
    """When wrong words have lower logits, every word gets the share of wrong ones."""
    logits, wrong = draw(1, -1)

    slope, intercept = platt(-logits, wrong)

    assert 0 == slope
    assert wrong.mean() == pytest.approx(float(sigmoid(np.array(intercept))), abs=1e-3)


def test_nothing_to_fit_changes_nothing() -> None:
    """Without words the probability is the bare sigmoid."""
    assert (1.0, 0.0) == platt(np.zeros(0), np.zeros(0, bool))
    assert 0.0 == calibration_error(np.zeros(0), np.zeros(0, bool))


def test_equal_logits_have_no_slope() -> None:
    """A detector that says one thing of every word is fitted without an error, to the share of wrong words."""
    wrong = np.arange(100) < 30

    slope, intercept = platt(np.full(100, 2.0), wrong)

    assert 0.3 == pytest.approx(float(sigmoid(np.array(slope * 2 + intercept))), abs=0.01)


def test_the_error_falls_with_the_fit() -> None:
    """Logits twice as sure as they should be are off; calibrated, they are not, on words that the fit has not seen."""
    logits, wrong = draw(0.5, -1)
    slope, intercept = platt(*draw(0.5, -1, seed=1))

    assert calibration_error(sigmoid(logits), wrong) > 0.1
    assert calibration_error(sigmoid(slope * logits + intercept), wrong) < 0.02


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_the_error_is_the_mean_gap_of_the_bins(words: list[tuple[float, bool]]) -> None:
    """It is what the definition says, bin by bin, and lies in [0, 1]."""
    chances, wrong = np.array([chance for chance, _ in words]), np.array([label for _, label in words])

    found = calibration_error(chances, wrong, bins=5)

    expected = 0.0
    for low in range(5):
        inside = (chances >= low / 5) & ((chances < (low + 1) / 5) | (low == 4))
        if inside.any():
            expected += inside.mean() * abs(chances[inside].mean() - wrong[inside].mean())
    assert 0 <= found <= 1 + 1e-9
    # a chance on the edge of a bin may be rounded to either side
    if not np.isclose(chances * 5, np.round(chances * 5)).any():
        assert expected == pytest.approx(found)


def test_ranks_of_candidates() -> None:
    """First is 1, ties count against, absent is infinite, a right one that is NaN is last."""
    mixed = np.array([[3.0, 1, 2], [2, 2, 1], [1, 2, 3], [np.nan, 0, 0]])

    assert [1, 2, np.inf, 3] == candidate_ranks(mixed, np.array([0, 1, -1, 0])).tolist()


def test_the_weight_is_what_helps() -> None:
    """Scores that know the right candidate get a weight, scores that mislead get none."""
    rng = np.random.default_rng(0)
    cosines, right = rng.normal(0.3, 0.1, (50, 20)), rng.integers(20, size=50)
    scores = -rng.random((50, 20)) - 1
    scores[np.arange(50), right] = -0.1
    misled = -1.1 - scores

    weight = mixing_weight(cosines, scores, right)

    assert 0 < weight
    assert (1 == candidate_ranks(cosines + weight * scores, right)).all()
    assert 0 == mixing_weight(cosines, misled, right)


def test_of_equal_weights_the_middle_is_taken() -> None:
    """Whatever lies between the least weight that is enough and the most that does no harm is as good here; it is neither of them."""
    # the first query wants more than 0.01, the second less than 1
    cosines, scores = np.array([[0.50, 0.49], [0.1, 0.9]]), np.array([[-1.0, 0.0], [0.0, -0.8]])

    weight = mixing_weight(cosines, scores, np.array([1, 1]))

    assert weight == pytest.approx(0.1, rel=0.15)


def test_where_nothing_is_won_nothing_is_mixed_in() -> None:
    """When the cosines are right already, or the right one is not among the candidates, the weight is 0."""
    cosines = np.array([[0.9, 0.1], [0.2, 0.8]])

    assert 0 == mixing_weight(cosines, np.zeros((2, 2)), np.array([0, 1]))
    assert 0 == mixing_weight(cosines, np.zeros((2, 2)), np.array([-1, -1]))


def f1(chances: np.ndarray, wrong: np.ndarray, threshold: float) -> float:
    """Of calling wrong the words above a threshold, by its definition."""
    called = chances > threshold
    return 2 * (called & wrong).sum() / max(1, called.sum() + wrong.sum())


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40))
@settings(max_examples=200)
def test_no_threshold_finds_wrong_words_better(drawn: list[tuple[float, bool]]) -> None:
    """From the share of wrong words to one half no threshold has a greater F1, and no larger one as great an F1."""
    chances = np.array([chance for chance, _ in drawn])
    wrong = np.array([each for _, each in drawn], bool)

    found = deciding_threshold(chances, wrong)

    assert 0 < found <= 0.5
    share = (wrong.sum() + 1) / (len(wrong) + 2)
    for other in (np.arange(1, 5001) / 10_000).tolist():
        if other > found:
            assert f1(chances, wrong, other) < f1(chances, wrong, found)
        elif other > share:
            assert f1(chances, wrong, other) <= f1(chances, wrong, found)


@given(st.floats(-4, -1), st.integers(0, 9))
@settings(max_examples=20)
def test_rare_wrong_words_are_called_wrong_below_one_half(intercept: float, seed: int) -> None:
    """Where calibrated chances are of rare events, more of these are called wrong than above one half."""
    logits, wrong = draw(1, intercept, seed=seed)
    chances = sigmoid(logits + intercept)

    found = deciding_threshold(chances, wrong)

    assert found < 0.5
    assert (chances > found)[wrong].mean() > (chances > 0.5)[wrong].mean()


@pytest.mark.parametrize("wrong", [np.arange(100) < 7, np.zeros(100, bool), np.ones(100, bool), np.zeros(0, bool)])
def test_a_detector_that_knows_nothing_calls_no_rare_word_wrong(wrong: np.ndarray) -> None:
    """Where every word has the same chance, words are called wrong only where most of them are."""
    slope, intercept = platt(np.zeros(len(wrong)), wrong)
    chances = sigmoid(np.full(len(wrong), intercept) + slope * 0)

    called = chances > deciding_threshold(chances, wrong)

    assert called.all() == (wrong.all() if len(wrong) else True)
    assert called.any() == (len(wrong) > 0 and bool(wrong.all()))
