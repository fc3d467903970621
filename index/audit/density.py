"""Where the pictures lie: strange ones, far from all others, and hubs, near to unusually many."""

from dataclasses import dataclass

import numpy as np

from index.datasets import row_ids
from index.live.view import View
from index.neighbours import Tell, neighbourhoods

K = 10
# Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993: a modified z-score beyond this is labelled
OUTLIER_Z = 3.5
# Radovanović, Nanopoulos and Ivanović, "Hubs in Space", JMLR 11, 2010: hubs are so many deviations over the mean
HUB_DEVIATIONS = 2.0

# of normally distributed values the median deviation from the median is so much of the standard deviation
_MAD_OF_NORMAL = 0.6745


@dataclass(frozen=True)
class Density:
    """Of N items; 20 bytes each.

    Attributes:
        rows: (N,) int64 row ids, rising.
        distances: (N,) float32: 1 less the mean cosine to the k nearest others.
        occurrences: (N,) int32: N_k, among the k nearest of how many others each one is.
    """

    rows: np.ndarray
    distances: np.ndarray
    occurrences: np.ndarray

    def outlier_scores(self) -> np.ndarray:
        """(N,) modified z-scores of the distances: 0.6745 (x - median) / median |x - median|."""
        if not len(self.rows):
            return np.zeros(0)
        off = self.distances - np.median(self.distances)
        # half of the items at one distance: nothing is said of the others' spread
        spread = float(np.median(np.abs(off))) or float(np.abs(off).mean()) or 1.0
        return _MAD_OF_NORMAL * off / spread

    def skewness(self) -> float:
        """Of N_k, its standardised third moment (Radovanović et al., equation 2): 0 is even, over 1 a space with hubs."""
        off = self.occurrences - self.occurrences.mean() if len(self.rows) else np.zeros(0)
        deviation = float(np.sqrt((off**2).mean())) if len(off) else 0.0
        return float((off**3).mean() / deviation**3) if deviation else 0.0

    def hub_bound(self) -> float:
        """N_k of a hub is above this: the mean and two deviations."""
        if not len(self.rows):
            return 0.0
        return float(self.occurrences.mean() + HUB_DEVIATIONS * self.occurrences.std())

    def never_found(self) -> int:
        """How many items are nobody's neighbour."""
        return int((self.occurrences == 0).sum())


def density_of(view: View, tell: Tell, k: int = K) -> Density:
    """Look at the k nearest others of every item; memory is bounded by a batch and what `Density` holds."""
    parts = [row_ids(batch) for batch in view.collection.items.scanner(columns=[], with_row_id=True).to_batches()]
    rows = np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))
    distances, occurrences = np.zeros(len(rows), np.float32), np.zeros(len(rows), np.int32)
    done = 0
    for found in neighbourhoods(view, k):
        tell("looking at neighbours", done, len(rows))
        there = found.others >= 0
        cosines = np.where(there, found.scores, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        distances[np.searchsorted(rows, found.rows)] = 1 - cosines
        np.add.at(occurrences, np.searchsorted(rows, found.others[there]), 1)
        done += len(found.rows)
    tell("looking at neighbours", done, len(rows))
    return Density(rows, distances, occurrences)
