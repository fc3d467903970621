"""Several processes that serve one port: this one looks after them and computes nothing.

They share the listening socket, and through the page cache all that is mapped of snapshots. Each has models, queues and a cache of its
own. One that dies is started anew; its connections are lost, those that nobody had taken yet are the others'.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from index.errors import CollectionError
from service.errors import ServiceError
from service.operations import logs
from service.operations.listening import lingering, take_no_more
from service.operations.metrics import SHARED
from service.settings import Settings, warn_of_unknown

# Processes that end sooner than that were never any good: they are not started again at once,
_SOON_S = 10.0
_PAUSE_S = 1.0
# and after so many in a row not at all: the fault is the same for all, and a supervisor should hear of it.
_MOST_SOON = 5
# Of a process that cannot start, and will not: BSD's EX_CONFIG.
_MISTAKEN = 78
# Beyond what each needs at most to drain.
_GRACE_S = 2.0

# What each process runs: its settings, the socket, and the process that looks after it.
Work = Callable[[Settings, socket.socket, int], None]

_log = logging.getLogger("vilem.service")


class Deaths:
    """Decides whether, and after which pause, another process takes the place of one that ended."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def pause(self, lived_s: float) -> float | None:
        """Seconds until the next is started; None: never."""
        if lived_s >= _SOON_S:
            self._in_a_row = 0
            return 0.0
        self._in_a_row += 1
        return None if self._in_a_row >= _MOST_SOON else _PAUSE_S


def serve_together(settings: Settings, opened: socket.socket) -> None:
    """Serve with `settings.workers` processes until told to stop.

    Raises:
        SystemExit: with status 1, when they cannot be kept alive, or did not end in time.
    """
    logs.install(settings.log_level)
    warn_of_unknown()
    with tempfile.TemporaryDirectory(prefix="vilem-metrics-") as folder:
        # read by prometheus_client when the processes import it
        os.environ[SHARED] = folder
        Processes(settings, opened).run()


class Processes:
    """The processes of one service.

    Args:
        settings: of each.
        opened: the socket they accept from.
        work: what each runs.
    """

    def __init__(
        self,
        settings: Settings,
        opened: socket.socket,
        work: Work | None = None,
    ) -> None:
        self._settings = settings
        self._opened = opened
        self._work = work or _work
        # a new interpreter each: what a library started in this one is not half copied
        self._context = multiprocessing.get_context("spawn")
        self._started: dict[BaseProcess, float] = {}
        self._deaths = Deaths()
        self._told: int | None = None

    def run(self) -> None:
        """Keep them alive until told to stop, then end them.

        Raises:
            SystemExit: as `serve_together`.
        """
        # a signal ends the wait, so that nothing has to look at a clock
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, self._hear)
        for _ in range(self._settings.workers):
            self._start()
        while self._told is None:
            wait([reading, *(each.sentinel for each in self._started)])
            for ended in [each for each in self._started if not each.is_alive()]:
                self._replace(ended)
        self._end()

    def _hear(self, sig: int, _: FrameType | None) -> None:
        if self._told is None:
            self._told = sig
            return
        for each in self._started:
            each.kill()
        signal.signal(sig, signal.SIG_DFL)
        signal.raise_signal(sig)

    def _start(self) -> None:
        process = self._context.Process(target=self._work, args=(self._settings, self._opened, os.getpid()))
        process.start()
        self._started[process] = time.monotonic()

    def _replace(self, ended: BaseProcess) -> None:
        from prometheus_client import multiprocess

        lived_s = time.monotonic() - self._started.pop(ended)
        multiprocess.mark_process_dead(ended.pid)
        pause = None if ended.exitcode == _MISTAKEN else self._deaths.pause(lived_s)
        if pause is None:
            _log.error("processes cannot be started, the last ended with status %s: giving up", ended.exitcode)
            self._told = signal.SIGTERM
            self._end()
            raise SystemExit(1)
        _log.warning("process %s ended with status %s: another is started", ended.pid, ended.exitcode)
        # interrupted by a signal, as every sleep
        until = time.monotonic() + pause
        while self._told is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        if self._told is None:
            self._start()

    def _end(self) -> None:
        told = self._told or signal.SIGTERM
        began = time.monotonic()
        for each in self._started:
            assert each.pid is not None
            # Ctrl-C reached them already, or will: the second is nothing to them
            with suppress(ProcessLookupError):
                os.kill(each.pid, told)
        # so long they take what comes; then they empty the queue, which must not grow any more
        quiet = began + (0.0 if told == signal.SIGINT else lingering(self._settings))
        for each in self._started:
            each.join(max(0.0, quiet - time.monotonic()))
        take_no_more(self._opened)
        until = began + self._settings.drain_s + _GRACE_S
        failed = False
        for each in self._started:
            each.join(max(0.0, until - time.monotonic()))
            if each.exitcode is None:
                each.kill()
                each.join()
            # one that was being started knew of no other end
            failed |= each.exitcode not in (0, -told)
        if failed:
            raise SystemExit(1)


def each_of(settings: Settings) -> Settings:
    """The settings of one of several processes: their threads, of each kind, together are as many as there are cores."""
    # loads ONNX Runtime, which the process that looks after the others has no use for
    from models.ort import available_cores

    share = max(1, available_cores() // settings.workers)
    return settings.model_copy(
        update={"threads": settings.threads or share, "decode_threads": settings.decode_threads or share}
    )


def _work(settings: Settings, opened: socket.socket, parent: int) -> None:
    # until the server has a handler of its own, a stop ends it, and nothing is lost
    from service.operations.server import run

    try:
        # none takes what it cannot answer yet: another may be able to
        run(each_of(settings), opened, parent, warm=True)
    except (ServiceError, CollectionError) as error:
        sys.stderr.write(f"vilem: {error}\n")
        raise SystemExit(_MISTAKEN) from None
