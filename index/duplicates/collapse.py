"""Folding duplicates together in an answer."""

from dataclasses import dataclass

import numpy as np

from index.duplicates.groups import Groups


@dataclass(frozen=True)
class Collapsed:
    """What is left of n hits.

    Attributes:
        kept: (m,) int64 places among the hits, rising.
        folded: (m,) int64: how many other hits each of them stands for.
    """

    kept: np.ndarray
    folded: np.ndarray


def collapse(row_ids: np.ndarray, scores: np.ndarray, groups: Groups) -> Collapsed:
    """Keep of each group of duplicates the best hit, in the order of the hits.

    Args:
        row_ids: (n,) int64; -1 is no hit.
        scores: (n,) higher is better; of equals the first is kept.
        groups: which rows belong together; a row in none of them stands for itself.
    """
    hits = np.flatnonzero(np.asarray(row_ids) >= 0)
    names = groups.of(np.asarray(row_ids)[hits])
    # a stable sort by score, so that the first of each name is its best and, of equals, the earliest
    order = np.argsort(-np.asarray(scores, np.float64)[hits], kind="stable")
    _, best, counts = np.unique(names[order], return_index=True, return_counts=True)
    kept = hits[order[best]]
    rising = np.argsort(kept)
    return Collapsed(kept[rising].astype(np.int64), (counts[rising] - 1).astype(np.int64))
