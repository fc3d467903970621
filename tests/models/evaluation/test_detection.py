"""AUROC under resampling weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation import detection
from models.evaluation.detection import Detection
from models.evaluation.words import auroc

IMAGES = 4


@st.composite
def judged(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties, labels, images, and how often each image counts."""
    words = draw(st.lists(st.tuples(st.integers(-2, 2), st.booleans(), st.integers(0, IMAGES - 1)), max_size=20))
    scores, wrong, images = zip((0, True, 0), (0, False, 1), *words, strict=True)
    weights = draw(st.lists(st.integers(0, 3), min_size=IMAGES, max_size=IMAGES))
    return np.array(scores, float), np.array(wrong), np.array(images), np.array(weights)


def _under(scores: np.ndarray, wrong: np.ndarray, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) of one group, by weights (B, U)."""
    of = Detection.of(scores, images, {"all": np.flatnonzero(wrong)}, np.flatnonzero(~wrong))
    return of.under(weights)["all"]


@given(judged())
@settings(max_examples=150)
def test_a_weight_is_a_repetition(drawn: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Under weights AUROC is what it would be if each word stood there as often as its image counts."""
    scores, wrong, images, weights = drawn
    often = np.repeat(np.arange(len(scores)), weights[images])

    (found,) = _under(scores, wrong, images, weights[None])

    if len(np.unique(wrong[often])) < 2:
        assert np.isnan(found)
    else:
        assert pytest.approx(auroc(scores[often], wrong[often])) == found


@given(judged())
@settings(max_examples=60)
def test_once_each_is_the_plain_figure(drawn: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Where every image counts once, or every one three times, it is `words.auroc`."""
    scores, wrong, images, _ = drawn
    weights = np.array([np.ones(IMAGES, int), np.full(IMAGES, 3)])

    assert [pytest.approx(auroc(scores, wrong))] * 2 == _under(scores, wrong, images, weights).tolist()


def test_a_class_without_words_has_no_figure() -> None:
    """Where the images that are left have wrong words alone, or right ones alone, it is NaN and not zero."""
    scores, wrong, images = np.array([0.9, 0.1]), np.array([True, False]), np.array([0, 1])

    found = _under(scores, wrong, images, np.array([[2, 0], [0, 2], [0, 0], [1, 1]]))

    np.testing.assert_array_equal([np.nan, np.nan, np.nan, 1.0], found)


def test_each_group_meets_all_right_words() -> None:
    """Groups are measured each by itself, and a group that is the union of others lies between them."""
    scores, images = np.array([0.9, 0.1, 0.5, 0.2]), np.zeros(4, int)
    rows = {"colour": np.array([0]), "count": np.array([1]), "all": np.array([0, 1])}

    found = Detection.of(scores, images, rows, np.array([2, 3])).under(np.ones((1, 1), int))

    assert {"colour": 1.0, "count": 0.0, "all": 0.5} == {name: value.item() for name, value in found.items()}


def test_parts_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few weightings are held at a time, each gives what it gives alone."""
    rng = np.random.default_rng(0)
    scores, wrong, images = rng.integers(0, 9, 300).astype(float), rng.random(300) < 0.3, rng.integers(0, 20, 300)
    weights = rng.multinomial(20, np.full(20, 1 / 20), size=50)
    expected = _under(scores, wrong, images, weights)

    for cells in (1, 700, 10**6):
        monkeypatch.setattr(detection, "_CELLS", cells)
        np.testing.assert_array_equal(expected, _under(scores, wrong, images, weights))


def test_no_wrong_words_are_no_error() -> None:
    """Without groups there is nothing to say; a group without words is NaN."""
    none = Detection.of(np.array([0.5]), np.array([0]), {}, np.array([0]))
    empty = Detection.of(np.array([0.5]), np.array([0]), {"none": np.empty(0, int)}, np.array([0]))

    assert {} == none.under(np.ones((1, 1), int))
    assert np.isnan(empty.under(np.ones((1, 1), int))["none"]).all()
