"""Figures from outcomes, plain or under resampling weights: one definition for reports and for their intervals.

Names: `t2i_r1`, `t2i_r5`, `t2i_r10` and `t2i_median` (text→image), `i2t_…` (image→text), `rsum` (the six recalls, in
points), `t2i_r1.GROUP`; `edits.KIND`, `edits.macro` (mean over the kinds), `edits.all` (over all pairs), and `shuffled.…`
the same beside other images; `words.auroc` (wrong words among right ones), `words.auroc.KIND` (wrong words of one kind
of edit among all right ones), `words.shuffled` (all, beside other images), `words.corrected` (wrong words whose right
word is the first guess) and `words.told` (those of them that are called wrong, so that the guess is told), `words.called`
(wrong words that are called wrong) and `words.alarms` (right words that are: less is better); with folds, `folds5.NAME` is
the mean of NAME over five folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.detection import Detection
from models.evaluation.outcomes import EDITS, Pool, Ranked, Task, Words

KS = (1, 5, 10)
RECALLS = tuple(f"{task}_r{k}" for task in ("t2i", "i2t") for k in KS)

# resamples whose weights are spread over queries at a time: bounds the memory of a median
_CHUNK = 64


@dataclass(frozen=True)
class Share:
    """Share of Q queries that are right.

    Attributes:
        right: (U,) right queries of each image.
        total: (U,) queries of each image.
    """

    right: np.ndarray
    total: np.ndarray

    def under(self, weights: np.ndarray) -> np.ndarray:
        """(B,) shares when image u counts weights[b, u] times; NaN where no query is left.

        Args:
            weights: (B, U).
        """
        right, total = weights @ self.right, weights @ self.total
        return np.divide(right, total, out=np.full(len(weights), np.nan), where=total > 0)


@dataclass(frozen=True)
class Median:
    """Median of Q ranks.

    Attributes:
        ranks: (Q,) ascending.
        images: (Q,) image of each.
    """

    ranks: np.ndarray
    images: np.ndarray

    def under(self, weights: np.ndarray) -> np.ndarray:
        """(B,) medians when image u's queries count weights[b, u] times; NaN where no query is left."""
        parts = [self._part(weights[start : start + _CHUNK]) for start in range(0, len(weights), _CHUNK)]
        return np.concatenate(parts)

    def _part(self, weights: np.ndarray) -> np.ndarray:
        places = weights[:, self.images].cumsum(axis=1)  # (b, Q): how many come up to each rank
        found = np.full(len(weights), np.nan)
        for row, ends in enumerate(places):
            if ends[-1] > 0:
                middle = [(ends[-1] - 1) // 2, ends[-1] // 2]
                found[row] = self.ranks[np.searchsorted(ends, middle, side="right")].mean()
        return found


def statistics_of(pool: Pool) -> dict[str, Share | Median]:
    """What is counted of a pool, by name; means of several (`rsum`, `edits.macro`) are made from these."""
    found: dict[str, Share | Median] = {}
    for task, ranked in pool.tasks.items():
        found |= _of_edits(task, ranked, pool.images) if task in EDITS else _of_ranks(task, ranked, pool.images)
    if pool.words is None:
        return found
    return found | _corrections(pool.words, pool.images) | _calls(pool.words, pool.images)


def figures_under(pool: Pool, weights: np.ndarray) -> dict[str, np.ndarray]:
    """All figures of a pool under B weightings of its U images.

    Args:
        pool: the outcomes.
        weights: (B, U), how often each image counts.

    Returns:
        (B,) values by name.
    """
    found: dict[str, np.ndarray] = {}
    for detection in _detections(pool.words) if pool.words else ():
        found |= detection.under(weights)
    found |= {name: each.under(weights) for name, each in statistics_of(pool).items()}
    if found.keys() >= set(RECALLS):
        found["rsum"] = 100 * np.sum([found[name] for name in RECALLS], axis=0)
    for task in EDITS:
        kinds = pool.tasks[task].kinds if task in pool.tasks else []
        if kinds:
            found[f"{task}.macro"] = np.mean([found[f"{task}.{kind}"] for kind in kinds], axis=0)
    return found


def figures(pool: Pool, folds: Sequence[Pool] = ()) -> dict[str, float]:
    """The figures themselves: every image counts once."""
    found = {name: float(value[0]) for name, value in figures_under(pool, _once(pool)).items()}
    parts = [figures_under(fold, _once(fold)) for fold in folds]
    for name in parts[0] if parts else ():
        found[f"folds{len(parts)}.{name}"] = float(np.mean([part[name] for part in parts]))
    return found


def _once(pool: Pool) -> np.ndarray:
    return np.ones((1, pool.images), np.int64)


def _of_ranks(task: Task, ranked: Ranked, images: int) -> dict[str, Share | Median]:
    ranks, units = np.array(ranked.ranks, np.int64), np.array(ranked.images, np.int64)
    order = np.argsort(ranks, kind="stable")
    found: dict[str, Share | Median] = {f"{task}_r{k}": _share(ranks <= k, units, images) for k in KS}
    found[f"{task}_median"] = Median(ranks[order], units[order])
    for group, rows in ranked.groups.items():
        for k in KS:
            found[f"{task}_r{k}.{group}"] = _share(ranks[rows] <= k, units[rows], images)
    return found


def _of_edits(task: Task, ranked: Ranked, images: int) -> dict[str, Share | Median]:
    right, units = np.array(ranked.ranks) == 1, np.array(ranked.images, np.int64)
    found: dict[str, Share | Median] = {f"{task}.all": _share(right, units, images)}
    for group, rows in ranked.groups.items():
        found[f"{task}.{group}"] = _share(right[rows], units[rows], images)
    return found


def _detections(words: Words) -> list[Detection]:
    """AUROC beside the words' own pictures, of all and by kind, and beside others'."""
    units, own, other = np.array(words.images, np.int64), np.array(words.own), np.array(words.other)
    kinds = {f"words.auroc.{kind}": np.array(rows, np.int64) for kind, rows in words.wrong.items()}
    wrong = np.concatenate([np.empty(0, np.int64), *kinds.values()])
    right = np.delete(np.arange(len(units)), wrong)
    return [
        Detection.of(own, units, {"words.auroc": wrong, **kinds}, right),
        Detection.of(other, units, {"words.shuffled": wrong}, right),
    ]


def _corrections(words: Words, images: int) -> dict[str, Share | Median]:
    # without a right word that the model can answer there is nothing to restore, and no share of it
    if not words.known:
        return {}
    units, known = np.array(words.images, np.int64)[words.known], np.array(words.known)
    restored, thought = np.isin(known, words.restored), np.array(words.own)[known] > words.threshold
    return {
        "words.corrected": _share(restored, units, images),
        "words.told": _share(restored & thought, units, images),
    }


def _calls(words: Words, images: int) -> dict[str, Share | Median]:
    """How many of the wrong words, and of the right ones, are called wrong."""
    units, called = np.array(words.images, np.int64), np.array(words.own) > words.threshold
    wrong = np.zeros(len(units), bool)
    wrong[[row for rows in words.wrong.values() for row in rows]] = True
    parts = (("words.called", wrong), ("words.alarms", ~wrong))
    return {name: _share(called[rows], units[rows], images) for name, rows in parts}


def _share(right: np.ndarray, units: np.ndarray, images: int) -> Share:
    return Share(np.bincount(units[right], minlength=images), np.bincount(units, minlength=images))
