"""Retrieval figures of a pool, whole and by groups of captions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.retrieval import Retrieval, evaluate, recall, text_to_image_ranks

KS = (1, 5, 10)


@dataclass(frozen=True)
class Group:
    """Text→image recall, in [0, 1] at each K, of some of the captions against all images."""

    captions: int
    text_to_image: dict[int, float]


@dataclass(frozen=True)
class Report:
    """What was measured, over how much.

    Attributes:
        images: size of the pool.
        captions: how many texts.
        whole: both directions, over all captions.
        groups: by label, sorted; a caption counts in each of its labels.
    """

    images: int
    captions: int
    whole: Retrieval
    groups: dict[str, Group]

    def metrics(self) -> dict[str, float]:
        """One flat table for a bundle's manifest: recalls in [0, 1], rounded to 4 places."""
        table = {"images": float(self.images), "captions": float(self.captions)}
        table |= {f"t2i_r{k}": value for k, value in self.whole.text_to_image.items()}
        table |= {f"i2t_r{k}": value for k, value in self.whole.image_to_text.items()}
        for label, group in self.groups.items():
            table |= {f"t2i_r{k}.{label}": value for k, value in group.text_to_image.items()}
        return {name: round(value, 4) for name, value in table.items()}


def report(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, labels: Sequence[tuple[str, ...]] | None = None
) -> Report:
    """Measure retrieval of one pool.

    Args:
        images: (N, d) unit vectors.
        texts: (M, d) unit vectors.
        owners: (M,) row of each caption's image.
        labels: for each caption the groups it counts in; None for no groups.

    Raises:
        ValueError: not one entry of labels for each caption, or an image without captions.
    """
    if labels is not None and len(labels) != len(texts):
        raise ValueError(f"{len(labels)} labels for {len(texts)} captions: give one tuple of labels for each caption")
    whole = evaluate(images, texts, owners, KS)
    return Report(len(images), len(texts), whole, _groups(images, texts, owners, labels) if labels else {})


def _groups(
    images: np.ndarray, texts: np.ndarray, owners: np.ndarray, labels: Sequence[tuple[str, ...]]
) -> dict[str, Group]:
    ranks = text_to_image_ranks(images, texts, owners)
    groups: dict[str, Group] = {}
    for label in sorted({each for row in labels for each in row}):
        members = ranks[[label in row for row in labels]]
        groups[label] = Group(len(members), {k: recall(members, k) for k in KS})
    return groups
