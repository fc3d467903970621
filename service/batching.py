"""Micro-batching without a timer: an idle worker takes all that is queued; under load batches form by themselves.

Knows no model: it turns `list[T] -> list[R]` into a function of one T that many requests share.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded, NotReady, QueueFull
from service.metrics import Metrics

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class _Job(Generic[T, R]):
    item: T
    size: int
    queued: float = field(default_factory=time.monotonic)
    done: "Future[R]" = field(default_factory=Future)


class MicroBatcher(Generic[T, R]):
    """One worker thread that runs batches.

    Args:
        run: computes a batch; called in the worker thread only, with at least one and at most *max_batch* items.
        name: label of the metrics.
        max_batch: most items in a batch.
        max_queue: most items waiting.
        metrics: where batch sizes and waits are counted.
        size: cost of an item, e.g. its tokens; items of similar size share a batch, so that one long text does not
            pad all others.
        overhead: what a batch of its own costs, in units of *size*: items are parted where padding would cost more.
    """

    def __init__(
        self,
        run: Callable[[list[T]], list[R]],
        *,
        name: str,
        max_batch: int,
        max_queue: int,
        metrics: Metrics,
        size: Callable[[T], int] = lambda _: 0,
        overhead: int = 0,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._size = size
        self._overhead = overhead
        self._batch_size = metrics.batch.labels(name)
        self._wait = metrics.wait.labels(name)
        self._queue: deque[_Job[T, R]] = deque()
        self._arrived = threading.Condition()
        self._closed = False
        self._worker = threading.Thread(target=self._work, name=f"batch-{name}", daemon=True)
        self._worker.start()

    async def submit(self, item: T, deadline_s: float) -> R:
        """Compute one item, together with whatever else is waiting.

        Raises:
            QueueFull: *max_queue* items are waiting already.
            DeadlineExceeded: its batch did not begin within *deadline_s*.
            NotReady: the batcher is closed.
        """
        job: _Job[T, R] = _Job(item, self._size(item))
        with self._arrived:
            if self._closed:
                raise NotReady("the service is shutting down: send the request again")
            if len(self._queue) >= self._max_queue:
                raise QueueFull(f"{self._max_queue} requests are waiting already: send it again in a second")
            self._queue.append(job)
            self._arrived.notify()
        # the worker may be busy for longer than the caller waits: it cannot be the one to look at the clock
        timer = asyncio.get_running_loop().call_later(deadline_s, self._drop, job)
        try:
            # a caller that is cancelled (its client has gone) cancels the job, which is dropped before it costs anything
            return await asyncio.wrap_future(job.done)
        except asyncio.CancelledError:
            # nor does it keep its place from others
            self._drop(job)
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Finish the batch that is running, fail what is waiting, end the worker."""
        with self._arrived:
            self._closed = True
            self._arrived.notify()
        self._worker.join(timeout=10)
        # lets go of what it is bound to, which holds us: the collector does not look at what was there from the start
        vars(self).pop("_run", None)

    def _work(self) -> None:
        while True:
            with self._arrived:
                while not self._queue and not self._closed:
                    self._arrived.wait()
                if self._closed:
                    self._fail_waiting()
                    return
                jobs = self._take()
            live = [job for job in jobs if self._is_live(job)]
            if live:
                self._compute(live)

    def _drop(self, job: _Job[T, R]) -> None:
        """Take a job that nobody waits for out of the queue, unless its batch has begun."""
        with self._arrived:
            if job not in self._queue:
                return
            self._queue.remove(job)
        waited = time.monotonic() - job.queued
        if job.done.set_running_or_notify_cancel():
            job.done.set_exception(
                DeadlineExceeded(f"the request waited {waited:.1f} s for its turn: send it again, or send fewer")
            )

    def _take(self) -> list[_Job[T, R]]:
        """The oldest job and those that are best computed with it, in the order they came."""
        chosen = self._with_oldest()
        jobs = [job for place, job in enumerate(self._queue) if place in chosen]
        rest = [job for place, job in enumerate(self._queue) if place not in chosen]
        self._queue.clear()
        self._queue.extend(rest)
        return jobs

    def _with_oldest(self) -> set[int]:
        """Places of the batch that holds place 0, when jobs in order of size are cut into batches.

        A job joins the smaller ones before it so long as padding all of them to its size costs no more than a batch of
        its own would.
        """
        batch: list[int] = []
        total = 0
        for place in sorted(range(len(self._queue)), key=lambda each: self._queue[each].size):
            size = self._queue[place].size
            if len(batch) == self._max_batch or len(batch) * size - total > self._overhead:
                if 0 in batch:
                    break
                batch, total = [], 0
            batch.append(place)
            total += size
        return set(batch)

    def _is_live(self, job: _Job[T, R]) -> bool:
        if not job.done.set_running_or_notify_cancel():
            return False
        self._wait.observe(time.monotonic() - job.queued)
        return True

    def _compute(self, jobs: list[_Job[T, R]]) -> None:
        self._batch_size.observe(len(jobs))
        try:
            results = self._run([job.item for job in jobs])
            if len(results) != len(jobs):
                raise RuntimeError(f"a batch of {len(jobs)} came back as {len(results)} results")
        except Exception as error:  # noqa: BLE001 - the worker must outlive whatever a batch raises; callers get it
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
            else:
                # one bad item must not fail the others: each again, alone
                for job in jobs:
                    self._compute([job])
            return
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)

    def _fail_waiting(self) -> None:
        for job in self._queue:
            if job.done.set_running_or_notify_cancel():
                job.done.set_exception(NotReady("the service is shutting down: send the request again"))
        self._queue.clear()
