"""Several rankings of one collection made one: by ranks, or by scores.

Notation: m rankings, of which ranking i has n_i rows; the fused one has the rows of all with a weight above zero. A fused
ranking depends on how deep the ones it is made of were read: pages of one question are cut from one fused ranking.
"""

from collections.abc import Sequence

import numpy as np

from index.errors import FusionInvalid
from index.ranking import Ranking, best_of

# Cormack et al.'s: the first places differ by little, so that one ranking's first does not outdo what two have near theirs.
RRF_CONSTANT = 60


def reciprocal_rank_fusion(
    rankings: Sequence[Ranking], *, weights: Sequence[float] | None = None, constant: int = RRF_CONSTANT
) -> Ranking:
    """Fuse by ranks: score(row) = sum over rankings that have the row of weight / (constant + rank).

    Ranks count from 1, and rows of equal score share the best rank of them: which of them came first means nothing. Needs
    no comparable scores, and forgets how far apart they were.

    Source: Cormack, Clarke & Buettcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods".

    Args:
        rankings: m of them.
        weights: one for each, finite and not below zero; None = 1 for each.
        constant: dampens the first places; at least 0.

    Returns:
        Scores are float64.

    Raises:
        FusionInvalid: the weights are not m such numbers, or all zero; or a constant below zero.
    """
    if constant < 0:
        raise FusionInvalid(
            f"the constant of reciprocal rank fusion is {constant}: give 0 or more, {RRF_CONSTANT} is usual"
        )
    given = _weights(weights, len(rankings))
    return _sum([1.0 / (constant + _ranks(each.scores)) for each in rankings], rankings, given)


def weighted_fusion(
    rankings: Sequence[Ranking], weights: Sequence[float], *, floors: Sequence[float | None] | None = None
) -> Ranking:
    """Fuse by scores: score(row) = sum over rankings that have the row of weight * (score - floor) / (best - floor).

    The weights are scaled to a sum of 1, so scores lie in [0, 1]. A ranking's best row gets 1, and a row it has not got 0: the
    floor says which score that 0 stands for. For BM25 it is 0, the score of a text without any of the words. For cosines
    it is the score of the last row that was read (None): what was not read is no better, while the least possible cosine, -1,
    would set what was not read far below the last that was. Where all rows have one score, each gets 1.

    Source: Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval": convex combinations of scores that
    are normalised between a floor and the best that was found.

    Args:
        rankings: m of them.
        weights: one for each, finite and not below zero, not all zero.
        floors: of each, at most its least score; None = that one.

    Returns:
        Scores are float64.

    Raises:
        FusionInvalid: weights or floors are not m such numbers.
    """
    given = _weights(weights, len(rankings))
    if floors is None:
        floors = [None] * len(rankings)
    if len(floors) != len(rankings):
        raise FusionInvalid(f"{len(floors)} floors for {len(rankings)} rankings: give one for each")
    shares = [_normalised(each.scores, floor) for each, floor in zip(rankings, floors, strict=True)]
    # sorted, as below: the sum is the same in whichever order the rankings came
    return _sum(shares, rankings, given / np.sort(given).sum())


def _weights(weights: Sequence[float] | None, count: int) -> np.ndarray:
    given = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if given.shape != (count,) or not np.isfinite(given).all() or (given < 0).any() or not given.any():
        raise FusionInvalid(
            f"weights {given.tolist()} for {count} rankings: give each a number of 0 or more, and one of them more than 0"
        )
    return given


def _ranks(scores: np.ndarray) -> np.ndarray:
    """(n,) rank of each of the falling scores, from 1; equals share the first of theirs."""
    return 1 + np.searchsorted(-scores, -scores, side="left")


def _normalised(scores: np.ndarray, floor: float | None) -> np.ndarray:
    if not len(scores):
        return np.zeros(0)
    scores = scores.astype(np.float64)
    low = float(scores[-1]) if floor is None else floor
    if not -np.inf < low <= scores[-1]:
        raise FusionInvalid(f"a floor of {low} for scores down to {scores[-1]}: give the least score that there can be")
    width = scores[0] - low
    return np.ones(len(scores)) if width == 0 else (scores - low) / width


def _sum(shares: Sequence[np.ndarray], rankings: Sequence[Ranking], weights: np.ndarray) -> Ranking:
    """The weighted sum of what each ranking gives its rows (n_i,), by row."""
    counted = [at for at, weight in enumerate(weights) if weight > 0]
    rows = np.unique(np.concatenate([rankings[at].rows for at in counted]))
    parts = np.zeros((len(counted), len(rows)))
    for part, at in zip(parts, counted, strict=True):
        part[np.searchsorted(rows, rankings[at].rows)] = weights[at] * shares[at]
    # sorted first: the floats add up to the same in whichever order the rankings came
    return best_of(rows, np.sort(parts, axis=0).sum(axis=0))
