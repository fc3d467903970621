"""Retrieval metrics for one image with several captions, ties counted against the model.

R@K of text→image is the share of captions whose image is among the K best; R@K of image→text the share of images with
at least one of their captions among the K best. An item that scores as much as the right one, to what float32 can tell, is
ranked before it: a collapsed encoder that gives every pair one score then has recall 0, not 1. A score that is NaN is ranked before
the right one too, and a right one that is NaN comes last: a run that diverged finds nothing.
"""

from dataclasses import dataclass

import numpy as np

# Of two equal vectors the products differ by less, as rows are multiplied in one block or another.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Retrieval:
    """Recall in [0, 1] at each K, and the median rank (1 = first), of both directions."""

    text_to_image: dict[int, float]
    image_to_text: dict[int, float]
    text_median_rank: float
    image_median_rank: float

    @property
    def rsum(self) -> float:
        """Sum of all recalls, in points (at K = 1, 5, 10: at most 600)."""
        return 100 * (sum(self.text_to_image.values()) + sum(self.image_to_text.values()))


def text_to_image_ranks(images: np.ndarray, texts: np.ndarray, owners: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """Rank of each caption's image among all images.

    Args:
        images: (N, d) unit vectors.
        texts: (M, d) unit vectors.
        owners: (M,) row of each caption's image.
        chunk: captions compared at a time, which bounds memory to chunk x N scores.

    Returns:
        (M,) int64, 1 = first.
    """
    ranks = np.empty(len(texts), np.int64)
    for start in range(0, len(texts), chunk):
        scores = texts[start : start + chunk] @ images.T  # (c, N)
        right = scores[np.arange(len(scores)), owners[start : start + chunk]]
        ranks[start : start + chunk] = (~(scores < right[:, None] - ROUNDING)).sum(axis=1)
    return ranks


def image_to_text_ranks(images: np.ndarray, texts: np.ndarray, owners: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """Rank of each image's best caption among all captions that are not its own.

    Returns:
        (N,) int64, 1 = first.

    Raises:
        ValueError: an image has no caption.
    """
    missing = np.setdiff1d(np.arange(len(images)), owners)
    if len(missing):
        raise ValueError(f"image {missing[0]} has no caption: leave images without captions out of the evaluation")
    ranks = np.empty(len(images), np.int64)
    for start in range(0, len(images), chunk):
        scores = images[start : start + chunk] @ texts.T  # (c, M)
        own = owners[None, :] == np.arange(start, start + len(scores))[:, None]
        best = np.where(own, scores, -np.inf).max(axis=1)
        ranks[start : start + chunk] = 1 + (~(scores < best[:, None] - ROUNDING) & ~own).sum(axis=1)
    return ranks


def recall(ranks: np.ndarray, k: int) -> float:
    """Share of ranks that are at most k."""
    return float((ranks <= k).mean())


def evaluate(images: np.ndarray, texts: np.ndarray, owners: np.ndarray, ks: tuple[int, ...] = (1, 5, 10)) -> Retrieval:
    """Both directions of retrieval over one pool of images and captions; arguments as in `text_to_image_ranks`."""
    forward = text_to_image_ranks(images, texts, owners)
    backward = image_to_text_ranks(images, texts, owners)
    return Retrieval(
        {k: recall(forward, k) for k in ks},
        {k: recall(backward, k) for k in ks},
        float(np.median(forward)),
        float(np.median(backward)),
    )
