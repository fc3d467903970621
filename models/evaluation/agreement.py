"""How far one text tower says what another says: cosines of their vectors, and the hits that they share."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# as many as a page shows, and of a small collection no more than its tenth: of all images all towers agree
MOST_HITS = 10
_SHARE = 10


@dataclass(frozen=True)
class Hits:
    """Of n texts, the share of the first *k* of *images* that both towers find, in the mean; by chance k / images."""

    k: int
    images: int
    shared: float


@dataclass(frozen=True)
class Agreement:
    """Of two text towers.

    Attributes:
        texts: how many were compared.
        cosine: of the two vectors of a text, the mean.
        least: the least of them.
        hits: on images, where there were some.
    """

    texts: int
    cosine: float
    least: float
    hits: Hits | None = None

    def metrics(self) -> dict[str, float]:
        """By name, for a manifest."""
        found = {"teacher_texts": float(self.texts), "teacher_cosine": self.cosine, "teacher_cosine_least": self.least}
        if self.hits is not None:
            name = f"teacher_hits{self.hits.k}"
            found |= {name: self.hits.shared, f"{name}.images": float(self.hits.images)}
        return found


def agreement(mine: np.ndarray, theirs: np.ndarray, images: Iterable[np.ndarray] = (), count: int = 0) -> Agreement:
    """Compare two towers.

    Args:
        mine: (n, d) unit vectors of n texts by one.
        theirs: (n, d) of the same texts by the other.
        images: unit vectors (m, d) in batches; read once, one batch at a time.
        count: how many there are in all; 0 compares vectors only.
    """
    cosines = (mine * theirs).sum(axis=1)
    hits = _shared(mine, theirs, images, count) if count else None
    return Agreement(len(mine), round(float(cosines.mean()), 4), round(float(cosines.min()), 4), hits)


def _shared(mine: np.ndarray, theirs: np.ndarray, images: Iterable[np.ndarray], count: int) -> Hits:
    k = min(MOST_HITS, max(1, count // _SHARE))
    found = first_hits(np.concatenate([mine, theirs]), images, k)
    pairs = zip(found[: len(mine)], found[len(mine) :], strict=True)
    return Hits(k, count, round(float(np.mean([len(np.intersect1d(one, other)) / k for one, other in pairs])), 4))


def first_hits(queries: np.ndarray, images: Iterable[np.ndarray], k: int) -> np.ndarray:
    """The numbers (n, k) of the k images nearest to each of n queries, exactly; memory is bounded by one batch.

    Args:
        queries: (n, d).
        images: (m, d) in batches, at least k in all.
        k: how many.
    """
    scores = np.full((len(queries), 0), 0, np.float32)
    numbers = np.zeros((len(queries), 0), np.int64)
    seen = 0
    for batch in images:
        here = np.broadcast_to(np.arange(seen, seen + len(batch)), (len(queries), len(batch)))
        scores, numbers = np.hstack([scores, queries @ batch.T]), np.hstack([numbers, here])
        # stable: of equals the earlier image comes first, however the batches are cut
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, numbers = np.take_along_axis(scores, best, axis=1), np.take_along_axis(numbers, best, axis=1)
        seen += len(batch)
    return numbers
