"""How well scores tell wrong words from right ones, under resampling weights: `models.evaluation.words.auroc`, made fast."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# weights of right words that are held at a time: 32 MB for each array of them
_CELLS = 2**22


@dataclass(frozen=True)
class Detection:
    """AUROC of groups of wrong words, each among the same R right ones.

    Attributes:
        right: (R,) image of each right word, by ascending score.
        wrong: (W,) image of each wrong word, group after group.
        below: (W,) how many right words score lower than each wrong one.
        up_to: (W,) how many score lower or as much.
        groups: which of the W are in each group.
    """

    right: np.ndarray
    wrong: np.ndarray
    below: np.ndarray
    up_to: np.ndarray
    groups: dict[str, slice]

    @classmethod
    def of(
        cls, scores: np.ndarray, images: np.ndarray, wrong: Mapping[str, np.ndarray], right: np.ndarray
    ) -> "Detection":
        """Rank what some words score.

        Args:
            scores: (N,) of all words, higher = more likely wrong.
            images: (N,) image of each.
            wrong: rows of the wrong words of each group.
            right: (R,) rows of the right ones.
        """
        rows = np.concatenate([np.empty(0, np.int64), *wrong.values()])
        ends = np.cumsum([0, *map(len, wrong.values())]).tolist()
        groups = {name: slice(*ends[place : place + 2]) for place, name in enumerate(wrong)}
        ascending = right[np.argsort(scores[right], kind="stable")]
        below, up_to = (np.searchsorted(scores[ascending], scores[rows], side) for side in ("left", "right"))
        return cls(images[ascending], images[rows], below, up_to, groups)

    def under(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """For each group (B,) shares of pairs in which the wrong word scores higher, a tie counting one half.

        Args:
            weights: (B, U) whole numbers, how often each image, and so each of its words, counts.

        Returns:
            By name; NaN where no pair is left.
        """
        step = max(1, _CELLS // (len(self.right) + 1))
        # an image's weights side by side: taking those of a word's image is then one copy
        parts = [self._part(np.ascontiguousarray(weights[at : at + step].T)) for at in range(0, len(weights), step)]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.groups}

    def _part(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """*weights*: (U, b)."""
        # (R + 1, b): how many right words there are among the first so many
        counts = np.zeros((len(self.right) + 1, weights.shape[1]), weights.dtype)
        np.cumsum(weights[self.right], axis=0, out=counts[1:])
        found: dict[str, np.ndarray] = {}
        for name, rows in self.groups.items():
            wrong = weights[self.wrong[rows]]  # (w, b)
            # those below count twice, those of equal score once: halves of a pair
            halves = (wrong * (counts[self.below[rows]] + counts[self.up_to[rows]])).sum(axis=0)
            pairs = wrong.sum(axis=0) * counts[-1]
            found[name] = np.divide(halves, 2 * pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return found
