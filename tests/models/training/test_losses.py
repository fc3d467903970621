"""The contrastive loss against its formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.losses import contrastive, correction, detection


def _reference(images: np.ndarray, texts: np.ndarray, scale: float) -> float:
    """The loss in float64, written out: mean of -log p(own) over rows and over columns."""
    scores = np.exp(scale * images.astype(np.float64) @ texts.astype(np.float64).T)
    own = np.diag(scores)
    return float(-(np.log(own / scores.sum(axis=1)) + np.log(own / scores.sum(axis=0))).mean() / 2)


def _units(seed: int, count: int, dim: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@given(st.integers(0, 1000), st.integers(1, 9), st.floats(0.0, 20.0))
@settings(max_examples=50, deadline=None)
def test_loss_equals_the_formula(seed: int, count: int, scale: float) -> None:
    """Over any batch of unit vectors the loss is the mean cross-entropy of both directions."""
    images, texts = _units(seed, count, 5), _units(seed + 1, count, 5)

    found = contrastive(torch.from_numpy(images), torch.from_numpy(texts), torch.tensor(scale))

    assert pytest.approx(_reference(images, texts, scale), abs=1e-4) == float(found)


def test_a_blind_model_pays_the_logarithm_of_the_batch() -> None:
    """When all pairs score the same the loss is log N, whatever the scale."""
    same = torch.ones(7, 1)

    assert pytest.approx(math.log(7)) == float(contrastive(same, same, torch.tensor(100.0)))


def test_the_two_sides_are_alike() -> None:
    """Exchanging images and texts changes nothing."""
    images, texts = torch.from_numpy(_units(0, 6, 4)), torch.from_numpy(_units(1, 6, 4))
    scale = torch.tensor(10.0)

    torch.testing.assert_close(contrastive(images, texts, scale), contrastive(texts, images, scale))


def test_a_step_downhill_brings_pairs_together() -> None:
    """The gradient on the images points away from their own texts: following it down raises their cosine."""
    images = torch.from_numpy(_units(0, 6, 4)).requires_grad_()
    texts = torch.from_numpy(_units(1, 6, 4))

    contrastive(images, texts, torch.tensor(5.0)).backward()
    gradient = images.grad

    assert gradient is not None
    assert float((gradient * texts).sum()) < 0


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 5))
def test_negatives_stand_beside_the_other_texts(seed: int, count: int, more: int) -> None:
    """Every image tells its text from the negatives too; texts are told from images only: written out in float64."""
    images, texts, wrong = _units(seed, count, 4), _units(seed + 1, count, 4), _units(seed + 2, more, 4)
    rows = np.exp(7.0 * images.astype(np.float64) @ np.concatenate([texts, wrong]).T.astype(np.float64))
    columns = rows[:, :count]
    own = np.diag(columns)
    expected = -(np.log(own / rows.sum(axis=1)) + np.log(own / columns.sum(axis=0))).mean() / 2

    found = contrastive(*map(torch.from_numpy, (images, texts)), torch.tensor(7.0), torch.from_numpy(wrong))

    assert expected == pytest.approx(found.item(), rel=1e-4, abs=1e-5)


def test_detection_weighs_right_and_wrong_alike() -> None:
    """One wrong word among nine right ones has half of the loss; padding has none."""
    logits = torch.zeros(1, 12)
    logits[0, 0] = 2.0
    wrong = torch.zeros(1, 12, dtype=torch.bool)
    wrong[0, 0] = wrong[0, 11] = True
    there = torch.ones(1, 12, dtype=torch.bool)
    there[0, 10:] = False

    found = detection(logits, wrong, there)

    assert (math.log1p(math.exp(-2.0)) + math.log(2)) / 2 == pytest.approx(found.item())


@pytest.mark.parametrize("wrong", [True, False])
def test_detection_of_one_kind_is_nothing(wrong: bool) -> None:
    """Where all words are right, or all wrong, there is nothing to tell apart: no loss, and no gradient, but a graph."""
    logits = torch.randn(2, 3, requires_grad=True)

    loss = detection(logits, torch.full((2, 3), wrong), torch.ones(2, 3, dtype=torch.bool))
    loss.backward()

    assert 0 == loss.item()
    assert logits.grad is not None and not logits.grad.any()


def test_correction_is_cross_entropy_and_may_be_empty() -> None:
    """The mean of -log p(right word); without wrong words it is 0 and can be descended."""
    logits = torch.randn(3, 5, requires_grad=True)
    words = torch.tensor([1, 4, 0])
    expected = -logits.log_softmax(-1)[torch.arange(3), words].mean()

    torch.testing.assert_close(expected, correction(logits, words))
    empty = correction(logits[:0], words[:0])
    empty.backward()

    assert 0 == empty.item()
