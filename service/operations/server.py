"""uvicorn, run so that it stops as a load balancer, a supervisor and a person expect; one process of it."""

import asyncio
import atexit
import faulthandler
import os
import resource
import signal
import socket
import sys
import threading
import time
from types import FrameType

import uvicorn

from index.gpu.device import gpus_for
from service.app import create_app
from service.guard.connections import Bounds
from service.operations.listening import lingering, take_no_more
from service.settings import Settings

# a thread that waits for the interpreter is let in after so long; 5 ms were felt by searches beside writes
_SWITCH_S = 0.0005
# longer than common proxies' idle time, so that the proxy is first to close
_KEEP_ALIVE_S = 75
# Of the time to drain, for ending threads and connections once the last request is answered.
_CLOSING_SHARE = 0.25
# For those who are in the queue of a socket that takes no more; and longest for those who are connected and were not heard yet,
# whose request is on its way: closed before it comes, they would be told of a connection that broke.
_QUEUE_S, _UNHEARD_S = 0.05, 0.5
# So long after the time to drain a process ends whose interpreter a thread keeps to itself: Docker kills two seconds after it.
_HELD_S = 0.5
# Descriptors for all but connections: pictures, datasets, mapped snapshots, Redis, pipes.
_SPARE = 512
# Where the system allows hardly any.
_LEAST = 32


class DrainingServer(uvicorn.Server):
    """A server that drains when it is told to stop, within `VILEM_DRAIN_S`.

    SIGTERM: /readyz answers 503 at once, every answer closes its connection, and for `VILEM_LINGER_S` all that comes is answered; then
    nothing new is, and what is under way comes to its end. SIGINT, from a person, does not linger. A second signal ends all at once.

    Args:
        config: uvicorn's.
        settings: the service's.
        draining: set when it is told to stop.
        parent: the process that alone may end this one; a second signal is then the parent's to act on.
    """

    def __init__(
        self, config: uvicorn.Config, settings: Settings, draining: threading.Event, parent: int | None = None
    ) -> None:
        super().__init__(config)
        self._drain_s = settings.drain_s
        self._linger_s = lingering(settings)
        self._draining = draining
        self._parent = parent
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second time, end as if there were no handler. So does one of several that still loads.

        It has taken nothing yet, and would only begin to say that it is not ready, in the place of others that are.
        """
        loads = self._parent is not None and not self.started
        if self._stop_at is None and not loads:
            self.drain(linger_s=0.0 if sig == signal.SIGINT else self._linger_s)
        elif self._parent is None or loads:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)

    def drain(self, linger_s: float) -> None:
        """Stop after so long, and end whatever happens when the time is up."""
        self._stop_at = time.monotonic() + linger_s
        self._draining.set()
        _end_within(self._drain_s)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop; called ten times a second."""
        if self._stop_at is None and self._parent is not None and not self._has_parent():
            # nobody is left to tell us
            self.drain(self._linger_s)
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening and end; who is in the kernel's queue by then is still heard."""
        if not self._has_parent():
            # else the others of its parent go on with it, and it is the parent that knows when none does
            for each in sockets or []:
                take_no_more(each)
        most = min(_UNHEARD_S, (self._drain_s - self._linger_s) * _CLOSING_SHARE / 2)
        await asyncio.sleep(_QUEUE_S)
        for _ in range(round(most / _QUEUE_S) - 1):
            if not self._has_unheard():
                break
            await asyncio.sleep(_QUEUE_S)
        await super().shutdown(sockets)

    def _has_unheard(self) -> bool:
        """Whether somebody is connected of whom no request has come."""
        return any(getattr(each, "cycle", None) is None for each in self.server_state.connections)

    def _has_parent(self) -> bool:
        return self._parent is not None and os.getppid() == self._parent


def descriptors(wanted: int) -> int:
    """How many files this process may have open: as many as *wanted*, or as the system allows; the usual 1,024 are no bound of ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def run(settings: Settings, opened: socket.socket, parent: int | None = None, *, warm: bool = False) -> None:
    """Serve on the socket in this process until told to stop, and end it; if *warm*, not before everything is loaded.

    Returns only where it could not start.

    Raises:
        GpuMissing: one was asked for and is not there; before anything is served.
    """
    sys.setswitchinterval(_SWITCH_S)
    gpus_for(settings.search_device)
    app = create_app(settings, warm=warm)
    most = max(_LEAST, descriptors(settings.max_connections + _SPARE) - _SPARE)
    bounds = Bounds(most=most, head_s=settings.deadline_s)
    config = uvicorn.Config(
        app,
        http=bounds.protocol,  # pyright: ignore[reportArgumentType] - called as the class would be
        ws="none",
        # ours is on before the first line (service.operations.logs)
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    # uvicorn says int, and hands it to asyncio, which takes any number
    config.timeout_graceful_shutdown = (settings.drain_s - lingering(settings)) * (1 - _CLOSING_SHARE)  # pyright: ignore[reportAttributeAccessIssue]
    DrainingServer(config, settings, app.state.draining, parent).run(sockets=[opened])
    if app.state.draining.is_set():
        _end()


def _end() -> None:
    """End the process; all is closed and written by now, and what libraries have to do at the end is still done.

    Python would also wait for threads that look up a name for nobody, and then for those that hold the interpreter, while
    none of ours can run that would put a bound to it.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way # pyright: ignore[reportPrivateUsage]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_within(seconds: float) -> None:
    """End the process, with a reason, when so much time has passed, whatever its threads do then."""
    last = threading.Timer(seconds, _give_up)
    last.daemon = True
    last.start()
    # needs no interpreter: a picture's decoder, say, may have it
    faulthandler.dump_traceback_later(seconds + _HELD_S, exit=True, file=2)


def _give_up() -> None:
    sys.stderr.write("the time to drain is up: what is still under way is cut off (VILEM_DRAIN_S)\n")
    sys.stderr.flush()
    os._exit(1)
