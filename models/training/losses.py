"""What a dual encoder is trained by. In the shapes below: b pairs, d dimensions, w words, n wrong words."""

import torch
from torch.nn import functional


def contrastive(
    images: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, negatives: torch.Tensor | None = None
) -> torch.Tensor:
    """Symmetric in-batch cross-entropy (CLIP, Radford et al. 2021, figure 3).

    Args:
        images: [b, d] unit vectors.
        texts: [b, d] unit vectors; row i belongs to image i.
        scale: factor on the cosine.
        negatives: [m, d] unit vectors of texts that are wrong of their images: every image must tell them from its
            own text (NegCLIP, Yuksekgonul et al. 2023, section 4).

    Returns:
        The mean of both directions, a scalar.
    """
    logits = scale * images @ texts.T  # [b, b]
    labels = torch.arange(len(images), device=images.device)
    among = logits if negatives is None else torch.cat([logits, scale * images @ negatives.T], dim=1)  # [b, b + m]
    return (functional.cross_entropy(among, labels) + functional.cross_entropy(logits.T, labels)) / 2


def detection(logits: torch.Tensor, wrong: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of "this word is wrong", right and wrong words weighing the same in all (ViLEM, error detection).

    Args:
        logits: [b, w].
        wrong: [b, w] bool.
        there: [b, w] bool, False for padding.

    Returns:
        A scalar; 0 when nothing is wrong or nothing is right.
    """
    each = functional.binary_cross_entropy_with_logits(logits.float(), wrong.float(), reduction="none")
    sides = [each[there & wrong], each[there & ~wrong]]
    if not all(len(side) for side in sides):
        # still a function of the logits, so that a step without edits is a step
        return 0.0 * each.sum()
    return (sides[0].mean() + sides[1].mean()) / 2


def correction(logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the words that belong where wrong ones stand (ViLEM, error correction).

    Args:
        logits: [n, vocabulary].
        words: [n] indices into the vocabulary.

    Returns:
        A scalar; 0 when n is.
    """
    if not len(words):
        return 0.0 * logits.sum()
    return functional.cross_entropy(logits.float(), words)
