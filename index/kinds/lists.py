"""The inverted lists of an IVF index: which rows lie in which, and where a filtered search must look.

Allowed rows are thinner than all rows, so the nearest of them lie farther away: for a share s of rows that has nothing to
do with the vectors, s^-0.3 times as many lists find as much (measured at s = 0.5 to 0.01, of 60,000 x 256 and 100,000 x 512).
They take no longer than an unfiltered search, because forbidden codes are skipped. A filter that has to do with the vectors
(one colour, one subject) fills few lists, and a query may lie far from all of these: then only lists with allowed rows are
looked at, of which s is the share within, and twice as many, for they are crowded. `python -m benchmarks.filtered` measures it.
"""

import math
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np

from index.allowed import Allowed
from index.kinds.rows import selector
from index.kinds.swig import SwigIndex, SwigObject, swig

# share of the allowed rows that may lie in lists that are left out
_UNSEEN = 0.005
# a crowded filter's lists are counted where a sample does not tell them all: 3 ms for half of a million rows
_CROWDED = 1.05
_THINNING = -0.3
# of more rows than such a share it does not matter which: what died since a snapshot was made, a new mask with each write
_NEARLY_ALL = 0.97
# a tenth more: the tuned number was only just enough of all rows
_SPARE = 1.1
# A crowded filter's rows may all be far from the query, where lists are hardly ordered: crowding to this power, and at
# most twice as many lists; of a tenth of the rows 1.7 times, for more would cost above two unfiltered searches of a million.
_CROWDING = 2.0
_MOST, _MOST_OF_FEW, _MOST_WITH_SHARE = 2.0, 1.4, 3.0


class Lists:
    """Of one index; safe to share between threads."""

    def __init__(self, index: SwigIndex) -> None:
        self._index = index
        self.count: int = index.nlist
        # by what is allowed, and nprobe: to work them out takes half as long as a search of 100,000 rows
        self._made: WeakKeyDictionary[Allowed, dict[int, SwigObject]] = WeakKeyDictionary()

    @property
    def rows(self) -> int:
        """N."""
        return self._index.ntotal

    @cached_property
    def of_rows(self) -> np.ndarray:
        """(N,) int32: the list of each position. Ten milliseconds for 100,000 rows, when a filter first needs it."""
        found = np.zeros(self._index.ntotal, np.int32)
        for number in range(self.count):
            size = self._index.invlists.list_size(number)
            if size:
                found[swig.rev_swig_ptr(self._index.invlists.get_ids(number), size)] = number
        return found

    @cached_property
    def sizes(self) -> np.ndarray:
        """(lists,) int64: rows of each list."""
        return np.bincount(self.of_rows, minlength=self.count)

    def parameters(self, nprobe: int, **others: object) -> SwigObject:
        """FAISS's, for the nearest *nprobe* lists."""
        kinds = (swig.IndexIVFRaBitQ, swig.IndexIVFRaBitQFastScan)
        made = swig.IVFRaBitQSearchParameters if isinstance(self._index, kinds) else swig.SearchParametersIVF
        if self._has_graph and "quantizer_params" not in others:
            others["quantizer_params"] = swig.SearchParametersHNSW(efSearch=2 * nprobe)
        return made(nprobe=nprobe, **others)

    def parameters_among(self, nprobe: int, allowed: Allowed) -> SwigObject:
        """The same where only some rows are allowed, so that about as much of them is found; worked out once."""
        made = self._made.setdefault(allowed, {})
        if nprobe not in made:
            made[nprobe] = self._parameters_among(nprobe, allowed)
        return made[nprobe]

    @property
    def _has_graph(self) -> bool:
        return isinstance(swig.downcast_index(self._index.quantizer), swig.IndexHNSW)

    def _parameters_among(self, nprobe: int, allowed: Allowed) -> SwigObject:
        count, share = allowed.count, allowed.count / len(allowed)
        if share > _NEARLY_ALL:
            return self.parameters(min(math.ceil(nprobe * share**_THINNING), self.count), sel=selector(allowed))
        hits = self._hits(allowed.sample)
        crowding = self._crowding(hits, count) / share
        # Good and Turing: what was drawn once tells how much was never drawn
        restrict = (hits == 1).sum() <= _UNSEEN * hits.sum() or hits.sum() == count
        if not restrict and crowding > _CROWDED:
            # the lists nearest to a query may have none of its rows: those that have some must be known
            hits, restrict = self._hits(allowed.positions), True
        occupied = hits > 0
        within = count / self.sizes[occupied].sum() if restrict else share
        farther = min(max(1.0, crowding) ** _CROWDING, _MOST_OF_FEW + _MOST_WITH_SHARE * share, _MOST)
        wanted = nprobe * max(1.0, _SPARE * min(within, 1.0) ** _THINNING * farther)
        if not restrict:
            return self.parameters(min(round(wanted), self.count), sel=selector(allowed))
        wanted = min(round(wanted), int(occupied.sum()))
        return self.parameters(wanted, sel=selector(allowed), quantizer_params=self._among(occupied, wanted))

    def _hits(self, positions: np.ndarray) -> np.ndarray:
        """(lists,) int64: how many of some rows lie in each list."""
        return np.bincount(self.of_rows[positions], minlength=self.count)

    def _crowding(self, hits: np.ndarray, count: int) -> float:
        """Of the rows beside a random allowed one, in its list, the share that is allowed: without bias from a sample's *hits*."""
        drawn = hits.sum()
        return float((hits * (hits - 1) / np.maximum(self.sizes, 1)).sum() / max(drawn * (drawn - 1), 1)) * count

    def _among(self, occupied: np.ndarray, nprobe: int) -> SwigObject:
        """FAISS's, for the centroids of some lists alone."""
        if not self._has_graph:
            return swig.SearchParameters(sel=selector(Allowed(occupied)))
        width = min(self.count, round(2 * nprobe * self.count / max(occupied.sum(), 1)))
        return swig.SearchParametersHNSW(efSearch=width, sel=selector(Allowed(occupied)))
