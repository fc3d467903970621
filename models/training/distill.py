"""What a student learns from a teacher beside its data. In the shapes below: b pairs, d dimensions."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from models.training.losses.reduction import full, weighted_mean


@dataclass(frozen=True)
class Taught:
    """What a teacher says of b pairs: unit vectors [b, d] of images and texts, and the factor on their cosines."""

    images: torch.Tensor
    texts: torch.Tensor
    scale: float


@dataclass(frozen=True)
class Lesson:
    """What a joint batch is taught, and how much it counts.

    Attributes:
        taught: of its pairs.
        weight: of the loss beside the contrastive one.
        temperature: see `affinity`.
    """

    taught: Taught
    weight: float = 1.0
    temperature: float = 1.0

    def loss(
        self, images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, weights: torch.Tensor | None
    ) -> torch.Tensor:
        """`affinity` of the student's vectors."""
        return affinity(images, texts, scale, self.taught, temperature=self.temperature, weights=weights)


def affinity(
    images: torch.Tensor,
    texts: torch.Tensor,
    scale: torch.Tensor,
    taught: Taught,
    *,
    temperature: float = 1.0,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """How far the student's choices within a batch are from the teacher's (TinyCLIP, Wu et al. 2023, affinity mimicking).

    The Kullback-Leibler divergence from the teacher's softmax over the batch to the student's, of images over texts and of texts
    over images. The paper's cross-entropy is larger by the entropy of the teacher's, which has no gradient; so this is 0
    where the two agree. Neither dimension nor space of the two models need be the same.

    Args:
        images: [b, d] unit vectors by the student.
        texts: [b, d] likewise.
        scale: the student's factor on the cosine.
        taught: of the same b pairs.
        temperature: both are divided by it; above 1 lets the teacher's lesser choices count for more. The loss is multiplied
            by its square, which keeps the gradients' size (Hinton et al. 2015, section 2).
        weights: [b] of the pairs in the mean.

    Returns:
        The mean of both directions, a scalar.
    """
    # half the digits of a cosine would be lost in bf16, and with the scale whole units of the logit
    with torch.autocast(images.device.type, enabled=False):
        mine = scale * full(images) @ full(texts).T / temperature  # [b, b]
        theirs = taught.scale * taught.images.to(mine) @ taught.texts.to(mine).T / temperature
        each = (_divergence(mine, theirs) + _divergence(mine.T, theirs.T)) / 2  # [b]
    return temperature**2 * weighted_mean(each, weights)


def _divergence(mine: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """KL(teacher || student) of each row of logits [b, n]: [b]."""
    inputs, target = mine.log_softmax(dim=1), theirs.log_softmax(dim=1)
    return functional.kl_div(inputs, target, reduction="none", log_target=True).sum(dim=1)


def away(mine: torch.Tensor, theirs: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """How far vectors [b, d] point from the teacher's: the mean of 1 - cosine, weighted as in `affinity`.

    Of unit vectors that is half the squared distance, the feature loss that CLIP-KD found hard to beat (Yang et al. 2024,
    section 3).
    """
    mine = full(mine)
    return weighted_mean(1 - functional.cosine_similarity(mine, theirs.to(mine), dim=1), weights)
