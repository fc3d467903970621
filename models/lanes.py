"""Runs side by side, each on a core of its own.

Threads that share one operator wait for each other at its end, and are waked for the next. Where two runs have two cores that is
a tenth of the processor's time: each had better keep to one. A run that is alone is done sooner by all.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.binding import Runner, runner
from models.ort import CPU, Runtime, available_cores, choose_providers, free_bytes, open_session

# With more cores two runs of one thread each would leave some idle; what is best there nobody has measured.
_CORES = 2
# So much longer beside others than alone, and a second session is worth its memory. Users who meet now and then never come so far.
OFTEN_S = 2.0
# A second session has weights of its own, and as it is opened those of the file too; as much again stays free.
_ROOM = 3
_log = logging.getLogger("vilem.lanes")


class Traffic:
    """The runs of a model that are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def one(self) -> Generator[bool]:
        """Count a run for the time of the block; gives whether it began beside another."""
        with self._lock:
            beside = self._running > 0
            self._running += 1
        try:
            yield beside
        finally:
            with self._lock:
                self._running -= 1


class Lanes:
    """A graph whose runs have all threads when they are alone, and one each when they begin beside others.

    Args:
        wide: has all threads.
        open_narrow: opens the session whose runs have one thread each; called once, in a thread of its own, when there
            were runs beside others for so much longer than alone. None = there is no room for it. Where it fails all go
            on as they did.
        traffic: counts the runs of all graphs that share the cores.
        often_s: how much longer, in seconds.
        clock: tells seconds.
    """

    def __init__(
        self,
        wide: Runner,
        open_narrow: Callable[[], Runner | None],
        traffic: Traffic,
        often_s: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._wide = wide
        self._narrow: Runner | None = None
        self._open_narrow = open_narrow
        self._traffic = traffic
        self._often_s = often_s
        self._clock = clock
        self._counting = threading.Lock()
        self._beside_s = 0.0
        self._asked = False

    def run(self, output_names: list[str], input_feed: dict[str, np.ndarray], /) -> Sequence[Any]:
        """See `Runner`."""
        with self._traffic.one() as beside:
            session = self._narrow if beside and self._narrow is not None else self._wide
            began = self._clock()
            answer = session.run(output_names, input_feed)
        seconds = self._clock() - began
        self._note(seconds if beside else -seconds)
        return answer

    def _note(self, beside_s: float) -> None:
        with self._counting:
            self._beside_s = max(0.0, self._beside_s + beside_s)
            if self._asked or self._beside_s < self._often_s:
                return
            self._asked = True
        # behind the event loop, as what calls: Linux hands `nice` on
        threading.Thread(target=self._open, name="lanes", daemon=True).start()

    def _open(self) -> None:
        try:
            self._narrow = self._open_narrow()
        except Exception:  # noqa: BLE001 - ONNX Runtime's have no base in common; nobody waits for this thread to be told
            _log.exception("no session for runs that are side by side: they go on sharing their threads")


def laned(wide: Runner, path: Path, runtime: Runtime, traffic: Traffic, *, memory_pattern: bool) -> Runner:
    """A graph's runs as *runtime* wants them: side by side on a thread each, or all on the session *wide*.

    Args:
        wide: the graph's session.
        path: the graph.
        runtime: of the session.
        traffic: of the model.
        memory_pattern: as `open_session` has it.
    """
    on_cpu, cores = choose_providers(runtime.device)[0] == CPU, available_cores()
    if not (runtime.lanes and on_cpu and cores == _CORES == (runtime.threads or cores)):
        return wide
    opened = _identity(path)

    def narrow() -> Runner | None:
        if _identity(path) != opened:
            _log.warning("%s is another file than the one that was opened: no second session is opened from it", path)
            return None
        needed, free = _ROOM * weight(path), free_bytes()
        if free < needed:
            _log.warning(
                "runs of %s that are side by side go on sharing their threads: to give each its own takes %d MB for a moment, "
                "and %d are free",
                path.name,
                needed // 10**6,
                free // 10**6,
            )
            return None
        return runner(open_session(path, replace(runtime, threads=1), memory_pattern=memory_pattern))

    return Lanes(wide, narrow, traffic, OFTEN_S)


def weight(path: Path) -> int:
    """Bytes of a graph's files."""
    return sum(each.stat().st_size for each in _files(path))


def _files(path: Path) -> list[Path]:
    return [each for each in (path, path.with_name(f"{path.name}.data")) if each.exists()]


def _identity(path: Path) -> list[tuple[int, int, int, int]]:
    """Which files a graph is made of: a bundle's folder may be exchanged while it is served."""
    found = [each.stat() for each in _files(path)]
    return [(each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for each in found]
