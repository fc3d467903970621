"""Rates and places of keys, in one process and over several, with Redis and while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from service.caching import redis_link
from service.caching.redis_link import RedisLink
from service.errors import AsksTooMuch, OverConcurrency, OverRate
from service.guard import quotas
from service.guard.keys import ApiKey, make_key
from service.guard.quotas import Entry, Quotas
from service.operations.metrics import Metrics
from tests.support.redis_server import RedisServer, needs_redis, running_redis


def limited(rate: float | None = None, concurrency: int | None = None) -> ApiKey:
    """A new key with such limits."""
    return make_key("a", ["search"], rate=rate, concurrency=concurrency)[1]


async def let_in(counts: Quotas, key: ApiKey, tries: int) -> list[Entry]:
    """Those of so many requests, one after the other, that are let in."""
    entries: list[Entry] = []
    for _ in range(tries):
        try:
            entries.append(await counts.enter(key))
        except (OverRate, OverConcurrency):
            continue
    return entries


def test_a_key_without_limits_is_never_refused() -> None:
    """And nothing is noted of it."""
    counts, key = Quotas(None), limited()

    assert 1000 == len(asyncio.run(let_in(counts, key, 1000)))


def test_a_rate_bounds_what_comes_at_once() -> None:
    """As many as a second has, then none until one would have come; the wait is told, and true."""
    counts, key = Quotas(None), limited(rate=20)

    async def ask() -> None:
        assert list(range(19, -1, -1)) == [each.remaining for each in await let_in(counts, key, 20)]
        with pytest.raises(OverRate) as caught:
            await counts.enter(key)
        assert 0 < caught.value.wait_s <= 1 / 20
        await asyncio.sleep(caught.value.wait_s)
        await counts.enter(key)

    asyncio.run(ask())


async def charge(counts: Quotas, key: ApiKey, count: int) -> int | None:
    """Let in a request that holds so many; what remains."""
    entry = await counts.enter(key)
    await counts.charge(entry, count)
    counts.leave(entry)
    return entry.remaining


def test_what_holds_several_counts_as_several() -> None:
    """As many as so many requests; what is too much now may come when it is said, and what no burst holds never."""
    counts, key = Quotas(None), limited(rate=20)

    async def ask() -> None:
        assert 15 == await charge(counts, key, 5)
        with pytest.raises(OverRate) as caught:
            await charge(counts, key, 18)
        # it was let in for one; 14 are there, and 18 needed
        assert 0 < caught.value.wait_s <= 4 / 20
        await asyncio.sleep(caught.value.wait_s)
        await charge(counts, key, 18)
        with pytest.raises(AsksTooMuch, match="at most 20"):
            await charge(counts, limited(rate=20), 21)
        assert await charge(counts, limited(concurrency=1), 1000) is None

    asyncio.run(ask())


def test_places_are_given_back() -> None:
    """So many under way at a time; who leaves makes room for one."""
    counts, key = Quotas(None), limited(concurrency=3)

    async def ask() -> None:
        held = await let_in(counts, key, 10)
        assert 3 == len(held)
        counts.leave(held[0])
        assert 1 == len(await let_in(counts, key, 10))

    asyncio.run(ask())


def test_one_key_does_not_cost_another() -> None:
    """Limits are each key's own."""
    counts = Quotas(None)
    first, second = limited(rate=1), limited(rate=1)

    assert 1 == len(asyncio.run(let_in(counts, first, 5)))
    assert 1 == len(asyncio.run(let_in(counts, second, 5)))


def test_a_refused_place_costs_no_rate() -> None:
    """What is refused because too much is under way is not counted as asked."""
    counts, key = Quotas(None), limited(rate=10, concurrency=1)

    async def ask() -> int:
        held = await let_in(counts, key, 5)
        counts.leave(held[0])
        return (await counts.enter(key)).remaining or 0

    assert 8 == asyncio.run(ask())


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis for this module."""
    with running_redis() as server:
        yield server


@asynccontextmanager
async def replicas(redis: RedisServer, count: int, timeout_s: float = 1.0) -> AsyncIterator[list[Quotas]]:
    """So many services that share one Redis; patient, for a test machine may be busy."""
    links = [RedisLink(redis.url, timeout_s, Metrics()) for _ in range(count)]
    try:
        yield [Quotas(link) for link in links]
    finally:
        for link in links:
            await link.close()


@needs_redis
def test_replicas_share_a_rate(redis: RedisServer) -> None:
    """Two replicas let in together what one would."""

    async def ask() -> int:
        async with replicas(redis, 2) as both:
            key = limited(rate=10)
            found = await asyncio.gather(*(let_in(each, key, 20) for each in both))
            return sum(map(len, found))

    began = time.monotonic()
    count = asyncio.run(ask())

    assert 10 <= count <= 10 + 10 * (time.monotonic() - began)


@needs_redis
def test_replicas_share_what_holds_several(redis: RedisServer) -> None:
    """What one replica let in as many is spent for the other; a refusal costs neither more than being let in."""

    async def ask() -> None:
        async with replicas(redis, 2) as (here, there):
            key = limited(rate=10)
            await charge(here, key, 5)
            with pytest.raises(OverRate) as caught:
                await charge(there, key, 10)
            assert 0 < caught.value.wait_s <= 0.6
            await asyncio.sleep(caught.value.wait_s)
            assert await charge(there, key, 10) is not None

    asyncio.run(ask())


@needs_redis
def test_replicas_share_places(redis: RedisServer) -> None:
    """A place that one holds the other has not; when it is given back the other gets it."""

    async def ask() -> None:
        async with replicas(redis, 2) as (here, there):
            key = limited(concurrency=2)
            held = await let_in(here, key, 2)
            assert [] == await let_in(there, key, 1)
            here.leave(held[0])
            await asyncio.gather(*here._leaving)
            assert 1 == len(await let_in(there, key, 5))

    asyncio.run(ask())


@needs_redis
def test_what_redis_refuses_is_not_spent_here(redis: RedisServer) -> None:
    """What a replica was refused for the others' sake it may still let in when they are away."""

    async def ask() -> int:
        async with replicas(redis, 2) as (here, there):
            key = limited(rate=0.5, concurrency=1)
            held = await let_in(here, key, 1)
            assert [] == await let_in(there, key, 5)
            here.leave(held[0])
            there._link = None
            return len(await let_in(there, key, 5))

    assert 1 == asyncio.run(ask())


@needs_redis
def test_what_a_killed_replica_held_is_free_again(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places of one that never gives them back are free after the lease."""
    monkeypatch.setattr(quotas, "LEASE_S", 0.2)

    async def ask() -> None:
        async with replicas(redis, 2) as (killed, there):
            key = limited(concurrency=1)
            assert 1 == len(await let_in(killed, key, 1))
            assert [] == await let_in(there, key, 1)
            await asyncio.sleep(0.25)
            assert 1 == len(await let_in(there, key, 1))

    asyncio.run(ask())


@needs_redis
def test_a_request_that_waited_for_redis_as_long_as_it_may_gives_its_place_back(redis: RedisServer) -> None:
    """What it looked up in the cache has used up its time with Redis; the place is given back all the same."""

    async def ask() -> None:
        async with replicas(redis, 2) as (here, there):
            key = limited(concurrency=1)
            redis_link.begin_request()
            held = await let_in(here, key, 1)
            waits = redis_link._waits.get()
            assert waits is not None
            waits.ended_s = 10.0
            here.leave(held[0])
            await asyncio.gather(*here._leaving)
            redis_link.begin_request()
            assert 1 == len(await let_in(there, key, 1))

    asyncio.run(ask())


@needs_redis
@pytest.mark.parametrize("paused", ["while it comes", "while it leaves"])
def test_a_place_is_given_back_when_redis_answers_again(paused: str) -> None:
    """A Redis that was silent for a while does not keep a place that nobody holds until its lease ends."""

    async def ask(redis: RedisServer) -> None:
        async with replicas(redis, 1) as (there,), replicas(redis, 1, timeout_s=0.05) as (here,):
            key = limited(concurrency=1)
            await let_in(there, limited(concurrency=1), 1)
            if paused == "while it comes":
                # connected, and then silent: what it is asked for it will do
                await let_in(here, limited(concurrency=1), 1)
                redis.pause()
            held = await let_in(here, key, 1)
            redis.pause() if paused == "while it leaves" else None
            here.leave(held[0])
            await asyncio.sleep(0.1)
            redis.resume()
            async with asyncio.timeout(10):
                await asyncio.gather(*here._leaving)
            assert 1 == len(await let_in(there, key, 1))

    with running_redis() as redis:
        asyncio.run(ask(redis))


@needs_redis
def test_a_client_that_leaves_meanwhile_holds_no_place(redis: RedisServer) -> None:
    """A request that is cancelled while Redis is asked leaves nothing behind, here and there."""

    async def ask() -> None:
        async with replicas(redis, 2) as (here, there):
            key = limited(concurrency=1)
            hasty = asyncio.create_task(here.enter(key))
            await asyncio.sleep(0)
            hasty.cancel()
            await asyncio.gather(hasty, return_exceptions=True)
            await asyncio.gather(*here._leaving)
            assert 1 == len(await let_in(there, key, 1))

    asyncio.run(ask())


@needs_redis
@pytest.mark.parametrize("fault", ["gone", "silent", "wrong type"])
def test_without_redis_each_counts_alone(fault: str) -> None:
    """A Redis that is gone, silent or holds something else makes no request fail or wait: each replica keeps the limit itself."""
    key = limited(rate=5, concurrency=4)

    async def ask(redis: RedisServer) -> tuple[int, float]:
        async with replicas(redis, 1, timeout_s=0.02) as (here,):
            if fault == "wrong type":
                link = here._link
                assert link is not None
                await link.call(lambda client: client.lpush(f"vilem:running:{{{key.id}}}", "x"))
            else:
                redis.kill() if fault == "gone" else redis.pause()
            longest, entries = 0.0, 0
            for _ in range(20):
                began = time.perf_counter()
                entries += len(await let_in(here, key, 1))
                longest = max(longest, time.perf_counter() - began)
            return entries, longest

    with running_redis() as redis:
        entries, longest = asyncio.run(ask(redis))
        redis.resume() if fault == "silent" else None

    assert 4 == entries
    # 20 ms by the clock of the loop, and what a busy machine adds
    assert longest < 0.2


@needs_redis
def test_redis_and_python_count_alike(redis: RedisServer) -> None:
    """What remains is told alike with Redis and without."""
    key = limited(rate=1000)

    async def ask(link: RedisLink | None) -> list[int | None]:
        return [each.remaining for each in await let_in(Quotas(link), key, 3)]

    async def shared() -> list[int | None]:
        link = RedisLink(redis.url, 1.0, Metrics())
        try:
            return await ask(link)
        finally:
            await link.close()

    for found in (asyncio.run(shared()), asyncio.run(ask(None))):
        assert all(each is not None and each >= 997 for each in found)
