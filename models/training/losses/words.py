"""ViLEM's two losses over words. In the shapes below: b texts, w words, n wrong words.

Both are means over words, and how many words there are differs from chunk to chunk of a batch and from rank to rank. A
mean of means would weigh the words of a small chunk more; with the counts of the joint batch given, the sum over chunks
is the joint batch's loss.
"""

import torch
from torch.nn import functional

from models.training.losses.reduction import full


def word_counts(wrong: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """How many words of [b, w] are wrong, and how many right: [2] int64, which add up over chunks and ranks."""
    return torch.stack([(there & wrong).sum(), (there & ~wrong).sum()])


def detection(
    logits: torch.Tensor, wrong: torch.Tensor, there: torch.Tensor, counts: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of "this word is wrong", right and wrong words weighing the same in all (ViLEM, error detection).

    Args:
        logits: [b, w].
        wrong: [b, w] bool.
        there: [b, w] bool, False for padding.
        counts: [2] of the joint batch that these b texts are a part of, see `word_counts`; of these b by default.

    Returns:
        A scalar; 0 when nothing is wrong or nothing is right. Over the parts of a joint batch it adds up to the whole's.
    """
    each = functional.binary_cross_entropy_with_logits(full(logits), wrong.to(full(logits)), reduction="none")
    many = (word_counts(wrong, there) if counts is None else counts).tolist()
    if not all(many):
        # still a function of the logits, so that a step without edits is a step
        return 0.0 * each.sum()
    sides = [each[there & wrong], each[there & ~wrong]]
    return (sides[0].sum() / many[0] + sides[1].sum() / many[1]) / 2


def correction(logits: torch.Tensor, words: torch.Tensor, count: int | None = None) -> torch.Tensor:
    """Cross-entropy of the words that belong where wrong ones stand (ViLEM, error correction).

    Args:
        logits: [n, vocabulary].
        words: [n] indices into the vocabulary.
        count: wrong words of the joint batch that these n are a part of; n by default.

    Returns:
        A scalar; 0 when n is. Over the parts of a joint batch it adds up to the whole's.
    """
    if not len(words):
        return 0.0 * logits.sum()
    return functional.cross_entropy(full(logits), words, reduction="sum") / (len(words) if count is None else count)
