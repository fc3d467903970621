"""The contrastive loss against its formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.losses import contrastive


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
