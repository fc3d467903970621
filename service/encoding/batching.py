"""Micro-batching without a timer: an idle worker takes all that is queued; under load batches form by themselves.

Knows no model: it turns `list[T] -> list[R]` into a function of one T that many requests share. Who is served first
is `service.encoding.urgency`'s to say, who is refused `service.encoding.waiting`'s.
"""

import asyncio
import math
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from service.encoding.urgency import BATCH, PROBE, asker, handicap_s, urgency
from service.encoding.waiting import Ahead, BatchCost, is_refused
from service.encoding.yielding import give_way
from service.errors import DeadlineExceeded, NotReady, QueueFull
from service.operations import tracing
from service.operations.metrics import Metrics

T = TypeVar("T")
R = TypeVar("R")

# A batch of so many costs each of them hardly more than a larger one (ViT-B/32 texts: 8.1 ms of a core, 7.9 in one of 32).
_WORTH = 8
# A batch that is done is half a millisecond's work of the loop or more for each: others come in between, and may be refused.
_TOLD_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class _Job(Generic[T, R]):
    """One item in the queue.

    Attributes:
        item: as it was submitted.
        size: its cost.
        patient: nobody watches it: it shares no batch with those that somebody waits for.
        counts: it takes a place, as all but a probe do: else one of as many clients as are always let in would be refused for it.
        queued: when it came.
        rank: when it would have come, were all equally urgent; the lowest is served first.
        asker: the request it belongs to.
        done: of the loop that waits for it.
        trace: of the request it belongs to, where traces are made.
    """

    item: T
    size: int
    patient: bool
    counts: bool
    queued: float
    rank: float
    asker: object
    done: "asyncio.Future[R]"
    trace: object = field(default_factory=tracing.here)


@dataclass(frozen=True, eq=False)
class _Running:
    """A batch that a worker is at: how many in it somebody watches, whose it is, when it began and when it should be done."""

    watched: int
    askers: frozenset[object]
    began: float
    until: float

    def left_s(self, now: float) -> float:
        """Seconds until it is done, as far as one can know; one that is overdue lasts as long again as it has lasted."""
        return self.until - now if now < self.until else now - self.began


class MicroBatcher(Generic[T, R]):
    """Worker threads that run batches.

    Args:
        run: computes a batch; called in the worker threads only, with at least one and at most *max_batch* items.
        name: label of the metrics.
        max_batch: most items in a batch.
        max_queue: most items waiting, whatever they cost: a bound of memory.
        metrics: where batch sizes and waits are counted.
        max_wait_s: longest wait for others that is expected of somebody who watches; who does not waits up to the deadline.
        size: cost of an item, e.g. its tokens; items of similar size share a batch, so that one long text does not
            pad all others.
        overhead: what a batch of its own costs, in units of *size*: items are parted where padding would cost more.
        workers: batches that run at a time.
        gives_way: steps of `nice` by which they stand behind the event loop (`service.encoding.yielding`).
    """

    def __init__(
        self,
        run: Callable[[list[T]], list[R]],
        *,
        name: str,
        max_batch: int,
        max_queue: int,
        metrics: Metrics,
        max_wait_s: float = math.inf,
        size: Callable[[T], int] = lambda _: 0,
        overhead: int = 0,
        workers: int = 1,
        gives_way: int = 0,
    ) -> None:
        self._run = run
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._max_wait_s = max_wait_s
        self._size = size
        self._overhead = overhead
        self._gives_way = gives_way
        self._batch_size = metrics.batch.labels(name)
        self._wait = metrics.wait.labels(name)
        # by rank
        self._queue: list[_Job[T, R]] = []
        self._running: set[_Running] = set()
        self._cost = BatchCost()
        self._arrived = threading.Condition()
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, name=f"batch-{name}-{number}", daemon=True) for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    async def submit(self, item: T, deadline_s: float, max_wait_s: float | None = None) -> R:
        """Compute one item, together with whatever else is waiting.

        Args:
            item: the item.
            deadline_s: by when its batch must have begun.
            max_wait_s: of this item, where it is not the queue's.

        Raises:
            QueueFull: it would wait too long, or *max_queue* items are waiting already.
            DeadlineExceeded: its batch did not begin within *deadline_s*.
            NotReady: the batcher is closed.
        """
        loop = asyncio.get_running_loop()
        how_urgent, now = urgency(), time.monotonic()
        job: _Job[T, R] = _Job(
            item,
            self._size(item),
            how_urgent >= BATCH,
            how_urgent != PROBE,
            now,
            now + handicap_s(how_urgent),
            asker(),
            loop.create_future(),
        )
        with self._arrived:
            if self._closed:
                raise NotReady("the service is shutting down: send the request again")
            self._admit(job, deadline_s, self._max_wait_s if max_wait_s is None else max_wait_s)
            self._arrived.notify()
        # the workers may be busy for longer than the caller waits: they cannot be the ones to look at the clock
        timer = loop.call_later(deadline_s, self._expire, job)
        try:
            return await job.done
        except asyncio.CancelledError:
            # a caller that has gone (its client has) costs nothing, and does not keep its place from others
            self._drop(job)
            raise
        finally:
            timer.cancel()

    def close(self, patience_s: float = 10.0) -> None:
        """Fail what is waiting, and end the workers; wait for the batches that are running, but no longer than told."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
        for worker in self._workers:
            worker.join(timeout=patience_s)
        if not any(worker.is_alive() for worker in self._workers):
            # lets go of what it is bound to, which holds us: the collector does not look at what was there from the start
            vars(self).pop("_run", None)

    def _admit(self, job: _Job[T, R], deadline_s: float, max_wait_s: float) -> None:
        """Queue a job where its rank places it, or refuse it."""
        place = bisect_right(self._queue, job.rank, key=lambda each: each.rank)
        before, mine = self._queue[:place], frozenset({job.asker})
        wait_s = self._ahead(before, self._running, job.queued).wait_s(self._cost, _units(job))
        # a request is not refused for what it asked for itself
        others = self._ahead(
            [each for each in before if each.asker is not job.asker],
            [each for each in self._running if each.askers != mine],
            job.queued,
        )
        others_s = others.wait_s(self._cost, _units(job))
        limit_s = deadline_s if job.patient else max_wait_s
        # an idle worker refuses nothing, whatever it has come to expect: else it would never learn better; nor is a probe
        # refused for its wait: behind a worker that hangs it is to find that out
        busy = job.counts and (bool(before) or len(self._running) == len(self._workers))
        if busy and is_refused(
            wait_s, others_s=others_s, limit_s=limit_s, deadline_s=deadline_s, is_near=others.is_near
        ):
            raise QueueFull(f"{place} others come first, and it would wait about {wait_s:.2g} s", wait_s)
        # what an idle worker is about to take does not wait
        if len(self._queue) >= self._max_queue + len(self._workers) - len(self._running):
            raise QueueFull(f"{self._max_queue} others are waiting already", wait_s)
        self._queue.insert(place, job)

    def _ahead(self, before: Sequence[_Job[T, R]], running: Collection[_Running], now: float) -> Ahead:
        busy = len(running) == len(self._workers)
        return Ahead(
            items=len(before),
            size=sum(_units(each) for each in before),
            counted=sum(each.counts for each in before) + sum(batch.watched for batch in running),
            running_s=min(batch.left_s(now) for batch in running) if busy else 0.0,
            workers=len(self._workers),
            max_batch=self._max_batch,
        )

    def _work(self) -> None:
        give_way(self._gives_way)
        while self._serve():
            pass

    def _serve(self) -> bool:
        """Wait for a batch and run it; False when closed. What it was is let go of before the next one is waited for."""
        with self._arrived:
            while not self._queue and not self._closed:
                self._arrived.wait()
            if self._closed:
                self._fail_waiting()
                return False
            began = time.monotonic()
            jobs = self._take()
            size = len(jobs) * max(_units(job) for job in jobs)
            watched = sum(job.counts and not job.patient for job in jobs)
            askers = frozenset(job.asker for job in jobs)
            batch = _Running(watched, askers, began, began + self._cost.of(size))
            self._running.add(batch)
        for job in jobs:
            self._wait.observe(began - job.queued)
            tracing.past("queue", began - job.queued, job.trace)
        ends, whole = self._compute(jobs)
        # before any is told: who comes again at once must not find among what runs what is done
        with self._arrived:
            self._running.remove(batch)
            if whole:
                self._cost.observe(size, time.monotonic() - began)
        _tell(jobs, ends)
        return True

    def _expire(self, job: _Job[T, R]) -> None:
        if self._drop(job) and not job.done.done():
            waited = time.monotonic() - job.queued
            job.done.set_exception(
                DeadlineExceeded(f"the request waited {waited:.1f} s for its turn: send it again, or send fewer")
            )

    def _drop(self, job: _Job[T, R]) -> bool:
        """Take a job out of the queue, unless its batch has begun."""
        with self._arrived:
            if job not in self._queue:
                return False
            self._queue.remove(job)
            return True

    def _take(self) -> list[_Job[T, R]]:
        """The first job and those that are best computed with it, in the order of their turn."""
        first = self._queue[0]
        # a batch takes as long as all that is in it: who watches does not wait for the company of who does not
        alike = [job for job in self._queue if job.patient == first.patient]
        chosen = self._with_first(alike, self._room(len(alike)))
        self._queue = [job for job in self._queue if job not in chosen]
        return [job for job in alike if job in chosen]

    def _room(self, waiting: int) -> int:
        """Most items in the next batch: idle workers share what waits, so long as it is worth a batch for each."""
        idle = len(self._workers) - len(self._running)
        return min(self._max_batch, max(_WORTH, math.ceil(waiting / idle)))

    def _with_first(self, jobs: Sequence[_Job[T, R]], room: int) -> set[_Job[T, R]]:
        """The batch of up to *room* that holds the first of *jobs*, when they are cut into batches in order of size.

        A job joins the smaller ones before it so long as padding all of them to its size costs no more than a batch of
        its own would.
        """
        batch: list[_Job[T, R]] = []
        total = 0
        for job in sorted(jobs, key=lambda each: each.size):
            if len(batch) == room or len(batch) * job.size - total > self._overhead:
                if jobs[0] in batch:
                    break
                batch, total = [], 0
            batch.append(job)
            total += job.size
        return set(batch)

    def _compute(self, jobs: list[_Job[T, R]]) -> tuple[list[Callable[[], None]], bool]:
        """What ends each job, and whether the batch was computed in one go."""
        self._batch_size.observe(len(jobs))
        try:
            results = self._run([job.item for job in jobs])
            if len(results) != len(jobs):
                raise RuntimeError(f"a batch of {len(jobs)} came back as {len(results)} results")
        except Exception as error:  # noqa: BLE001 - the worker must outlive whatever a batch raises; callers get it
            if len(jobs) == 1:
                return [partial(jobs[0].done.set_exception, error)], False
            # one bad item must not fail the others: each again, alone
            return [end for job in jobs for end in self._compute([job])[0]], False
        return [partial(job.done.set_result, result) for job, result in zip(jobs, results, strict=True)], True

    def _fail_waiting(self) -> None:
        jobs, self._queue = self._queue, []
        _tell(
            jobs,
            [
                partial(job.done.set_exception, NotReady("the service is shutting down: send the request again"))
                for job in jobs
            ],
        )


def _units(job: _Job[T, R]) -> int:
    # where items have no size they are counted
    return job.size or 1


def _tell(jobs: Sequence[_Job[T, R]], ends: Sequence[Callable[[], None]]) -> None:
    """Give jobs their ends, each in the loop that waits for it; a loop is woken once, for a wake-up is a system call."""
    futures = [job.done for job in jobs]
    for loop in {future.get_loop() for future in futures}:
        told = [each for each in zip(futures, ends, strict=True) if each[0].get_loop() is loop]
        # a loop that is closed has nobody who waits
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_end, loop, told)


def _end(loop: asyncio.AbstractEventLoop, told: Sequence[tuple["asyncio.Future[R]", Callable[[], None]]]) -> None:
    for future, end in told[:_TOLD_AT_ONCE]:
        # whoever waited may have gone
        if not future.done():
            end()
    if rest := told[_TOLD_AT_ONCE:]:
        loop.call_soon(_end, loop, rest)
