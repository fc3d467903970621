"""The byte-bounded LRU, and Redis behind it as a help that is never a need."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.cache import ByteLru, Cache
from service.metrics import Metrics
from tests.support.redis_server import RedisServer, needs_redis, running_redis
from tests.support.servers import free_port

OPERATIONS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 900)), max_size=60)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis that the tests of this module share."""
    with running_redis() as server:
        yield server


def counted(metrics: Metrics, layer: str, result: str) -> float:
    """How often a layer gave that result."""
    return metrics.registry.get_sample_value("vilem_cache_total", {"layer": layer, "result": result}) or 0


def with_cache(
    use: Callable[[Cache], Awaitable[None]], metrics: Metrics, redis_url: str | None, timeout_s: float = 1.0
) -> None:
    """Run *use* with a cache of one mebibyte. The timeout is long unless the test is about it: machines are slow."""

    async def run() -> None:
        cache = Cache(2**20, metrics, redis_url=redis_url, timeout_s=timeout_s, ttl_s=60)
        try:
            await use(cache)
        finally:
            await cache.close()

    asyncio.run(run())


async def written(cache: Cache) -> None:
    """Wait until what was put has reached Redis."""
    while cache._writes:
        await asyncio.gather(*cache._writes)


@given(operations=OPERATIONS, capacity=st.integers(0, 4_000))
@settings(max_examples=100, deadline=None)
def test_the_lru_never_holds_more_than_its_bytes(operations: list[tuple[str, int]], capacity: int) -> None:
    """After any sequence of puts the bytes held are within the capacity, and equal what the entries cost."""
    lru = ByteLru(capacity)
    newest: dict[str, bytes] = {}
    for key, size in operations:
        newest[key] = bytes(size)
        lru.put(key, newest[key])
        assert lru.bytes_held <= capacity
    kept = {key: value for key, value in newest.items() if lru.get(key) is not None}
    assert len(kept) == len(lru)
    assert all(lru.get(key) == value for key, value in kept.items())


def test_the_lru_forgets_what_was_used_longest_ago() -> None:
    """A get makes an entry recent; the entry neither read nor written for longest gives way."""
    lru = ByteLru(3 * 301)
    for key in "abc":
        lru.put(key, bytes(100))
    lru.get("a")
    lru.put("d", bytes(100))

    assert [True, False, True, True] == [lru.get(key) is not None for key in "abcd"]


def test_the_lru_replaces_a_value() -> None:
    """A key's second value takes the place of its first, in the count of bytes too."""
    lru = ByteLru(1000)
    lru.put("a", bytes(500))
    lru.put("a", b"x")

    assert b"x" == lru.get("a")
    assert 202 == lru.bytes_held


def test_without_redis_the_process_caches() -> None:
    """A value that was put is found again, and hits and misses are counted."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert await cache.get("k") is None
        cache.put("k", b"\0\xffvalue")
        assert b"\0\xffvalue" == await cache.get("k")

    with_cache(use, metrics, None)

    assert (1, 1, 0) == (
        counted(metrics, "memory", "hit"),
        counted(metrics, "memory", "miss"),
        counted(metrics, "redis", "miss"),
    )


def test_a_capacity_of_nothing_caches_nothing() -> None:
    """With cache_bytes=0 every look-up misses, and nothing fails."""

    async def use(cache: Cache) -> None:
        cache.put("k", b"v")
        assert await cache.get("k") is None

    async def run() -> None:
        await use(Cache(0, Metrics(), redis_url=None, timeout_s=1, ttl_s=60))

    asyncio.run(run())


@needs_redis
def test_redis_is_shared(redis: RedisServer) -> None:
    """What one process put, another finds through Redis, byte for byte; then it has it in memory."""
    metrics = Metrics()

    async def put(cache: Cache) -> None:
        cache.put("shared", bytes(range(256)))
        await written(cache)

    async def get(cache: Cache) -> None:
        assert bytes(range(256)) == await cache.get("shared")
        assert bytes(range(256)) == await cache.get("shared")

    with_cache(put, Metrics(), redis.url)
    with_cache(get, metrics, redis.url)

    assert (1, 1) == (counted(metrics, "redis", "hit"), counted(metrics, "memory", "hit"))


@needs_redis
def test_entries_expire(redis: RedisServer) -> None:
    """Every key in Redis has the time to live of the settings: a shared Redis does not fill up for ever."""

    async def use(cache: Cache) -> None:
        cache.put("expiring", b"v")
        await written(cache)
        assert cache._redis is not None
        assert 0 < await cache._redis.ttl("expiring") <= 60

    with_cache(use, Metrics(), redis.url)


@needs_redis
def test_a_key_of_another_type_is_a_miss(redis: RedisServer) -> None:
    """A key that holds a list is a miss and counted as an error; no exception comes out."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert cache._redis is not None
        await cache._redis.delete("wrong")
        await cache._redis.rpush("wrong", "x")
        assert await cache.get("wrong") is None

    with_cache(use, metrics, redis.url)

    assert 1 == counted(metrics, "redis", "error")


@needs_redis
def test_one_odd_key_does_not_cost_the_others(redis: RedisServer) -> None:
    """After a key of another type, Redis is asked for the next key as ever."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert cache._redis is not None
        await cache._redis.delete("odd")
        await cache._redis.rpush("odd", "x")
        await cache._redis.set("even", b"value")
        assert await cache.get("odd") is None
        assert b"value" == await cache.get("even")

    with_cache(use, metrics, redis.url)

    assert 0 == counted(metrics, "redis", "skipped")


def test_a_redis_that_is_not_there_is_a_miss() -> None:
    """With nothing listening, get and put do not raise; after the first failure Redis is left alone."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert await cache.get("a") is None
        cache.put("a", b"1")
        await written(cache)
        assert b"1" == await cache.get("a")
        assert await cache.get("b") is None

    with_cache(use, metrics, f"redis://127.0.0.1:{free_port()}/0")

    assert 1 == counted(metrics, "redis", "error")
    assert 1 == counted(metrics, "redis", "skipped")


def test_an_address_that_swallows_packets_is_a_miss() -> None:
    """A server that accepts and never answers costs the timeout once, then is left alone."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        metrics = Metrics()
        cache = Cache(2**20, metrics, redis_url=f"redis://127.0.0.1:{port}/0", timeout_s=0.02, ttl_s=60)
        assert [None] * 20 == [await cache.get(f"key-{number}") for number in range(20)]
        assert 1 == counted(metrics, "redis", "error")
        assert 19 == counted(metrics, "redis", "skipped")
        await cache.close()
        server.close()

    asyncio.run(run())


@needs_redis
def test_a_redis_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the pause that follows a failure, a Redis that was restarted serves and stores again."""
    monkeypatch.setattr("service.cache.PAUSE_S", 0.05)
    metrics = Metrics()
    with running_redis() as server:

        async def use(cache: Cache) -> None:
            cache.put("before", b"1")
            await written(cache)
            await asyncio.to_thread(server.kill)
            assert await cache.get("during") is None
            await asyncio.to_thread(server.start)
            await asyncio.sleep(0.1)
            cache.put("after", b"2")
            await written(cache)
            await asyncio.sleep(0.1)
            other = Cache(2**20, metrics, redis_url=server.url, timeout_s=1, ttl_s=60)
            assert b"2" == await other.get("after")
            await other.close()

        with_cache(use, Metrics(), server.url)

    assert 1 == counted(metrics, "redis", "hit")


def test_writes_do_not_pile_up() -> None:
    """When Redis does not keep up, further writes are dropped, and nothing is awaited by the caller."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        cache = Cache(2**20, Metrics(), redis_url=f"redis://127.0.0.1:{port}/0", timeout_s=5, ttl_s=60)
        for number in range(1000):
            cache.put(f"key-{number}", b"value")
        assert len(cache._writes) <= 256
        await cache.close()
        server.close()

    asyncio.run(run())
