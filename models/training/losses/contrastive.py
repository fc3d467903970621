"""Losses over all pairs of a batch. In the shapes below: b pairs, d dimensions, m negative texts, q queued pairs."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from models.training.losses.reduction import full, weighted_mean


@dataclass(frozen=True)
class Keys:
    """Pairs of earlier steps that stand beside the batch's own (MoCo, He et al. 2020, section 3.1; `training.queue`).

    Attributes:
        images: [q, d] unit vectors, without gradient.
        texts: [q, d] unit vectors, without gradient.
        other: [b, q] bool: False where a key is of the same image as a pair of the batch, and so no negative of it.
    """

    images: torch.Tensor
    texts: torch.Tensor
    other: torch.Tensor


@dataclass(frozen=True)
class Targets:
    """Which texts an image should choose, and which images a text; rows sum to 1.

    Attributes:
        to_texts: [b, b + q].
        to_images: [b, b + q].
    """

    to_texts: torch.Tensor
    to_images: torch.Tensor


def contrastive(
    images: torch.Tensor,
    texts: torch.Tensor,
    scale: torch.Tensor,
    negatives: torch.Tensor | None = None,
    *,
    weights: torch.Tensor | None = None,
    keys: Keys | None = None,
    targets: Targets | None = None,
) -> torch.Tensor:
    """Symmetric in-batch cross-entropy (CLIP, Radford et al. 2021, figure 3).

    Args:
        images: [b, d] unit vectors.
        texts: [b, d] unit vectors; row i belongs to image i.
        scale: factor on the cosine.
        negatives: [m, d] unit vectors of texts that are wrong of their images: every image must tell them from its
            own text (NegCLIP, Yuksekgonul et al. 2023, section 4).
        weights: [b] of the pairs, not negative, in the mean over pairs. A pair of weight 0 asks for nothing; its image
            and its text remain wrong for the others, which they are however badly they fit each other.
        keys: more texts and images that every pair must be told from.
        targets: what should be chosen, over texts and then keys; by default each its own.

    Returns:
        The mean of both directions, a scalar; 0 when all weights are.
    """
    to_texts, to_images = _logits(images, texts, scale, keys)
    own = torch.arange(len(images), device=images.device)
    wanted = (own, own) if targets is None else (targets.to_texts, targets.to_images)
    if negatives is not None:
        to_texts = torch.cat([to_texts, scale * images @ negatives.T], dim=1)  # [b, b + q + m]
        if targets is not None:
            wanted = (functional.pad(targets.to_texts, (0, len(negatives))), targets.to_images)
    return (mean_choice(to_texts, wanted[0], weights) + mean_choice(to_images, wanted[1], weights)) / 2


@torch.no_grad()
def pair_losses(images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """What each pair adds to `contrastive`, without weights, keys or targets: [b], its mean is the loss.

    It says how badly a pair fits, for `training.noise`, and so must not depend on what noise was thought of it before.
    """
    both = _logits(images, texts, scale, None)
    own = torch.arange(len(images), device=images.device)
    one, other = (functional.cross_entropy(full(logits), own, reduction="none") for logits in both)
    return (one + other) / 2


@torch.no_grad()
def momentum_targets(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, alpha: float, keys: Keys | None = None
) -> Targets:
    """Targets by momentum distillation (ALBEF, Li et al. 2021, equation 6).

    With them the cross-entropy is (1 - alpha) of the plain one and alpha of that to what the slowly moving average of the
    towers chooses; the paper's KL divergence differs by the entropy of that choice, which has no gradient.

    Args:
        images: [b, d] unit vectors of the batch by the averaged towers.
        texts: [b, d] likewise.
        scale: factor on the cosine.
        alpha: share of the averaged towers' choice, 0 to 1.
        keys: as given to `contrastive`.
    """
    both = _logits(images, texts, scale, keys)
    choices = [full(logits).softmax(dim=1) for logits in both]
    to_texts, to_images = (alpha * each + (1 - alpha) * torch.eye(*each.shape).to(each) for each in choices)
    return Targets(to_texts, to_images)


def sigmoid(
    images: torch.Tensor,
    texts: torch.Tensor,
    scale: torch.Tensor,
    bias: torch.Tensor,
    negatives: torch.Tensor | None = None,
    *,
    weights: torch.Tensor | None = None,
    targets: torch.Tensor | None = None,
) -> torch.Tensor:
    """Whether they belong together, asked of each image with each text (SigLIP, Zhai et al. 2023, equation 1).

    Args:
        images: [b, d] unit vectors.
        texts: [b, d] unit vectors; row i belongs to image i.
        scale: factor t on the cosine.
        bias: added to it, about -10 at first: nearly all answers are no (section 3.2; the sign is their algorithm 1's).
        negatives: [m, d] unit vectors of texts that belong to no image of the batch.
        weights: [b] of each pair's own yes; the noes stand whatever they are.
        targets: [b, b] between 0 and 1, by default the unit matrix.

    Returns:
        The sum over all questions divided by b, a scalar.
    """
    logits = full(scale * images @ texts.T) + bias  # [b, b]
    own = torch.eye(len(images), dtype=torch.bool, device=images.device)
    wanted = own.to(logits) if targets is None else targets.to(logits)
    each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    if weights is not None:
        each = torch.where(own, weights[:, None].to(each), 1.0) * each
    total = each.sum()
    if negatives is not None:
        total = total + functional.softplus(full(scale * images @ negatives.T) + bias).sum()
    return total / len(images)


def mean_choice(logits: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Weighted mean over rows of the cross-entropy of *logits* [b, n]; *wanted* is [b] columns or [b, n] shares."""
    if weights is None:
        return functional.cross_entropy(full(logits), wanted)
    return weighted_mean(functional.cross_entropy(full(logits), wanted, reduction="none"), weights)


def _logits(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, keys: Keys | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of images over texts, of texts over images: [b, b + q] each; a key that is no negative is as good as absent."""
    among = scale * images @ texts.T  # [b, b]
    if keys is None:
        return among, among.T
    beside = (scale * images @ keys.texts.T, scale * texts @ keys.images.T)
    # the least number, not minus infinity: a target of 0 times that would be no number
    far = [each.masked_fill(~keys.other, torch.finfo(each.dtype).min) for each in beside]
    return torch.cat([among, far[0]], dim=1), torch.cat([among.T, far[1]], dim=1)
