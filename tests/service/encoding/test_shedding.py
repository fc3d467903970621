"""What is refused at the door when the event loop is late."""

import asyncio
import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from service.encoding.shedding import FEW, LATE_S, MOST, Door, Shedding
from service.errors import BodyTooSlow
from service.operations.metrics import Metrics

late = st.floats(0, 10)


def looked(lateness: list[float]) -> Shedding:
    """After these looks."""
    shedding = Shedding()
    for late_s in lateness:
        shedding.look(late_s)
    return shedding


@given(lateness=st.lists(st.floats(0, LATE_S), max_size=20))
def test_a_loop_in_time_refuses_nothing(lateness: list[float]) -> None:
    """So long as the loop is no later than is borne, every request is let in."""
    shedding = looked(lateness)

    assert all(shedding.lets_in() for _ in range(100))


@given(lateness=st.lists(late, max_size=20), later=late, more=late)
def test_the_later_the_more(lateness: list[float], later: float, more: float) -> None:
    """The refused part is never negative, never all, and grows with the lateness."""
    less, much = looked([*lateness, later]), looked([*lateness, later + more])

    assert 0 <= less.part <= much.part <= MOST < 1


@given(lateness=st.lists(late, max_size=20))
def test_it_ends_with_the_lateness(lateness: list[float]) -> None:
    """Whatever was, after a second of looks in time all are let in again."""
    shedding = looked([*lateness, *[0.0] * math.ceil(1 / LATE_S)])

    assert 0 == shedding.part


@given(late_s=late, count=st.integers(1, 500))
def test_the_refused_are_spread_evenly(late_s: float, count: int) -> None:
    """Of any number of requests the part that is refused is the part that should be, to one request."""
    shedding = looked([late_s])

    refused = sum(not shedding.lets_in() for _ in range(count))

    assert refused == pytest.approx(count * shedding.part, abs=1.001)


async def ask(door: Door, path: str = "/v1/x", body: bytes = b"{}", *, chunked: bool = False) -> tuple[int, bytes, int]:
    """Status and body of the answer, and how many messages of the request were read."""
    sent, read = list[Message](), 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    size = (b"transfer-encoding", b"chunked") if chunked else (b"content-length", str(len(body)).encode())
    await door({"type": "http", "path": path, "method": "POST", "headers": [size]}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent), read


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that keeps the loop from everything else for 5 ms, and is then done."""
    time.sleep(0.005)  # noqa: ASYNC251 - that is the point
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


class Held:
    """An app that is slow, and holds requests until it is told otherwise."""

    def __init__(self) -> None:
        self.leave = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer when told."""
        await slow(scope, receive, send)
        await self.leave.wait()


async def crowded(door: Door, requests: int) -> list[asyncio.Task[tuple[int, bytes, int]]]:
    """So many requests that are under way, and that made the loop late."""
    under_way = [asyncio.create_task(ask(door)) for _ in range(requests)]
    # the late look comes after them
    await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return under_way


def test_a_loop_that_is_late_refuses_a_part() -> None:
    """With many under way and a loop that came to nothing else, some are refused as problems, and counted; health is told to all."""
    metrics = Metrics()

    async def storm() -> list[tuple[int, bytes, int]]:
        app = Held()
        door = Door(app, metrics)
        under_way = await crowded(door, FEW)
        more = [asyncio.create_task(ask(door)) for _ in range(10)]
        health = [asyncio.create_task(ask(door, "/healthz")) for _ in range(10)]
        await asyncio.sleep(0)
        app.leave.set()
        await asyncio.gather(*under_way)
        assert all(200 == status for status, _, _ in await asyncio.gather(*health))
        return await asyncio.gather(*more)

    found = asyncio.run(storm())

    refused = [body for status, body, _ in found if status == 429]
    assert 2 <= len(refused) < 10
    assert "/problems/queue-full" == json.loads(refused[0])["type"]
    assert len(refused) == metrics.registry.get_sample_value("vilem_rejected_total", {"problem": "queue-full"})


def test_few_requests_are_never_refused() -> None:
    """However late the loop was, who comes when few are under way is let in: something else held it up."""

    async def after_a_pause() -> list[int]:
        door = Door(slow, Metrics())
        await ask(door)
        time.sleep(0.5)  # noqa: ASYNC251 - the pause is the loop's
        await asyncio.sleep(0.001)
        return [(await ask(door))[0] for _ in range(10)]

    assert [200] * 10 == asyncio.run(after_a_pause())


@pytest.mark.parametrize(("size", "chunked", "expected"), [(2, False, 1), (100_000, False, 0), (2, True, 0)])
def test_what_is_small_is_read_though_refused(size: int, expected: int, *, chunked: bool) -> None:
    """A refused request that is there already is read, so that its connection lives on; a large one is not waited for."""

    async def refused() -> list[int]:
        app = Held()
        door = Door(app, Metrics())
        under_way = await crowded(door, FEW)
        more = [asyncio.create_task(ask(door, body=b"x" * size, chunked=chunked)) for _ in range(10)]
        await asyncio.sleep(0)
        app.leave.set()
        await asyncio.gather(*under_way)
        return [read for status, _, read in await asyncio.gather(*more) if status == 429]

    found = asyncio.run(refused())

    assert {expected} == set(found)


def test_who_is_refused_and_sends_no_body_is_refused_all_the_same() -> None:
    """A small body that is announced and does not come, or is too much, makes no error of ours of the refusal."""

    async def refused() -> list[int]:
        app = Held()
        door = Door(app, Metrics())
        under_way = await crowded(door, FEW)
        door._shedding.part = MOST
        statuses: list[int] = []

        async def receive() -> Message:
            raise BodyTooSlow("nothing came")

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        scope = {"type": "http", "path": "/v1/x", "method": "POST", "headers": [(b"content-length", b"2")]}
        more = [asyncio.ensure_future(door(scope, receive, send)) for _ in range(2)]
        await asyncio.sleep(0)
        app.leave.set()
        await asyncio.gather(*under_way, *more)
        return [each for each in statuses if each]

    assert 429 in asyncio.run(asyncio.wait_for(refused(), 10))


def test_a_door_that_nobody_comes_to_is_not_watched() -> None:
    """After the last request, and the last lateness, the loop has nothing left to do for the door."""
    door = Door(slow, Metrics())

    async def once() -> bool:
        await ask(door)
        for _ in range(500):
            if not door._looking:
                return False
            await asyncio.sleep(0.01)
        return True

    assert not asyncio.run(once())
