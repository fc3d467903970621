"""Threads for what must not run on the event loop, with a bound on what may wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.errors import DeadlineExceeded, QueueFull

Made = TypeVar("Made")


class Workers:
    """A pool of threads; used from one event loop.

    Args:
        threads: work done at a time.
        max_queue: most calls that may wait; what waits holds its input, which may be a picture of many megabytes.
        deadline_s: a call that has not begun by then is dropped.
        name: of the threads.
    """

    def __init__(self, threads: int, *, max_queue: int, deadline_s: float, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._limit = threads + max_queue
        self._deadline_s = deadline_s
        self._held = 0

    async def run(self, work: Callable[[], Made]) -> Made:
        """The result of *work*, computed in one of the threads.

        Raises:
            QueueFull: too much is waiting.
            DeadlineExceeded: no thread became free in time.
        """
        if self._held >= self._limit:
            raise QueueFull(f"{self._held} pictures or look-ups are waiting already: send it again in a second")
        job = self._pool.submit(work)
        self._held += 1
        waiting = asyncio.wrap_future(job)
        # called on the loop, also after a cancellation
        waiting.add_done_callback(self._done)
        # what runs cannot be interrupted: only what has not begun is dropped
        try:
            await asyncio.wait([waiting], timeout=self._deadline_s)
        except asyncio.CancelledError:
            waiting.cancel()
            raise
        if not waiting.done() and job.cancel():
            raise DeadlineExceeded(f"no thread was free in {self._deadline_s:.0f} s: send it again, or send fewer")
        return await waiting

    def close(self) -> None:
        """Drop what has not begun; do not wait for the rest."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: object) -> None:
        self._held -= 1
