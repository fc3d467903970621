"""What a search found, best first: the one form in which rankings are fused, cut into pages and handed on."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Rows by falling score, of equals the smaller row id first; each row once. `best_of` makes one.

    Attributes:
        rows: (n,) int64 Lance row ids.
        scores: (n,) float32 or float64, finite.
    """

    rows: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        """N."""
        return len(self.rows)

    def top(self, k: int) -> "Ranking":
        """The first k."""
        return Ranking(self.rows[:k], self.scores[:k])

    @classmethod
    def empty(cls) -> "Ranking":
        """A ranking of nothing."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Found:
    """Rows in the order in which they are shown, best first but for what was found later; each row once.

    Attributes:
        rows: (n,) int64 row ids.
        scores: (n,) float32.
    """

    rows: np.ndarray
    scores: np.ndarray

    @classmethod
    def nothing(cls) -> "Found":
        """No rows."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float32))

    def cut(self, start: int, end: int) -> "Found":
        """Those from *start* to *end*, exclusive."""
        return Found(self.rows[start:end], self.scores[start:end])

    def continued(self, rows: np.ndarray, scores: np.ndarray) -> "Found":
        """These, and behind them those of a deeper search's *rows* (m,), best first, that are not among them.

        Args:
            rows: row ids; those below zero stand for nothing.
            scores: (m,) theirs.
        """
        new = rows >= 0
        if not len(self.rows):
            return Found(rows[new], scores[new])
        new &= ~np.isin(rows, self.rows)
        return Found(np.concatenate([self.rows, rows[new]]), np.concatenate([self.scores, scores[new]]))


def best_of(rows: np.ndarray, scores: np.ndarray) -> Ranking:
    """The ranking of what was found, in any order; a row that was found more than once counts by its best score.

    Args:
        rows: (n,) row ids; those below zero stand for nothing and are left out.
        scores: (n,) finite.
    """
    there = rows >= 0
    rows, scores = rows[there].astype(np.int64), scores[there]
    order = np.lexsort((rows, -scores))
    rows, scores = rows[order], scores[order]
    _, first = np.unique(rows, return_index=True)
    first.sort()
    return Ranking(rows[first], scores[first])
