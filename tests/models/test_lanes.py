"""Runs side by side: a thread each when many are, all threads when one is alone; the same vectors either way."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import lanes
from models.binding import Runner
from models.bundle import BUILT_IN, Bundle
from models.lanes import Lanes, Traffic, laned, weight
from models.ort import Runtime, open_session

TEXT = BUILT_IN / "scenes-s" / "text.onnx"
PATIENCE_S = 20.0
# seconds of a run on the stand's clock, and how many runs are often
RUN_S, OFTEN = 1.0, 10
TIMES = 200


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two cores, whatever this one has."""
    monkeypatch.setattr(lanes, "available_cores", lambda: 2)


@dataclass
class Clock:
    """Seconds that pass when they are told to: what the machine does beside makes no run longer."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """Seconds now."""
        return self.seconds


@dataclass
class Noted:
    """A session that notes its runs, which take a second each."""

    of: str
    runs: list[str]
    clock: Clock

    def run(self, output_names: list[str], input_feed: dict[str, np.ndarray], /) -> Sequence[Any]:
        """Nothing."""
        self.runs.append(self.of)
        self.clock.seconds += RUN_S
        return []


@dataclass
class Stand:
    """A graph with a wide session, and a narrow one that is opened when it is asked for."""

    runs: list[str] = field(default_factory=list[str])
    traffic: Traffic = field(default_factory=Traffic)
    opened: int = 0
    fault: Exception | None = None
    room: bool = True

    def __post_init__(self) -> None:
        clock = Clock()
        self.wide, self.narrow = Noted("wide", self.runs, clock), Noted("narrow", self.runs, clock)
        self.graph = Lanes(self.wide, self.open, self.traffic, OFTEN * RUN_S, clock)

    def open(self) -> Runner | None:
        """The narrow session; raises, or has no room, where it is to."""
        self.opened += 1
        if self.fault is not None:
            raise self.fault
        return self.narrow if self.room else None

    def alone(self, times: int = 1) -> None:
        """Run while nothing else does."""
        for _ in range(times):
            self.graph.run([], {})

    def beside(self, times: int = 1) -> None:
        """Run while another does, and let what that begins come to its end."""
        with self.traffic.one():
            self.alone(times)
        settle()


def settle() -> None:
    """Wait until no thread opens a session."""
    for thread in threading.enumerate():
        if thread.name == "lanes":
            thread.join(PATIENCE_S)


def test_a_run_alone_has_all_threads() -> None:
    """However long they come one after the other: no second session is opened for them."""
    stand = Stand()
    stand.alone(5 * OFTEN)

    assert {"wide"} == set(stand.runs)
    assert 0 == stand.opened


def test_runs_side_by_side_get_a_thread_each() -> None:
    """Once they were for long a second session is opened, and has all that begin beside another; a run alone is still wide."""
    stand = Stand()
    stand.beside(OFTEN)
    stand.beside(2)
    stand.alone()

    assert [*OFTEN * ["wide"], "narrow", "narrow", "wide"] == stand.runs
    assert 1 == stand.opened


def test_who_meets_now_and_then_takes_no_memory() -> None:
    """Runs that are alone for longer than beside others never come to a second session."""
    stand = Stand()
    for _ in range(2 * OFTEN):
        stand.beside()
        stand.alone(2)

    assert 0 == stand.opened


@pytest.mark.parametrize("stand", [Stand(fault=MemoryError("no room")), Stand(room=False)], ids=["fails", "no room"])
def test_without_a_second_session_all_go_on(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    """A session that cannot be opened is tried once, and told of; runs share the threads of the first, as before."""
    caplog.set_level(logging.ERROR, "vilem.lanes")
    stand.beside(OFTEN)
    stand.beside(2 * OFTEN)

    assert {"wide"} == set(stand.runs)
    assert 1 == stand.opened
    assert (stand.fault is not None) == bool(caplog.records)


def test_a_run_counts_until_it_ends() -> None:
    """What begins while another graph of the model runs is beside it; what begins after it, or after its failure, is alone."""
    traffic = Traffic()
    with pytest.raises(ValueError), traffic.one() as first, traffic.one() as second:
        raise ValueError
    with traffic.one() as third:
        pass

    assert (False, True, False) == (first, second, third)


@pytest.mark.parametrize(
    "runtime", [Runtime(2, "cpu"), Runtime(1, "cpu", lanes=True), Runtime(4, "cpu", lanes=True)], ids=str
)
def test_other_plans_have_one_session(runtime: Runtime) -> None:
    """Two runs fill two cores with a thread each, and no other number."""
    session = open_session(TEXT, runtime, memory_pattern=False)

    assert session is laned(session, TEXT, runtime, Traffic(), memory_pattern=False)


@pytest.mark.parametrize("free", [0, lanes._ROOM * weight(TEXT) - 1])  # pyright: ignore[reportPrivateUsage]
def test_no_session_is_opened_without_room(
    free: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the weights would not fit once more, and again, a warning says how much it takes; all go on as they did."""
    caplog.set_level(logging.WARNING, "vilem.lanes")
    monkeypatch.setattr(lanes, "free_bytes", lambda: free)
    monkeypatch.setattr(lanes, "OFTEN_S", 0.0)
    stand, runtime = Stand(), Runtime(2, "cpu", lanes=True)
    graph = laned(stand.wide, TEXT, runtime, stand.traffic, memory_pattern=False)
    for _ in range(OFTEN):
        with stand.traffic.one():
            graph.run([], {})
        settle()

    assert {"wide"} == set(stand.runs)
    assert [f"and {free // 10**6} are free"] == [each.getMessage()[-len("and 8 are free") :] for each in caplog.records]


def test_more_cores_have_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads of a machine with more cores are what was asked for: two runs of one each would leave cores idle."""
    monkeypatch.setattr(lanes, "available_cores", lambda: 16)
    runtime = Runtime(2, "cpu", lanes=True)
    session = open_session(TEXT, runtime, memory_pattern=False)

    assert session is laned(session, TEXT, runtime, Traffic(), memory_pattern=False)


def test_another_model_s_graph_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bundle's folder that was exchanged since has other vectors: runs go on as they did, and a warning says why."""
    caplog.set_level(logging.WARNING, "vilem.lanes")
    monkeypatch.setattr(lanes, "OFTEN_S", 0.0)
    graph = tmp_path / TEXT.name
    for each in (TEXT, TEXT.with_name(f"{TEXT.name}.data")):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    stand = Stand()
    laned_one = laned(stand.wide, graph, Runtime(2, "cpu", lanes=True), stand.traffic, memory_pattern=False)
    (tmp_path / "new").write_bytes(graph.read_bytes())
    (tmp_path / "new").replace(graph)
    for _ in range(OFTEN):
        with stand.traffic.one():
            laned_one.run([], {})
        settle()

    assert {"wide"} == set(stand.runs)
    assert 1 == len(caplog.records)


def test_a_graph_weighs_its_files(tmp_path: Path) -> None:
    """A graph's bytes are its own and those of the weights beside it."""
    (tmp_path / "a.onnx").write_bytes(bytes(10))
    alone = weight(tmp_path / "a.onnx")
    (tmp_path / "a.onnx.data").write_bytes(bytes(90))

    assert (10, 100) == (alone, weight(tmp_path / "a.onnx"))


def test_vectors_are_the_same_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real model asked by four threads, long enough for the second sessions: each text and picture has the vector it has alone."""
    opened = list[tuple[str, int]]()

    def opening(path: Path, runtime: Runtime, *, memory_pattern: bool) -> Runner:
        opened.append((path.name, runtime.threads))
        return open_session(path, runtime, memory_pattern=memory_pattern)

    monkeypatch.setattr(lanes, "OFTEN_S", 0.0)
    monkeypatch.setattr(lanes, "open_session", opening)
    plain = Bundle.open(BUILT_IN / "scenes-s", runtime=Runtime(2, "cpu"))
    shared = Bundle.open(BUILT_IN / "scenes-s", runtime=Runtime(2, "cpu", lanes=True))
    texts = ["a red cube left of a blue ball", "a green cone"]
    side = plain.manifest.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    expected = plain.embed_images(pixels), plain.embed_texts(texts).vectors

    def often(number: int) -> list[np.ndarray]:
        if number % 2:
            return [shared.embed_texts(texts).vectors for _ in range(TIMES)]
        return [shared.embed_images(pixels) for _ in range(TIMES)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(often, range(4)))
    settle()

    assert [("image.onnx", 1), ("text.onnx", 1)] == sorted(opened)
    for number, vectors in enumerate(found):
        np.testing.assert_allclose(np.stack(vectors), np.stack(TIMES * [expected[number % 2]]), atol=1e-5)
