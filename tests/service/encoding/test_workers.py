"""A bounded pool of threads."""

import asyncio
import os
import threading

import pytest

from service.encoding.workers import Workers
from service.errors import DeadlineExceeded, QueueFull
from service.operations.metrics import Metrics

PATIENT_S = 30.0


def workers(threads: int = 1, max_queue: int = 2, deadline_s: float = PATIENT_S) -> Workers:
    """A pool for one test."""
    return Workers(threads, max_queue=max_queue, deadline_s=deadline_s, name="test", metrics=Metrics())


def test_work_runs_in_a_thread_of_the_pool() -> None:
    """The result is what the work returned, computed in a thread of that name."""
    pool = workers()

    assert asyncio.run(pool.run(lambda: threading.current_thread().name)).startswith("batch-test")
    pool.close()


def test_an_error_reaches_the_caller() -> None:
    """What the work raises, the caller gets, and the pool goes on."""
    pool = workers()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(pool.run(lambda: 1 // 0))
    assert 1 == asyncio.run(pool.run(lambda: 1))
    pool.close()


def test_beyond_its_queue_it_refuses() -> None:
    """One thread and two waiting are three calls; the fourth is refused at once, and after them there is room."""

    async def ask() -> None:
        pool, gate = workers(), threading.Event()
        held = [asyncio.ensure_future(pool.run(lambda: gate.wait(PATIENT_S))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await pool.run(lambda: None)
        gate.set()
        assert [True] * 3 == await asyncio.gather(*held)
        await asyncio.sleep(0.01)
        assert 7 == await pool.run(lambda: 7)
        pool.close()

    asyncio.run(ask())


def test_what_has_not_begun_in_time_is_dropped() -> None:
    """A call whose turn does not come before the deadline fails and never runs; one that runs is waited for."""

    async def ask() -> None:
        pool, gate, ran = workers(deadline_s=0.5), threading.Event(), threading.Event()
        running = asyncio.ensure_future(pool.run(lambda: gate.wait(PATIENT_S)))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await pool.run(ran.set)
        gate.set()
        assert await running
        assert not ran.is_set()
        pool.close()

    asyncio.run(ask())


def test_a_call_that_was_cancelled_makes_room() -> None:
    """A caller that leaves before its turn frees its place."""

    async def ask() -> None:
        pool, gate = workers(max_queue=1), threading.Event()
        running = asyncio.ensure_future(pool.run(lambda: gate.wait(PATIENT_S)))
        waiting = asyncio.ensure_future(pool.run(lambda: 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0.01)
        other = asyncio.ensure_future(pool.run(lambda: 2))
        await asyncio.sleep(0)
        gate.set()
        assert (True, 2) == (await running, await other)
        pool.close()

    asyncio.run(ask())


def test_a_pool_stands_behind_as_far_as_it_is_told() -> None:
    """Its threads give way to the one that asks them, which keeps its place."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    pool = Workers(2, max_queue=2, deadline_s=PATIENT_S, name="test", metrics=Metrics(), gives_way=4)

    assert before + 4 == asyncio.run(pool.run(lambda: os.getpriority(os.PRIO_PROCESS, 0)))
    assert before == os.getpriority(os.PRIO_PROCESS, 0)
    pool.close()


def test_who_would_wait_longer_than_is_said_is_refused() -> None:
    """Of calls with a limit no more wait than one for each thread, when others take long; calls without one all wait."""

    async def ask() -> None:
        pool, gate = workers(max_queue=10), threading.Event()
        pool._calls._cost.observe(1, 1.0)
        held = [asyncio.ensure_future(pool.run(lambda: gate.wait(PATIENT_S), 0.1)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await pool.run(lambda: True, 0.1)
        held.append(asyncio.ensure_future(pool.run(lambda: True)))
        await asyncio.sleep(0)
        gate.set()
        assert [True] * 3 == await asyncio.gather(*held)
        pool.close()

    asyncio.run(ask())
