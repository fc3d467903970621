"""The cheapest search parameters that find enough, measured on the index itself.

Text vectors are distributed unlike image vectors: a parameter that is enough for one kind of query may not be for the other,
so the kind that finds least decides. A parameter is doubled until enough is found, then bisected; where there are two (lists
and candidates), that is done for each doubling of the candidates, and the quickest of what suffices is taken.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from index.recall import K, Truth
from index.vectors import Knob, VectorIndex

# The sample is small: a fifth of what may be missed is kept as a reserve for queries that are not in it.
_RESERVE = 0.2
_TIMED = 15
_GENEROUS = 1024


class Point(BaseModel):
    """One measured setting."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: dict[str, int]
    recall: dict[str, float] = Field(description="recall@10 of each kind of query, `images` and `texts`")
    query_ms: float = Field(description="median CPU milliseconds of one query alone, where it was built")

    @property
    def worst(self) -> float:
        """Recall of the kind of query that finds least; 1 where nothing was asked."""
        return min(self.recall.values(), default=1.0)


class Tunable(VectorIndex, Protocol):
    """An index with parameters."""

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """What `search` may be given."""
        ...


Measure = Callable[[dict[str, int]], Point]


def measure(index: VectorIndex, truths: Mapping[str, Truth], parameters: dict[str, int]) -> Point:
    """Recall and time of one setting."""
    recall: dict[str, float] = {}
    times: list[float] = []
    # one more than is counted: a stored query finds itself
    depth = min(K + 1, index.rows)
    for kind, truth in truths.items():
        queries = truth.queries.vectors
        if not depth or not len(queries):
            continue
        _, found = index.search(queries, depth, parameters)
        recall[kind] = round(truth.recall(found), 4)
        for query in queries[:_TIMED]:
            # of one query FAISS makes one thread: its CPU time is what an idle machine would take
            began = time.thread_time()
            index.search(query[None], min(K, depth), parameters)
            times.append(time.thread_time() - began)
    return Point(parameters=parameters, recall=recall, query_ms=round(1000 * float(np.median(times or [0.0])), 4))


def tune(
    index: Tunable, truths: Mapping[str, Truth], target: float, latency_ms: float | None = None
) -> tuple[Point, list[Point]]:
    """Find the cheapest setting that reaches *target* for every kind of query.

    Args:
        index: what is asked.
        truths: what should be found, of each kind of query.
        target: recall@10.
        latency_ms: what a query may take; the reserve is given up for it, the target is not.

    Returns:
        The choice, and the whole curve: all that was measured, the quickest first. If nothing is enough, the choice is what
        finds most.
    """
    seen: dict[tuple[int, ...], Point] = {}

    def measured(parameters: dict[str, int]) -> Point:
        key = tuple(parameters.values())
        if key not in seen:
            seen[key] = measure(index, truths, parameters)
        return seen[key]

    wanted = (target + _RESERVE * (1 - target), target)
    _search(measured, index.knobs, wanted[0])
    choice = _choice(seen.values(), wanted, latency_ms)
    if latency_ms is not None and choice.query_ms > latency_ms:
        _search(measured, index.knobs, target)
        choice = _choice(seen.values(), wanted, latency_ms)
    return choice, _quickest_first(seen.values())


def _search(measured: Measure, knobs: Sequence[Knob], aim: float) -> None:
    """Measure the settings around the least that reach *aim*."""
    if not knobs:
        measured({})
    elif len(knobs) == 1:
        _least(measured, knobs[0], {}, aim, knobs[0].least)
    else:
        _least_of_two(measured, knobs, aim)


def _choice(measured: Iterable[Point], wanted: Sequence[float], latency_ms: float | None) -> Point:
    curve = _quickest_first(measured)
    found: list[Point] = []
    for recall in wanted:
        enough = [point for point in curve if point.worst >= recall]
        # times are noisy: what looks at no less in any way is no quicker
        found += [point for point in enough if not any(_below(other, point) for other in enough)][:1]
    if not found:
        return max(curve, key=lambda point: point.worst)
    return next((point for point in found if latency_ms is None or point.query_ms <= latency_ms), found[0])


def _quickest_first(points: Iterable[Point]) -> list[Point]:
    return sorted(points, key=lambda point: point.query_ms)


def _below(one: Point, other: Point) -> bool:
    """Whether *one* looks at no more in any way, and at less in some."""
    pairs = [(value, other.parameters[name]) for name, value in one.parameters.items()]
    return one != other and all(mine <= theirs for mine, theirs in pairs)


def _least(measured: Measure, knob: Knob, others: dict[str, int], aim: float, start: int) -> int | None:
    """The least value of a knob that reaches *aim*, to an eighth; None where none does."""
    low, value = knob.least - 1, start
    while measured({knob.name: value, **others}).worst < aim:
        if value >= knob.most:
            return None
        low, value = value, min(knob.most, 2 * value)
    while value - low > max(1, value // 8):
        middle = (low + value) // 2
        if measured({knob.name: middle, **others}).worst < aim:
            low = middle
        else:
            value = middle
    return value


def _least_of_two(measured: Measure, knobs: Sequence[Knob], aim: float) -> None:
    """Measure the first knob's least value for each doubling of the second that can be enough."""
    first, second = knobs
    generous = min(_GENEROUS, second.most)
    needed = _least(measured, first, {second.name: generous}, aim, first.least)
    while needed is None and generous < second.most:
        generous = min(2 * generous, second.most)
        needed = _least(measured, first, {second.name: generous}, aim, first.most)
    if needed is None:
        return
    value = generous // 2
    while value >= second.least:
        # twice as many lists are worth half as many candidates, more are not
        if measured({first.name: min(2 * needed, first.most), second.name: value}).worst < aim:
            return
        _least(measured, first, {second.name: value}, aim, needed)
        value //= 2
