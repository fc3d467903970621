"""Word-level figures of a proofreader: does it find the wrong word, restore the right one, and look at the image.

Pure functions on arrays of W words: a score each (higher = more likely wrong), a label each (True = was changed).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def auroc(scores: np.ndarray, wrong: np.ndarray) -> float:
    """Probability that a wrong word scores above a right one, a tie counting one half.

    Args:
        scores: (W,) of any scale.
        wrong: (W,) bool.

    Raises:
        ValueError: shapes differ, a score is NaN, or all words are of one class.
    """
    wrong = np.asarray(wrong, bool)
    if scores.shape != wrong.shape or scores.ndim != 1:
        raise ValueError(f"scores {scores.shape} and labels {wrong.shape} must be one row of equal length")
    if np.isnan(scores).any():
        raise ValueError("a score is NaN: it has no rank")
    positive = int(wrong.sum())
    negative = len(wrong) - positive
    if not positive or not negative:
        raise ValueError(f"{positive} wrong and {negative} right words: AUROC needs both")
    above = midranks(scores)[wrong].sum() - positive * (positive + 1) / 2
    return float(above / (positive * negative))


def midranks(values: np.ndarray) -> np.ndarray:
    """(W,) ranks from 1, ascending; equal values share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return (ends - (counts - 1) / 2)[inverse]


def auroc_by_group(scores: np.ndarray, wrong: np.ndarray, groups: Sequence[str]) -> dict[str, float]:
    """AUROC of the wrong words of each group against all right words.

    Args:
        scores: (W,).
        wrong: (W,) bool.
        groups: W names, e.g. what was changed; those of right words are not read.
    """
    names = np.array(groups)
    wanted = sorted(set(names[wrong].tolist()))
    return {name: auroc(scores[chosen], wrong[chosen]) for name in wanted for chosen in [~wrong | (names == name)]}


@dataclass(frozen=True)
class Correction:
    """Of how many wrong words whose original is in the vocabulary the first guess restores it."""

    words: int
    restored: int
    outside: int

    @property
    def accuracy(self) -> float:
        """Share restored; 0 when there was no word to restore."""
        return self.restored / self.words if self.words else 0.0


def correction(guesses: np.ndarray, originals: np.ndarray, wrong: np.ndarray) -> Correction:
    """Top-1 correction of the wrong words.

    Args:
        guesses: (W,) number of each word's first guess in the correction vocabulary.
        originals: (W,) number of the original word, or -1 where it is outside the vocabulary: such a word counts for
            detection only.
        wrong: (W,) bool.
    """
    known = wrong & (originals >= 0)
    return Correction(
        words=int(known.sum()),
        restored=int((guesses[known] == originals[known]).sum()),
        outside=int((wrong & (originals < 0)).sum()),
    )


@dataclass(frozen=True)
class Control:
    """Detection with the right image, and with images shuffled: where both are equal, the text alone gives it away."""

    auroc: float
    shuffled: float

    @property
    def gain(self) -> float:
        """What the image adds."""
        return self.auroc - self.shuffled


def control(scores: np.ndarray, shuffled: np.ndarray, wrong: np.ndarray) -> Control:
    """AUROC of the same words, scored once with their own image and once with another's.

    Args:
        scores: (W,) with the right image.
        shuffled: (W,) with the image of `shuffled_images`.
        wrong: (W,) bool.
    """
    return Control(auroc(scores, wrong), auroc(shuffled, wrong))


def shuffled_images(images: np.ndarray, seed: int) -> np.ndarray:
    """For each of T texts another image than its own.

    Every image takes the texts of exactly one other (a single random cycle), so that each is used as often as texts
    have images, and none keeps its own.

    Args:
        images: (T,) number of each text's own image.
        seed: equal seeds give equal cycles.

    Returns:
        (T,) numbers, each among *images*.

    Raises:
        ValueError: all texts have one image.
    """
    known, rows = np.unique(images, return_inverse=True)
    if len(known) < 2:
        raise ValueError(f"{len(known)} image cannot be shuffled: the control needs two at least")
    cycle = np.random.default_rng(seed).permutation(len(known))
    following = np.empty_like(cycle)
    following[cycle] = np.roll(cycle, -1)
    return known[following[rows]]
