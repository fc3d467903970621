"""How much of an index a search looks at: FAISS's parameters of one call, made of ours, of k and of what is allowed.

Ours are `efSearch` (graphs: candidates that a walk keeps), `nprobe` (lists that are scanned) and `candidates` (how many
are compared again with the stored vectors). Threads search one index with parameters of their own: nothing shared is set.
"""

from typing import Protocol

from index.allowed import Allowed
from index.kinds.lists import Lists
from index.kinds.rows import selector
from index.kinds.swig import SwigIndex, SwigObject, swig
from index.vectors import Knob, Parameters

# a walk compares with about so many vectors for each candidate that it keeps (graphs of 32 links, measured)
_ROWS_A_STEP = 20
# comparing with a stored vector costs what comparing with so many codes of it in a list costs: 200 ns against 25, of d = 512
_CODES_A_ROW = 8
_WIDEST_WALK = 4096
# Rows of the scanned lists for each hit that is wanted: nprobe is tuned for ten hits, and of thousands it would miss most.
_SCANNED_A_HIT = 8
_CANDIDATES = Knob("candidates", 16, 4096)
_DEFAULTS = {"efSearch": 64, "nprobe": 32, "candidates": 256}

Chosen = SwigObject | None


class Effort(Protocol):
    """Of one index; immutable."""

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """Its parameters, the one that decides where it looks first."""
        ...

    def chosen(self, k: int, parameters: Parameters, allowed: Allowed | None) -> Chosen:
        """FAISS's parameters, or None where comparing with every allowed row is cheaper."""
        ...


def effort_of(index: SwigIndex) -> Effort:
    """That of an index, by its class."""
    if isinstance(index, swig.IndexHNSW):
        return Walk()
    return Scan(Lists(index)) if isinstance(index, swig.IndexIVF) else Everything()


def refined(chosen: SwigObject, k: int, parameters: Parameters) -> SwigObject:
    """The same of an index whose candidates are compared again: at least twice as many as are wanted."""
    factor = max(_value(parameters, "candidates") / k, 2)
    return swig.IndexRefineSearchParameters(k_factor=factor, base_index_params=chosen)


def with_candidates(knobs: tuple[Knob, ...]) -> tuple[Knob, ...]:
    """Knobs of an index whose candidates are compared again."""
    return (*knobs, _CANDIDATES)


class Everything:
    """Of an exact index: nothing to choose."""

    knobs: tuple[Knob, ...] = ()

    def chosen(self, k: int, parameters: Parameters, allowed: Allowed | None) -> Chosen:
        """None."""
        del k, parameters, allowed


class Walk:
    """Of a graph."""

    knobs = (Knob("efSearch", 16, _WIDEST_WALK),)

    def chosen(self, k: int, parameters: Parameters, allowed: Allowed | None) -> Chosen:
        """A walk that keeps efSearch candidates, or k: fewer could not fill the answer.

        It meets forbidden rows too, and among so many more it finds as few as it would find of all.
        """
        width = max(_value(parameters, "efSearch"), k)
        if allowed is None or allowed.count == len(allowed):
            return swig.SearchParametersHNSW(efSearch=width)
        width = -(-width * len(allowed) // max(allowed.count, 1))
        if allowed.count <= width * _ROWS_A_STEP:
            return None
        return swig.SearchParametersHNSW(efSearch=width, sel=selector(allowed))


class Scan:
    """Of lists."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists
        self.knobs = (Knob("nprobe", 1, lists.count),)

    def chosen(self, k: int, parameters: Parameters, allowed: Allowed | None) -> Chosen:
        """The nearest nprobe lists; more for many hits, and for hits among some of the rows, in the lists that have some."""
        rows = self._lists.rows if allowed is None else allowed.count
        deep = -(-self._lists.count * _SCANNED_A_HIT * k // max(rows, 1))
        nprobe = min(max(_value(parameters, "nprobe"), deep), self._lists.count)
        if allowed is None or allowed.count == len(allowed):
            return self._lists.parameters(nprobe)
        scanned = nprobe * len(allowed) / self._lists.count
        if allowed.count <= scanned / _CODES_A_ROW + max(_value(parameters, "candidates"), 2 * k):
            return None
        return self._lists.parameters_among(nprobe, allowed)


def _value(parameters: Parameters, name: str) -> int:
    return parameters.get(name, _DEFAULTS[name])
