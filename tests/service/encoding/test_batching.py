"""Micro-batches: what shares one, what is refused, what fails alone."""

import asyncio
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import groupby

import pytest

from service.encoding import urgency
from service.encoding.batching import MicroBatcher
from service.errors import DeadlineExceeded, NotReady, QueueFull
from service.operations.metrics import Metrics

PATIENT_S = 30.0


class Gate:
    """A batch function that notes each batch, and waits for leave while the gate is shut."""

    def __init__(self, *, shut: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Event()
        self.leave = threading.Event()
        if not shut:
            self.leave.set()

    def __call__(self, batch: list[int]) -> list[int]:
        self.batches.append(batch)
        self.entered.set()
        assert self.leave.wait(PATIENT_S)
        return [10 * number for number in batch]


@contextmanager
def batcher(
    run: Callable[[list[int]], list[int]],
    *,
    max_batch: int = 8,
    max_queue: int = 64,
    size: Callable[[int], int] = lambda _: 0,
    overhead: int = 0,
    max_wait_s: float = PATIENT_S,
    workers: int = 1,
) -> Iterator[MicroBatcher[int, int]]:
    """A batcher that is closed at the end."""
    made = MicroBatcher(
        run,
        name="test",
        max_batch=max_batch,
        max_queue=max_queue,
        metrics=Metrics(),
        size=size,
        overhead=overhead,
        max_wait_s=max_wait_s,
        workers=workers,
    )
    try:
        yield made
    finally:
        made.close()


async def behind_a_running_batch(
    batching: MicroBatcher[int, int], gate: Gate, then: Callable[[], Awaitable[None]]
) -> list[int | BaseException]:
    """Submit 0, wait until it runs, submit 1..9, do *then*, open the gate; what the ten got."""
    first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
    await asyncio.to_thread(gate.entered.wait, PATIENT_S)
    others = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in range(1, 10)]
    await asyncio.sleep(0)
    await then()
    gate.leave.set()
    return await asyncio.gather(first, *others, return_exceptions=True)


async def submitted(batching: MicroBatcher[int, int], number: int, how_urgent: int) -> int:
    """Submit, in a task of that urgency."""
    urgency.begin(f"u={how_urgent}")
    return await batching.submit(number, PATIENT_S)


async def all_at_once(batching: MicroBatcher[int, int], count: int, how_urgent: int = 3) -> list[int | BaseException]:
    """What so many submissions at one moment got."""
    asked = (submitted(batching, number, how_urgent) for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    for _ in range(int(1000 * PATIENT_S)):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to hold")


def slow(batch: list[int]) -> list[int]:
    """A batch that takes 30 ms, never less."""
    time.sleep(0.03)
    return batch


async def nothing() -> None:
    """Do nothing."""


def test_every_caller_gets_its_own_result() -> None:
    """However requests are batched, each gets the result of its own item."""
    with batcher(Gate(), max_batch=7) as batching:

        async def ask() -> list[int]:
            return await asyncio.gather(*(batching.submit(number, PATIENT_S) for number in range(60)))

        assert [10 * number for number in range(60)] == asyncio.run(ask())


def test_a_lone_item_does_not_wait() -> None:
    """An idle worker runs an item at once, in a batch of one: there is no timer to wait for others."""
    gate = Gate()
    with batcher(gate) as batching:
        assert 30 == asyncio.run(batching.submit(3, PATIENT_S))

    assert [[3]] == gate.batches


def test_what_came_during_a_batch_is_the_next_batch() -> None:
    """While a batch runs items gather; the worker then takes them together, up to the cap, oldest first."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=6) as batching:
        results = asyncio.run(behind_a_running_batch(batching, gate, nothing))

    assert [[0], [1, 2, 3, 4, 5, 6], [7, 8, 9]] == gate.batches
    assert [10 * number for number in range(10)] == results


def test_a_batch_holds_what_is_alike_when_more_is_waiting_than_fits() -> None:
    """When not all that waits fits into a batch, the oldest item shares it with those nearest to its size."""
    gate = Gate(shut=True)
    # even numbers are short texts, odd ones long
    with batcher(gate, max_batch=5, size=lambda number: 8 if number % 2 == 0 else 77) as batching:
        asyncio.run(behind_a_running_batch(batching, gate, nothing))

    assert [[0], [1, 3, 5, 7, 9], [2, 4, 6, 8]] == gate.batches


def test_one_long_item_does_not_pad_the_others() -> None:
    """Even where all fits into one batch, an item is parted when padding to its size costs more than a batch."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=32, size=lambda number: 77 if number == 5 else 8, overhead=36) as batching:
        asyncio.run(behind_a_running_batch(batching, gate, nothing))

    assert [[0], [1, 2, 3, 4, 6, 7, 8, 9], [5]] == gate.batches


def test_items_nearly_alike_share_a_batch() -> None:
    """A little padding is cheaper than a batch of its own: sizes that differ by little are not parted."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=32, size=lambda number: 8 + number % 3, overhead=36) as batching:
        asyncio.run(behind_a_running_batch(batching, gate, nothing))

    assert [[0], [1, 2, 3, 4, 5, 6, 7, 8, 9]] == gate.batches


def test_the_oldest_is_always_next() -> None:
    """Whatever its size, the item that has waited longest is in the next batch: nothing starves."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=3, size=lambda number: 100 - number, overhead=0) as batching:
        asyncio.run(behind_a_running_batch(batching, gate, nothing))

    waiting = list(range(1, 10))
    for batch in gate.batches[1:]:
        assert waiting[0] in batch
        waiting = [number for number in waiting if number not in batch]
    assert [] == waiting


def test_a_full_queue_refuses() -> None:
    """Beyond the queue's limit a submission is refused at once, and what was accepted is still answered."""
    gate = Gate(shut=True)
    with batcher(gate, max_queue=9) as batching:

        async def one_more() -> None:
            with pytest.raises(QueueFull, match="9"):
                await batching.submit(99, PATIENT_S)

        results = asyncio.run(behind_a_running_batch(batching, gate, one_more))

    assert [10 * number for number in range(10)] == results
    assert 99 not in [number for batch in gate.batches for number in batch]


def test_who_would_wait_too_long_is_refused_and_told_how_long() -> None:
    """Of 20 items at 30 ms or more, no more are let in than 0.1 s has room for; the others are refused at once."""
    with batcher(slow, max_batch=1, max_wait_s=0.1) as batching:

        async def ask() -> tuple[list[int | BaseException], float]:
            for _ in range(3):
                await batching.submit(0, PATIENT_S)
            began = time.thread_time()
            first = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in range(20)]
            await asyncio.sleep(0)
            took = time.thread_time() - began
            return await asyncio.gather(*first, return_exceptions=True), took

        results, took = asyncio.run(ask())

    refused = [each for each in results if isinstance(each, QueueFull)]
    assert 15 <= len(refused) < 20
    assert list(range(20 - len(refused))) == results[: 20 - len(refused)]
    assert all(each.wait_s > 0.1 and "send it again in" in str(each) for each in refused)
    assert took < 0.05


def test_who_does_not_watch_waits_up_to_the_deadline() -> None:
    """The limit of waiting is for those who watch: a batch request is refused only where its deadline would pass."""
    with batcher(slow, max_batch=1, max_wait_s=0.05) as batching:

        async def ask(deadline_s: float) -> list[int | BaseException]:
            await all_at_once(batching, 1)
            urgency.begin("u=5")
            return await asyncio.gather(
                *(batching.submit(number, deadline_s) for number in range(12)), return_exceptions=True
            )

        assert list(range(12)) == asyncio.run(ask(PATIENT_S))
        refused = [each for each in asyncio.run(ask(0.2)) if not isinstance(each, int)]

    assert any(isinstance(each, QueueFull) for each in refused)


def test_what_fits_two_batches_is_not_refused() -> None:
    """However slow batches are, what fits two, with what runs, may wait: else a slow machine would serve nobody."""
    leave = threading.Event()
    leave.set()

    def gated(batch: list[int]) -> list[int]:
        assert leave.wait(PATIENT_S)
        return slow(batch)

    with batcher(gated, max_batch=8, max_wait_s=0.001) as batching:

        async def ask() -> list[int | BaseException]:
            await batching.submit(0, PATIENT_S)
            await until(lambda: not batching._running)
            leave.clear()
            running = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await until(lambda: bool(batching._running) and not batching._queue)
            others = [asyncio.ensure_future(submitted(batching, number, 3)) for number in range(20)]
            await asyncio.sleep(0)
            leave.set()
            await running
            return await asyncio.gather(*others, return_exceptions=True)

        results = asyncio.run(ask())

    assert list(range(15)) == results[:15]
    assert all(isinstance(each, QueueFull) for each in results[15:])


def test_an_idle_worker_refuses_nothing() -> None:
    """After a batch that took far longer than anybody may wait the next one is tried: else it would stay refused."""
    pauses = [0.2]

    def run(batch: list[int]) -> list[int]:
        time.sleep(pauses.pop() if pauses else 0)
        return batch

    with batcher(run, max_batch=1, max_wait_s=0.01) as batching:

        async def ask() -> list[int]:
            found = []
            for number in range(3):
                found.append(await batching.submit(number, PATIENT_S))
                # the worker notes what it cost
                await until(lambda: not batching._running)
            return found

        assert [0, 1, 2] == asyncio.run(ask())


async def behind_two_that_hang(
    batching: MicroBatcher[int, int], gate: Gate, then: Callable[[], Awaitable[None]]
) -> None:
    """Let two workers learn that an item takes next to no time, have each hang with one for 0.3 s or more, do *then*."""
    for _ in range(5):
        await batching.submit(0, PATIENT_S)
    await until(lambda: not batching._running)
    gate.leave.clear()
    running = [asyncio.ensure_future(batching.submit(0, PATIENT_S)) for _ in range(2)]
    await until(lambda: len(batching._running) == 2)
    await asyncio.sleep(0.3)
    await then()
    gate.leave.set()
    await asyncio.gather(*running)


def test_what_is_overdue_is_expected_to_last() -> None:
    """Behind batches that hang newcomers are refused at once, and told a wait as long as those have lasted: none waits in vain."""
    gate = Gate()
    with batcher(gate, max_batch=1, max_wait_s=0.1, workers=2) as batching:

        async def newcomers() -> None:
            found = [asyncio.ensure_future(submitted(batching, number, 3)) for number in range(12)]
            await asyncio.sleep(0)
            # one for each worker is always let wait, up to the deadline
            refused = await asyncio.gather(*found[2:], return_exceptions=True)
            assert all(isinstance(each, QueueFull) and each.wait_s >= 0.3 for each in refused), refused
            assert not any(each.done() for each in found[:2])
            with pytest.raises(QueueFull):
                await batching.submit(0, 0.2)
            gate.leave.set()
            assert [0, 10] == await asyncio.gather(*found[:2])

        asyncio.run(behind_two_that_hang(batching, gate, newcomers))


def test_a_probe_finds_out_that_a_worker_hangs() -> None:
    """However long its wait may be it is let in, and waits in vain: to be refused would only tell it that all are busy."""
    gate = Gate()
    with batcher(gate, max_batch=1, max_wait_s=0.1, workers=2) as batching:

        async def probe() -> None:
            urgency.prefer(urgency.PROBE)
            with pytest.raises(DeadlineExceeded):
                await batching.submit(0, 0.05)

        asyncio.run(behind_two_that_hang(batching, gate, lambda: asyncio.create_task(probe())))


def test_a_request_is_not_refused_for_what_it_asked_for_itself() -> None:
    """The limit is of waiting for others: a request may ask for many things at a time; who comes behind it is refused."""
    gate = Gate()
    with batcher(gate, max_batch=1, max_wait_s=0.1) as batching:

        async def ask() -> list[int | BaseException]:
            batching._cost.observe(1, 1.0)
            gate.leave.clear()
            urgency.begin("u=3")
            own = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in range(10)]
            await until(lambda: len(batching._queue) == 9)
            with pytest.raises(QueueFull):
                await asyncio.create_task(submitted(batching, 99, 3))
            gate.leave.set()
            return await asyncio.gather(*own, return_exceptions=True)

        assert [10 * number for number in range(10)] == asyncio.run(ask())


def test_the_more_urgent_is_served_first() -> None:
    """What waits is served by urgency, and in the order it came where that is equal."""
    gate, asked = Gate(shut=True), {1: 5, 2: 3, 3: 0, 4: 7, 5: 3, 6: 5}
    with batcher(gate, max_batch=1) as batching:

        async def ask() -> None:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            others = [asyncio.ensure_future(submitted(batching, *each)) for each in asked.items()]
            await asyncio.sleep(0)
            gate.leave.set()
            await asyncio.gather(first, *others)

        asyncio.run(ask())

    assert [[0], [3], [2], [5], [1], [6], [4]] == gate.batches


def test_who_watches_does_not_wait_for_the_company_of_who_does_not() -> None:
    """A batch holds interactive requests or batch requests, though there was room for both."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=32) as batching:

        async def ask() -> None:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            others = [asyncio.ensure_future(submitted(batching, each, 5 if each % 2 else 3)) for each in range(1, 9)]
            await asyncio.sleep(0)
            gate.leave.set()
            await asyncio.gather(first, *others)

        asyncio.run(ask())

    assert [[0], [2, 4, 6, 8], [1, 3, 5, 7]] == gate.batches


def test_what_has_waited_long_enough_passes_the_more_urgent() -> None:
    """One step less urgent is served first after half a second: nothing starves behind a stream of others."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=1) as batching:

        async def ask() -> None:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            patient = asyncio.ensure_future(submitted(batching, 1, 4))
            await asyncio.sleep(1.1 * urgency.STEP_S)
            hasty = asyncio.ensure_future(submitted(batching, 2, 3))
            await asyncio.sleep(0)
            gate.leave.set()
            await asyncio.gather(first, patient, hasty)

        asyncio.run(ask())

    assert [[0], [1], [2]] == gate.batches


def test_workers_share_a_queue() -> None:
    """Two workers run two batches at a time: neither waits for the other."""
    both = threading.Barrier(2, timeout=PATIENT_S)

    def run(batch: list[int]) -> list[int]:
        both.wait()
        return batch

    with batcher(run, max_batch=1, workers=2) as batching:
        assert [0, 1, 2, 3] == asyncio.run(all_at_once(batching, 4))


@pytest.mark.parametrize(("waiting", "expected"), [(6, [6]), (20, [10, 10]), (90, [32, 32])])
def test_idle_workers_share_what_waits(waiting: int, expected: list[int]) -> None:
    """Two idle workers take half each, so long as eight are left for both, and never more than fit into a batch."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=32, max_queue=100, workers=2) as batching:

        async def ask() -> list[list[int]]:
            # both workers are at it before anything can be shared: as one notices, so does the other
            with batching._arrived:
                asked = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in range(waiting)]
                await asyncio.sleep(0)
            await until(lambda: len(batching._running) == len(expected))
            first = list(gate.batches)
            gate.leave.set()
            await asyncio.gather(*asked)
            return first

        assert expected == sorted(len(batch) for batch in asyncio.run(ask()))


def test_an_item_past_its_deadline_costs_nothing() -> None:
    """The deadline is kept while the worker is busy: the item fails at once, is never computed, and leaves its place."""
    gate = Gate(shut=True)
    with batcher(gate, max_queue=1) as batching:

        async def ask() -> None:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            with pytest.raises(DeadlineExceeded, match="waited"):
                await batching.submit(1, 0.5)
            other = asyncio.ensure_future(batching.submit(2, PATIENT_S))
            await asyncio.sleep(0)
            assert not first.done()
            gate.leave.set()
            assert (0, 20) == (await first, await other)

        asyncio.run(ask())

    assert [[0], [2]] == gate.batches


def test_an_item_whose_caller_has_gone_leaves_its_place() -> None:
    """A cancelled submission makes room in a full queue at once, not when the worker comes to it."""
    gate = Gate(shut=True)
    with batcher(gate, max_queue=1) as batching:

        async def ask() -> int:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            gone = asyncio.ensure_future(batching.submit(1, PATIENT_S))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            other = asyncio.ensure_future(batching.submit(2, PATIENT_S))
            await asyncio.sleep(0)
            gate.leave.set()
            return await first + await other

        assert 20 == asyncio.run(ask())

    assert [[0], [2]] == gate.batches


def test_a_batch_that_comes_back_short_fails_and_the_worker_goes_on() -> None:
    """A function that returns too few results fails its callers; later ones are answered."""
    short = [True]

    def run(batch: list[int]) -> list[int]:
        return [] if short and short.pop() else batch

    with batcher(run) as batching:

        async def ask() -> int:
            with pytest.raises(RuntimeError, match="1 came back as 0"):
                await batching.submit(1, PATIENT_S)
            return await asyncio.wait_for(batching.submit(2, PATIENT_S), PATIENT_S)

        assert 2 == asyncio.run(ask())


def test_an_item_whose_caller_has_gone_costs_nothing() -> None:
    """A cancelled submission is dropped before it is computed; the others of its batch are answered."""
    gate = Gate(shut=True)
    with batcher(gate) as batching:

        async def ask() -> list[int]:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await asyncio.to_thread(gate.entered.wait, PATIENT_S)
            others = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in (1, 2, 3)]
            await asyncio.sleep(0)
            others[1].cancel()
            await asyncio.sleep(0)
            gate.leave.set()
            return [await first, await others[0], await others[2]]

        assert [0, 10, 30] == asyncio.run(ask())

    assert [[0], [1, 3]] == gate.batches


def test_a_bad_item_fails_alone() -> None:
    """When a batch raises, each item is computed again by itself: only the bad ones fail, with their own error."""

    def reciprocal(batch: list[int]) -> list[int]:
        return [840 // number for number in batch]

    gate = Gate(shut=True)

    def gated(batch: list[int]) -> list[int]:
        gate(batch)
        return [0 if number == 0 and len(gate.batches) == 1 else reciprocal([number - 5])[0] for number in batch]

    with batcher(gated) as batching:
        results = asyncio.run(behind_a_running_batch(batching, gate, nothing))

    assert isinstance(results[5], ZeroDivisionError)
    assert [-210, -280, -420, -840, 840, 420, 280, 210] == [results[place] for place in (1, 2, 3, 4, 6, 7, 8, 9)]


def test_the_worker_outlives_an_error() -> None:
    """After a batch has failed the next one is computed."""
    failing = [True]

    def run(batch: list[int]) -> list[int]:
        if failing.pop() if failing else False:
            raise RuntimeError("broken")
        return batch

    with batcher(run) as batching:

        async def ask() -> int:
            with pytest.raises(RuntimeError, match="broken"):
                await batching.submit(1, PATIENT_S)
            return await batching.submit(2, PATIENT_S)

        assert 2 == asyncio.run(ask())


def test_a_closed_batcher_refuses() -> None:
    """After close() a submission fails with NotReady, and the worker thread has ended."""
    with batcher(Gate()) as batching:
        batching.close()

        with pytest.raises(NotReady):
            asyncio.run(batching.submit(1, PATIENT_S))

    assert not [each for each in threading.enumerate() if each in batching._workers]


def test_a_closed_batcher_holds_nothing() -> None:
    """What it ran, a model say, can go as soon as nobody else has it: no cycle is left to Python's collector."""
    gate = Gate()
    gone = weakref.ref(gate)
    batches = MicroBatcher(gate, name="test", max_batch=1, max_queue=1, metrics=Metrics())
    batches.close()
    del gate

    assert gone() is None
    batches.close()


def test_an_idle_worker_holds_nothing() -> None:
    """Once its callers have their results the batch is let go of: what waits for work keeps no pictures in memory."""
    batching: MicroBatcher[Gate, Gate] = MicroBatcher(
        lambda batch: batch, name="test", max_batch=4, max_queue=4, metrics=Metrics()
    )

    async def ask() -> "weakref.ref[Gate]":
        item = Gate()
        assert item is await batching.submit(item, PATIENT_S)
        return weakref.ref(item)

    async def let_go() -> None:
        gone = await ask()
        await until(lambda: gone() is None)

    asyncio.run(let_go())
    batching.close()


def test_who_comes_again_at_once_finds_nothing_running() -> None:
    """Eight clients that ask again as soon as they were answered are never too many for two batches of four."""
    with batcher(slow, max_batch=4, max_wait_s=0.001) as batching:

        async def client() -> list[int]:
            return [await batching.submit(number, PATIENT_S) for number in range(6)]

        async def ask() -> list[list[int]]:
            return await asyncio.gather(*(client() for _ in range(8)))

        assert [list(range(6))] * 8 == asyncio.run(ask())


def test_a_probe_takes_nobodys_place() -> None:
    """Beside eight clients for two batches of four the service's own probe has none of them refused."""
    with batcher(slow, max_batch=4, max_wait_s=0.001, workers=2) as batching:

        async def client() -> list[int]:
            return [await batching.submit(number, PATIENT_S) for number in range(6)]

        async def probe() -> list[int]:
            urgency.prefer(urgency.PROBE)
            return await client()

        async def ask() -> list[list[int]]:
            return await asyncio.gather(*(client() for _ in range(8)), probe())

        assert [list(range(6))] * 9 == asyncio.run(ask())


def test_a_probe_is_served_first() -> None:
    """Whatever waits, in a service that is well it waits for what runs alone: else a busy one would be taken for a broken one."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=1) as batching:

        async def probe() -> int:
            urgency.prefer(urgency.PROBE)
            return await batching.submit(99, PATIENT_S)

        async def ask() -> None:
            others = [asyncio.ensure_future(batching.submit(number, PATIENT_S)) for number in range(5)]
            await until(gate.entered.is_set)
            probed = asyncio.ensure_future(probe())
            await until(lambda: len(batching._queue) == 5)
            gate.leave.set()
            await asyncio.gather(*others, probed)

        asyncio.run(ask())

    assert [[0], [99], [1], [2], [3], [4]] == gate.batches


def test_who_stands_before_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody watches is passed by for a while; once its turn is before one's own one waits for it, or is refused for it."""
    monkeypatch.setattr(urgency, "STEP_S", 0.0)
    gate = Gate()
    with batcher(gate, max_batch=4, max_wait_s=0.001) as batching:

        async def patient(number: int) -> int:
            urgency.begin("u=5")
            return await batching.submit(number, PATIENT_S)

        async def ask(before: int) -> int | BaseException:
            batching._cost.observe(4, 1.0)
            gate.leave.clear()
            running = asyncio.ensure_future(patient(0))
            await until(lambda: bool(batching._running) and not batching._queue)
            others = [asyncio.ensure_future(patient(number)) for number in range(before)]
            await until(lambda: len(batching._queue) == before)
            own = asyncio.ensure_future(batching.submit(9, PATIENT_S))
            await asyncio.sleep(0)
            gate.leave.set()
            found, *_ = await asyncio.gather(own, running, *others, return_exceptions=True)
            return found

        assert 90 == asyncio.run(ask(7))
        assert isinstance(asyncio.run(ask(8)), QueueFull)


def test_a_batch_that_is_done_does_not_hold_the_loop() -> None:
    """Of who waited for one batch a few are told at a time: what else the loop has to do comes in between."""
    gate = Gate(shut=True)
    with batcher(gate, max_batch=32) as batching:
        order: list[str] = []

        async def client() -> None:
            await batching.submit(0, PATIENT_S)
            order.append("told")

        async def other() -> None:
            while order.count("told") < 32:
                order.append("other")
                await asyncio.sleep(0)

        async def ask() -> None:
            first = asyncio.ensure_future(batching.submit(0, PATIENT_S))
            await until(gate.entered.is_set)
            clients = [asyncio.ensure_future(client()) for _ in range(32)]
            await until(lambda: len(batching._queue) == 32)
            gate.leave.set()
            await asyncio.gather(first, *clients, other())

        asyncio.run(ask())

    runs = [len(list(run)) for what, run in groupby(order) if what == "told"]
    assert max(runs) <= 8
    assert 32 == sum(runs)


def test_sizes_and_waits_are_measured() -> None:
    """Each batch is counted by its size, and each item's wait is observed, under the batcher's name."""
    metrics = Metrics()
    batching: MicroBatcher[int, int] = MicroBatcher(
        lambda batch: batch, name="text", max_batch=8, max_queue=8, metrics=metrics
    )
    asyncio.run(batching.submit(1, PATIENT_S))
    batching.close()

    assert 1 == metrics.registry.get_sample_value("vilem_batch_size_count", {"queue": "text"})
    assert 1 == metrics.registry.get_sample_value("vilem_queue_wait_seconds_count", {"queue": "text"})
