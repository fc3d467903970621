"""The contrastive losses against their formulas."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.training.losses import (
    Keys,
    Targets,
    contrastive,
    momentum_targets,
    pair_losses,
    sigmoid,
)
from tests.models.training.losses.units import gradients, units

SCALE = torch.tensor(7.0, dtype=torch.float64)


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


def _keys(seed: int, pairs: int, count: int) -> Keys:
    """Queued pairs, of which some are of the batch's own images."""
    other = torch.rand(pairs, count, generator=torch.Generator().manual_seed(seed)) < 0.7
    return Keys(units(seed, count, 4), units(seed + 1, count, 4), other)


def _naive(
    images: torch.Tensor, texts: torch.Tensor, keys: Keys, negatives: torch.Tensor, targets: Targets
) -> list[list[torch.Tensor]]:
    """Each pair's loss in each direction, by loops over all that a pair is told from."""
    found: list[list[torch.Tensor]] = []
    for pair in range(len(images)):
        among = [
            [*texts, *keys.texts[keys.other[pair]], *negatives],
            [*images, *keys.images[keys.other[pair]]],
        ]
        mine = [images[pair], texts[pair]]
        wanted = [
            torch.cat([each[pair, : len(images)], each[pair, len(images) :][keys.other[pair]]])
            for each in (targets.to_texts, targets.to_images)
        ]
        scores = [torch.stack([SCALE * me @ each for each in them]) for me, them in zip(mine, among, strict=True)]
        found.append(
            [-(want * score.log_softmax(0)[: len(want)]).sum() for want, score in zip(wanted, scores, strict=True)]
        )
    return found


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(0, 6), st.integers(0, 3))
@settings(max_examples=40)
def test_everything_at_once_equals_the_loops(seed: int, pairs: int, queued: int, wrong: int) -> None:
    """With weights, keys, negatives and targets together, loss and gradients are those of loops in float64."""
    images, texts = units(seed, pairs, 4).requires_grad_(), units(seed + 1, pairs, 4).requires_grad_()
    keys, negatives = _keys(seed + 2, pairs, queued), units(seed + 3, wrong, 4)
    targets = momentum_targets(units(seed + 4, pairs, 4), units(seed + 5, pairs, 4), SCALE, 0.4, keys)
    weights = torch.rand(pairs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    each = _naive(images, texts, keys, negatives, targets)
    expected = sum(weight * (one + other) / 2 for weight, (one, other) in zip(weights, each, strict=True))
    expected = expected / weights.sum()

    found = contrastive(images, texts, SCALE, negatives, weights=weights, keys=keys, targets=targets)

    torch.testing.assert_close(expected, found, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        gradients(expected, images, texts), gradients(found, images, texts), rtol=1e-8, atol=1e-8
    )


def test_options_that_say_nothing_change_nothing() -> None:
    """An empty queue, no negatives, and targets that are one's own give bit for bit the plain loss."""
    images, texts = (torch.from_numpy(_units(seed, 6, 4)) for seed in (0, 1))
    scale = torch.tensor(9.0)
    plain = contrastive(images, texts, scale)
    nothing = Keys(torch.zeros(0, 4), torch.zeros(0, 4), torch.ones(6, 0, dtype=torch.bool))

    assert torch.equal(plain, contrastive(images, texts, scale, torch.zeros(0, 4), keys=nothing))
    own = momentum_targets(texts, images, scale, 0.0, nothing)
    assert torch.equal(torch.eye(6), own.to_texts)
    torch.testing.assert_close(plain, contrastive(images, texts, scale, targets=own), rtol=1e-6, atol=0)
    torch.testing.assert_close(plain, contrastive(images, texts, scale, weights=torch.full((6,), 0.2)))


def test_a_pair_without_weight_asks_for_nothing() -> None:
    """Its loss is gone from the mean, and the others still must be told from its image and text."""
    images, texts = units(0, 5, 4), units(1, 5, 4)
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])

    found = contrastive(images, texts, SCALE, weights=weights)

    torch.testing.assert_close(pair_losses(images, texts, SCALE)[weights > 0].mean(), found)


def test_a_batch_without_weight_has_no_loss() -> None:
    """When every pair is noise the loss is 0, its gradient too, and no number is lost."""
    images = units(0, 3, 4).requires_grad_()

    found = contrastive(images, units(1, 3, 4), SCALE, weights=torch.zeros(3))

    assert 0 == found.item()
    assert not gradients(found, images)[0].any()


@given(st.integers(0, 1000), st.integers(1, 6))
@settings(max_examples=25)
def test_pairs_may_come_in_any_order(seed: int, pairs: int) -> None:
    """The losses of a batch do not change with the order of its pairs; each pair's loss moves with it."""
    images, texts = units(seed, pairs, 4), units(seed + 1, pairs, 4)
    keys = _keys(seed, pairs, 5)
    weights = torch.rand(pairs, generator=torch.Generator().manual_seed(seed))
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(seed))
    moved = Keys(keys.images, keys.texts, keys.other[order])
    bias = torch.tensor(-3.0)

    torch.testing.assert_close(
        contrastive(images, texts, SCALE, weights=weights, keys=keys),
        contrastive(images[order], texts[order], SCALE, weights=weights[order], keys=moved),
    )
    torch.testing.assert_close(
        sigmoid(images, texts, SCALE, bias, weights=weights),
        sigmoid(images[order], texts[order], SCALE, bias, weights=weights[order]),
    )
    torch.testing.assert_close(
        pair_losses(images, texts, SCALE)[order], pair_losses(images[order], texts[order], SCALE)
    )


@given(st.integers(0, 1000), st.integers(1, 6))
def test_pair_losses_are_what_the_loss_is_the_mean_of(seed: int, pairs: int) -> None:
    """Their mean is the plain loss, and they carry no gradient."""
    images, texts = units(seed, pairs, 4).requires_grad_(), units(seed + 1, pairs, 4)

    found = pair_losses(images, texts, SCALE)

    assert not found.requires_grad
    torch.testing.assert_close(contrastive(images, texts, SCALE).detach(), found.mean())


def test_a_key_of_the_same_image_is_no_negative() -> None:
    """A queue that holds only what the batch holds leaves loss and targets as they are without it."""
    images, texts = units(0, 4, 4), units(1, 4, 4)
    same = Keys(images[:1], texts[:1], torch.tensor([[False], [True], [True], [True]]))
    none = Keys(images[:1], texts[:1], torch.zeros(4, 1, dtype=torch.bool))

    torch.testing.assert_close(contrastive(images, texts, SCALE), contrastive(images, texts, SCALE, keys=none))
    assert contrastive(images, texts, SCALE, keys=same) > contrastive(images, texts, SCALE)
    assert 0 == momentum_targets(images, texts, SCALE, 0.5, same).to_texts[0, 4]


@given(st.integers(0, 1000), st.floats(0, 1), st.integers(0, 4))
@settings(max_examples=25)
def test_momentum_targets_are_shares(seed: int, alpha: float, queued: int) -> None:
    """Rows sum to 1; a pair's own share is at least 1 - alpha; nothing of it has a gradient."""
    images = units(seed, 3, 4).requires_grad_()

    found = momentum_targets(images, units(seed + 1, 3, 4), SCALE, alpha, _keys(seed, 3, queued))

    for shares in (found.to_texts, found.to_images):
        assert not shares.requires_grad
        torch.testing.assert_close(torch.ones(3, dtype=torch.float64), shares.sum(dim=1))
        assert (shares.diagonal() >= 1 - alpha - 1e-9).all()
        assert (shares >= 0).all()


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=25)
def test_sigmoid_equals_the_formula(seed: int, pairs: int, wrong: int) -> None:
    """Loss and gradients are those of loops over all images and texts: -log of the sigmoid of z (t cos + b), over b."""
    images, texts = units(seed, pairs, 4).requires_grad_(), units(seed + 1, pairs, 4).requires_grad_()
    bias = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    negatives = units(seed + 2, wrong, 4)
    weights = torch.rand(pairs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = torch.tensor(0.0, dtype=torch.float64)
    for row, image in enumerate(images):
        for column, text in enumerate([*texts, *negatives]):
            sign = 1.0 if row == column else -1.0
            weight = weights[row] if row == column else 1.0
            expected = expected - weight * torch.sigmoid(sign * (SCALE * image @ text + bias)).log()
    expected = expected / pairs

    found = sigmoid(images, texts, SCALE, bias, negatives, weights=weights)

    torch.testing.assert_close(expected, found, rtol=1e-9, atol=1e-9)
    of = (images, texts, bias)
    torch.testing.assert_close(gradients(expected, *of), gradients(found, *of), rtol=1e-8, atol=1e-8)


def test_sigmoid_without_options_is_sigmoid_with_their_defaults() -> None:
    """Weights of 1, the unit matrix as targets and no negatives are the plain loss, bit for bit."""
    images, texts = (torch.from_numpy(_units(seed, 5, 4)) for seed in (0, 1))
    scale, bias = torch.tensor(10.0), torch.tensor(-10.0)
    plain = sigmoid(images, texts, scale, bias)

    assert torch.equal(plain, sigmoid(images, texts, scale, bias, weights=torch.ones(5)))
    assert torch.equal(plain, sigmoid(images, texts, scale, bias, targets=torch.eye(5)))
    assert torch.equal(plain, sigmoid(images, texts, scale, bias, torch.zeros(0, 4)))


def test_soft_answers_are_best_met_by_their_own_logit() -> None:
    """Where the target is y, the loss is least at the logit whose sigmoid is y: there its gradient vanishes."""
    wanted = torch.tensor([[0.8, 0.3], [0.1, 0.6]], dtype=torch.float64)
    logits = (wanted / (1 - wanted)).log().requires_grad_()

    found = sigmoid(logits, torch.eye(2, dtype=torch.float64), torch.tensor(1.0), torch.tensor(0.0), targets=wanted)

    torch.testing.assert_close(torch.zeros_like(wanted), gradients(found, logits)[0], rtol=0, atol=1e-12)


def test_autocast_gives_single_precision() -> None:
    """Under bf16 autocast every loss is float32 and near the exact one."""
    images, texts = (torch.from_numpy(_units(seed, 6, 4)) for seed in (0, 1))
    scale = torch.tensor(5.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = [
            contrastive(images, texts, scale, weights=torch.ones(6)),
            sigmoid(images, texts, scale, torch.tensor(-3.0)),
        ]

    assert [torch.float32] * 2 == [each.dtype for each in found]
    assert contrastive(images, texts, scale).item() == pytest.approx(found[0].item(), rel=0.05)
    assert sigmoid(images, texts, scale, torch.tensor(-3.0)).item() == pytest.approx(found[1].item(), rel=0.05)
