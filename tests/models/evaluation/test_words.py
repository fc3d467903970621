"""Word-level figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.words import (
    Control,
    Correction,
    auroc,
    auroc_by_group,
    control,
    correction,
    midranks,
    shuffled_images,
)


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and labels of both classes."""
    values = draw(st.lists(st.tuples(st.integers(-2, 2), st.booleans()), max_size=12))
    scores = np.array([draw(st.integers(-2, 2)), draw(st.integers(-2, 2)), *(score for score, _ in values)], float)
    return scores, np.array([True, False, *(wrong for _, wrong in values)])


def _slow(scores: np.ndarray, wrong: np.ndarray) -> float:
    pairs = [(bad, good) for bad in scores[wrong] for good in scores[~wrong]]
    return sum(1.0 if bad > good else 0.5 if bad == good else 0.0 for bad, good in pairs) / len(pairs)


@given(scored())
@settings(max_examples=150)
def test_auroc_equals_a_count_over_all_pairs(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """AUROC is the share of pairs of a wrong and a right word in which the wrong one scores higher, ties half."""
    assert pytest.approx(_slow(*drawn)) == auroc(*drawn)


@given(scored())
@settings(max_examples=60)
def test_turning_scores_or_labels_mirrors_auroc(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """Negated scores, or exchanged classes, give one minus the figure."""
    scores, wrong = drawn

    assert pytest.approx(1 - auroc(scores, wrong)) == auroc(-scores, wrong)
    assert pytest.approx(1 - auroc(scores, wrong)) == auroc(scores, ~wrong)


@given(scored(), st.integers(0, 2**32))
@settings(max_examples=60)
def test_auroc_knows_order_alone(drawn: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """Any rising function of the scores, and any order of the words, gives the same figure."""
    scores, wrong = drawn
    order = np.random.default_rng(seed).permutation(len(scores))

    assert pytest.approx(auroc(scores, wrong)) == auroc(np.exp(3 * scores) - 7, wrong)
    assert pytest.approx(auroc(scores, wrong)) == auroc(scores[order], wrong[order])


def test_a_constant_detector_is_a_coin() -> None:
    """One score for every word says nothing: one half."""
    assert 0.5 == auroc(np.zeros(5), np.array([True, False, False, True, False]))


@pytest.mark.parametrize(
    ("scores", "wrong", "why"),
    [
        ([1.0, 2.0], [True, True], "2 wrong and 0 right"),
        ([1.0, 2.0], [False, False], "0 wrong and 2 right"),
        ([1.0], [True, False], "equal length"),
        ([float("nan"), 1.0], [True, False], "NaN"),
    ],
)
def test_what_has_no_auroc_is_refused(scores: list[float], wrong: list[bool], why: str) -> None:
    """One class alone, rows of other lengths and NaN have no figure, and the message says which."""
    with pytest.raises(ValueError, match=why):
        auroc(np.array(scores), np.array(wrong))


def test_midranks_share_their_places() -> None:
    """Equal values share the mean of the places they take up."""
    assert [2.5, 1.0, 2.5, 4.0] == midranks(np.array([5, 3, 5, 9])).tolist()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
@settings(max_examples=50)
def test_midranks_sum_to_that_of_places(values: list[int]) -> None:
    """However many are equal, the ranks of n values sum to n(n + 1)/2."""
    count = len(values)

    assert pytest.approx(count * (count + 1) / 2) == midranks(np.array(values)).sum()


def test_groups_are_compared_with_all_right_words() -> None:
    """Each group's wrong words stand against every right word, whatever that one's group."""
    scores = np.array([0.9, 0.1, 0.5, 0.2])
    wrong = np.array([True, True, False, False])

    assert {"colour": 1.0, "count": 0.0} == auroc_by_group(scores, wrong, ["colour", "count", "", "colour"])


def test_correction_counts_wrong_words_that_can_be_restored() -> None:
    """Right words do not count, and words outside the vocabulary count for detection only."""
    guesses, originals = np.array([4, 4, 7, 9, 1]), np.array([4, 5, 7, -1, 1])
    wrong = np.array([True, True, False, True, True])

    found = correction(guesses, originals, wrong)

    assert Correction(words=3, restored=2, outside=1) == found
    assert pytest.approx(2 / 3) == found.accuracy


def test_nothing_to_restore_is_no_success() -> None:
    """Where no word was wrong, the accuracy is 0 of 0 words, and said so."""
    found = correction(np.array([1]), np.array([1]), np.array([False]))

    assert (0, 0.0) == (found.words, found.accuracy)


def test_a_minus_one_is_never_restored() -> None:
    """A guess of -1 does not match a word outside the vocabulary."""
    assert Correction(0, 0, 1) == correction(np.array([-1]), np.array([-1]), np.array([True]))


def test_the_control_tells_what_the_image_adds() -> None:
    """A detector that needs the image loses with another one; the difference is its gain."""
    wrong = np.array([True, False, True, False])

    found = control(np.array([0.9, 0.1, 0.8, 0.2]), np.array([0.5, 0.5, 0.5, 0.5]), wrong)

    assert Control(1.0, 0.5) == found
    assert 0.5 == found.gain


def test_a_detector_that_reads_the_text_alone_gains_nothing() -> None:
    """Equal scores with either image: the text gave it away."""
    scores = np.array([0.9, 0.1])

    assert 0 == control(scores, scores, np.array([True, False])).gain


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30).filter(lambda each: len(set(each)) > 1), st.integers(0, 99))
@settings(max_examples=80)
def test_no_text_keeps_its_image(images: list[int], seed: int) -> None:
    """Every text gets an image that is another text's own; texts of one image go together; each image is used."""
    own = np.array(images)

    found = shuffled_images(own, seed)

    assert not (found == own).any()
    assert set(found.tolist()) == set(images)
    assert len(set(images)) == len(set(zip(images, found.tolist(), strict=True)))


def test_shuffling_is_determined_by_its_seed() -> None:
    """Equal seeds give equal cycles, and other seeds others."""
    own = np.arange(50)

    assert shuffled_images(own, 1).tolist() == shuffled_images(own, 1).tolist()
    assert shuffled_images(own, 1).tolist() != shuffled_images(own, 2).tolist()


def test_one_image_cannot_be_shuffled() -> None:
    """With a single image the control is no control."""
    with pytest.raises(ValueError, match="two at least"):
        shuffled_images(np.zeros(3), 0)
