"""The cheapest parameters that find enough."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import tune as module
from index.allowed import Allowed
from index.faiss_cpu import FaissIndex
from index.kinds.spec import Spec
from index.recall import Queries, Truth, truths
from index.tune import Point, Tunable, measure, tune
from index.vectors import Knob, Parameters
from tests.index.published import unit_vectors

VECTORS = unit_vectors(3_000, 16)
TRUTHS = truths(
    [(np.arange(3_000), VECTORS)],
    {
        "images": Queries(VECTORS[::30], np.arange(0, 3_000, 30)),
        "texts": Queries.strangers(unit_vectors(100, 16, seed=1)),
    },
)


class Stepped:
    """Finds everything from some values of its knobs on, and nothing below: a real index's recall, made sharp."""

    rows, dim, factory = 3_000, 16, "stepped"

    def __init__(self, knobs: Sequence[Knob], needed: dict[str, int]) -> None:
        self.knobs = tuple(knobs)
        self.needed = needed
        self.asked = 0
        self._exact = FaissIndex.build([VECTORS], 3_000, 16)

    def search(
        self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: Allowed | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """All or nothing."""
        self.asked += len(queries) > 1
        scores, positions = self._exact.search(queries, k, {}, allowed=allowed)
        enough = all(parameters[name] >= least for name, least in self.needed.items())
        return scores, positions if enough else np.full_like(positions, -1)

    def exact(self, queries: np.ndarray, k: int, *, allowed: Allowed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """All."""
        return self._exact.exact(queries, k, allowed=allowed)

    def save(self, path: Path) -> None:
        """Keep what is exact."""
        self._exact.save(path)


@settings(max_examples=15)
@given(st.integers(16, 4096))
def test_a_knob_is_found_to_an_eighth(needed: int) -> None:
    """One knob: the choice is enough, and at most an eighth more than the least that is; few settings are measured."""
    index = Stepped([Knob("efSearch", 16, 4096)], {"efSearch": needed})

    choice, curve = tune(index, TRUTHS, 0.95)

    assert needed <= choice.parameters["efSearch"] <= needed * 8 // 7 + 1
    assert 1.0 == choice.worst
    assert len(curve) <= 13


@pytest.mark.parametrize(("lists", "candidates"), [(1, 16), (37, 100), (256, 64), (5, 1000), (200, 4096)])
def test_two_knobs_are_enough_together(lists: int, candidates: int) -> None:
    """Lists and candidates: whatever is needed of each, the choice has it."""
    knobs = [Knob("nprobe", 1, 256), Knob("candidates", 16, 4096)]
    index = Stepped(knobs, {"nprobe": lists, "candidates": candidates})

    choice, curve = tune(index, TRUTHS, 0.95)

    assert choice.parameters["nprobe"] >= lists
    assert choice.parameters["candidates"] >= candidates
    assert 1.0 == choice.worst
    assert len(curve) <= 60


class Graded(Stepped):
    """Finds as many of every ten as its knob is, and takes what a clock of its own says."""

    def search(
        self, queries: np.ndarray, k: int, parameters: Parameters, *, allowed: Allowed | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first so many, of a hundred parts."""
        scores, positions = self._exact.search(queries, k, {}, allowed=allowed)
        lost = np.random.default_rng(0).random(positions.shape) * 100 >= parameters["efSearch"]
        return scores, np.where(lost, -1, positions)


def graded(monkeypatch: pytest.MonkeyPatch, latency_ms: float | None) -> Point:
    """The choice for a recall of 0.5 where a hundredth of recall takes a tenth of a millisecond."""

    def timed(index: Tunable, asked: Mapping[str, Truth], parameters: dict[str, int]) -> Point:
        point = measure(index, asked, parameters)
        return point.model_copy(update={"query_ms": parameters["efSearch"] / 10})

    monkeypatch.setattr(module, "measure", timed)
    return tune(Graded([Knob("efSearch", 8, 128)], {}), TRUTHS, 0.5, latency_ms)[0]


def test_the_reserve_is_given_up_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of what may be missed is kept where there is time for it; where there is not, the target is still reached."""
    at_leisure = graded(monkeypatch, None)
    pressed = graded(monkeypatch, 5.8)

    assert at_leisure == graded(monkeypatch, 100.0)
    assert at_leisure.worst >= 0.6 > pressed.worst >= 0.5
    assert pressed.query_ms <= 5.8 < at_leisure.query_ms


def test_the_target_is_not_given_up_for_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing that suffices is quick enough, what is chosen still finds enough, with its reserve."""
    assert graded(monkeypatch, None) == graded(monkeypatch, 0.5)


def test_what_is_never_enough_is_said() -> None:
    """Where no setting reaches the target, the choice is what finds most, and tells how little that is."""
    index = Stepped([Knob("efSearch", 16, 64)], {"efSearch": 100})

    assert 0.0 == tune(index, TRUTHS, 0.95)[0].worst


def test_an_exact_index_is_timed() -> None:
    """Without knobs there is one setting, which finds everything in a measured time."""
    choice, curve = tune(FaissIndex.build([VECTORS], 3_000, 16), TRUTHS, 1.0)

    assert [choice] == curve
    assert ({}, {"images": 1.0, "texts": 1.0}) == (choice.parameters, choice.recall)
    assert choice.query_ms > 0


@pytest.mark.parametrize("spec", [Spec("hnsw-fp16", links=8), Spec("ivf-rabitq", lists=32, bits=2)])
def test_a_tuned_index_reaches_its_target(spec: Spec, tmp_path: Path) -> None:
    """Of a real index: every kind of query finds enough, by the choice; the curve is all settings, the quickest first."""
    index = FaissIndex.build([VECTORS], 3_000, 16, spec, vectors=tmp_path / "v")

    choice, curve = tune(index, TRUTHS, 0.9)

    assert choice in curve
    assert min(choice.recall.values()) >= 0.9
    assert curve == sorted(curve, key=lambda point: point.query_ms)
    assert {"images", "texts"} == set(choice.recall)
    again = measure(index, TRUTHS, choice.parameters)
    assert choice.recall == again.recall


def test_the_harder_kind_decides() -> None:
    """A setting is as good as the kind of query that finds least."""
    assert 0.7 == Point(parameters={}, recall={"images": 0.99, "texts": 0.7}, query_ms=1.0).worst
    assert 1.0 == Point(parameters={}, recall={}, query_ms=0.0).worst


def test_an_empty_index_is_no_error() -> None:
    """Without vectors or queries there is nothing to miss."""
    index = FaissIndex.build([], 0, 16)

    assert 1.0 == tune(index, TRUTHS, 0.95)[0].worst
    assert {} == tune(index, {}, 0.95)[0].recall
