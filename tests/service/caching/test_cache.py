"""The byte-bounded LRU, and Redis behind it as a help that is never a need."""

import asyncio
import tracemalloc
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis as Admin

from service.caching.cache import MAX_PENDING_BYTES, MAX_VALUE_BYTES, ByteLru, Cache, sealed, unsealed
from service.caching.redis_link import RedisLink, begin_request
from service.operations.metrics import Metrics
from tests.support.redis_server import RedisServer, needs_redis, running_redis
from tests.support.servers import free_port

# a put of so many bytes, or a get
OPERATIONS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 900)), max_size=60)
# of one entry beside its key and value, as the LRU counts it
OVERHEAD = 200


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    """A Redis that the tests of this module share."""
    with running_redis() as server:
        yield server


@pytest.fixture
def redis(shared: RedisServer) -> RedisServer:
    """It, empty."""
    with Admin.from_url(shared.url) as admin:
        admin.flushall()
    return shared


def counted(metrics: Metrics, layer: str, result: str) -> float:
    """How often a layer gave that result."""
    return metrics.registry.get_sample_value("vilem_cache_total", {"layer": layer, "result": result}) or 0


def calls(metrics: Metrics) -> float:
    """Calls that Redis answered."""
    return metrics.registry.get_sample_value("vilem_redis_calls_total", {"result": "ok"}) or 0


def with_cache(
    use: Callable[[Cache], Awaitable[None]], metrics: Metrics, url: str | None, timeout_s: float = 2.0
) -> None:
    """Run *use* with a cache of one mebibyte. The timeout is long unless the test is about it: machines are slow."""

    async def run() -> None:
        link = None if url is None else RedisLink(url, timeout_s, metrics)
        cache = Cache(2**20, metrics, redis=link, ttl_s=60)
        try:
            await use(cache)
        finally:
            await cache.close()
            if link is not None:
                await link.close()

    asyncio.run(run())


def waiting(cache: Cache) -> dict[str, bytes]:
    """What is to be written yet; its bytes are as many as the cache counts."""
    pending = cache._pending  # pyright: ignore[reportPrivateUsage]
    assert sum(map(len, pending.values())) == cache._pending_bytes  # pyright: ignore[reportPrivateUsage]
    return pending


async def written(cache: Cache) -> None:
    """Wait until what was put has reached Redis."""
    while cache.writing:  # noqa: ASYNC110 - tests alone want to know
        await asyncio.sleep(0.001)


@given(operations=OPERATIONS, capacity=st.integers(0, 4_000))
@settings(max_examples=100, deadline=None)
def test_the_lru_is_what_its_model_is(operations: list[tuple[str, int | None]], capacity: int) -> None:
    """After any puts and gets it holds what a plain list of uses would, within its bytes, and counts those bytes."""
    lru, model = ByteLru(capacity), OrderedDict[str, bytes]()
    for key, size in operations:
        if size is None:
            assert model.get(key) == lru.get(key)
            if key in model:
                model.move_to_end(key)
            continue
        lru.put(key, bytes(size))
        model.pop(key, None)
        if 1 + size + OVERHEAD <= capacity:
            model[key] = bytes(size)
        while sum(1 + len(value) + OVERHEAD for value in model.values()) > capacity:
            model.popitem(last=False)
        assert sum(1 + len(value) + OVERHEAD for value in model.values()) == lru.bytes_held <= capacity
    assert len(model) == len(lru)
    assert all(value == lru.get(key) for key, value in model.items())


@pytest.mark.parametrize("size", [0, 40, 2048, 100_000])
def test_the_lru_takes_the_memory_it_says(size: int) -> None:
    """What the interpreter holds for a full LRU is within a quarter of what it counts, for small values and large."""
    capacity = 2**21
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        lru = ByteLru(capacity)
        for number in range(2 * capacity // (size + OVERHEAD)):
            lru.put(f"vilem:t:{'0' * 64}:{number:064x}", bytes(bytearray(size)) + number.to_bytes(8, "big"))
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert 0.9 * capacity < lru.bytes_held <= capacity
    assert 0.75 * lru.bytes_held < held < 1.25 * lru.bytes_held


def test_the_lru_forgets_what_was_used_longest_ago() -> None:
    """A get makes an entry recent; the entry neither read nor written for longest gives way."""
    lru = ByteLru(3 * (OVERHEAD + 101))
    for key in "abc":
        lru.put(key, bytes(100))
    lru.get("a")
    lru.put("d", bytes(100))

    assert [True, False, True, True] == [lru.get(key) is not None for key in "abcd"]


@given(key=st.text(max_size=80), value=st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_what_was_sealed_is_found_whole(key: str, value: bytes) -> None:
    """Sealing and unsealing under one key gives the value back, whatever it is."""
    assert value == unsealed(key, sealed(key, value))


@given(value=st.binary(min_size=1, max_size=300), data=st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_damaged_is_not_found(value: bytes, data: st.DataObject) -> None:
    """A changed byte, a lost end, an end too long, and the value of another key are all no value."""
    stored = sealed("key", value)
    place = data.draw(st.integers(0, len(stored) - 1))
    changed = bytearray(stored)
    changed[place] ^= data.draw(st.integers(1, 255))

    assert unsealed("key", bytes(changed)) is None
    assert unsealed("key", stored[:place]) is None
    assert unsealed("key", stored + b"\0") is None
    assert unsealed("another", stored) is None


@pytest.mark.parametrize("stored", [7, None, "text", ["list"], b"", b"\x02"])
def test_what_is_no_value_is_not_found(stored: object) -> None:
    """Whatever else a server may answer is no value."""
    assert unsealed("key", stored) is None


def test_without_redis_the_process_caches() -> None:
    """A value that was put is found again, and hits and misses are counted."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert await cache.get("k") is None
        cache.put("k", b"\0\xffvalue")
        assert b"\0\xffvalue" == await cache.get("k")

    with_cache(use, metrics, None)

    found = [counted(metrics, layer, result) for layer in ("memory", "redis") for result in ("hit", "miss")]
    assert [1, 1, 0, 0] == found


def test_a_capacity_of_nothing_caches_nothing() -> None:
    """With cache_bytes=0 every look-up misses, and nothing fails."""

    async def run() -> None:
        cache = Cache(0, Metrics(), redis=None, ttl_s=60)
        cache.put("k", b"v")
        assert await cache.get("k") is None

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
@given(
    there=st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=50)),
    wanted=st.lists(st.sampled_from("abcdefgh"), max_size=12),
)
@settings(max_examples=15, deadline=None)
def test_what_is_not_in_memory_is_asked_for_once(
    shared: RedisServer, there: dict[str, bytes], wanted: list[str]
) -> None:
    """Of any keys those that are there are found; Redis is asked for what memory has not, and of what it has never again."""
    metrics = Metrics()

    async def put(cache: Cache) -> None:
        for key, value in there.items():
            cache.put(key, value)
        await written(cache)

    async def get(cache: Cache) -> None:
        assert [there.get(key) for key in wanted] == [await cache.get(key) for key in wanted]
        missed = sum(key not in there for key in wanted)
        assert calls(metrics) == len({*wanted} & there.keys()) + missed

    with Admin.from_url(shared.url) as admin:
        admin.flushall()
    with_cache(put, Metrics(), shared.url)
    with_cache(get, metrics, shared.url)


@needs_redis
def test_values_put_together_are_written_together(redis: RedisServer) -> None:
    """A hundred values that are put in one moment reach Redis in one call, all with a time to live."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        for number in range(100):
            cache.put(f"key-{number}", b"value")
        await written(cache)

    with_cache(use, metrics, redis.url)

    assert 1 == calls(metrics)
    with Admin.from_url(redis.url) as admin:
        keys = list(admin.scan_iter())
        assert 100 == len(keys)
        assert all(0 < int(str(admin.ttl(key))) <= 60 for key in keys)


@needs_redis
def test_a_request_without_time_left_is_cached_all_the_same(redis: RedisServer) -> None:
    """What a request puts that has waited its time for Redis is written: nobody waits for that."""

    async def run() -> None:
        begin_request()
        link = RedisLink(redis.url, 0.5, Metrics())
        cache = Cache(2**20, Metrics(), redis=link, ttl_s=60)
        assert await link.call(lambda _: asyncio.sleep(5)) is None
        cache.put("key", b"value")
        await written(cache)
        await link.close()

    asyncio.run(run())

    with Admin.from_url(redis.url) as admin:
        assert 1 == admin.dbsize()


@needs_redis
def test_another_release_shares_nothing(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in Redis have the schema and the release in front: what another one wrote is not even looked at."""
    metrics = Metrics()

    async def put(cache: Cache) -> None:
        cache.put("vilem:t:key", b"of another release")
        await written(cache)

    async def get(cache: Cache) -> None:
        assert await cache.get("vilem:t:key") is None

    monkeypatch.setattr("service.caching.cache._PREFIX", "vilem:2:0.0.1:")
    with_cache(put, Metrics(), redis.url)
    monkeypatch.undo()
    with_cache(get, metrics, redis.url)

    assert (1, 0) == (counted(metrics, "redis", "miss"), counted(metrics, "redis", "damaged"))
    with Admin.from_url(redis.url) as admin:
        assert [b"vilem:2:0.0.1:t:key"] == list(admin.scan_iter())


@needs_redis
def test_one_odd_key_does_not_cost_the_others(redis: RedisServer) -> None:
    """A list at one key, garbage at another: each is a miss of its own, the rest is found, and a put makes them whole."""
    metrics = Metrics()

    async def put(cache: Cache) -> None:
        for key in ("list", "garbage", "whole"):
            cache.put(key, b"value")
        await written(cache)

    async def get(cache: Cache) -> None:
        assert [None, None, b"value"] == [await cache.get(key) for key in ("list", "garbage", "whole")]
        assert (1, 1) == (counted(metrics, "redis", "damaged"), counted(metrics, "redis", "hit"))

    async def again(cache: Cache) -> None:
        assert [b"value"] * 3 == [await cache.get(key) for key in ("list", "garbage", "whole")]

    with_cache(put, Metrics(), redis.url)
    with Admin.from_url(redis.url) as admin:
        names = {bytes(name).rpartition(b":")[2]: name for name in admin.scan_iter()}
        admin.delete(names[b"list"])
        admin.rpush(names[b"list"], "x")
        admin.set(names[b"garbage"], b"\xff\x00garbage")
    with_cache(get, metrics, redis.url)
    with_cache(put, Metrics(), redis.url)
    with_cache(again, Metrics(), redis.url)


@needs_redis
def test_a_value_too_large_stays_in_the_process(redis: RedisServer) -> None:
    """What would keep Redis from the others for longer than they may wait is not sent there."""

    async def use(cache: Cache) -> None:
        cache.put("large", bytes(MAX_VALUE_BYTES + 1))
        cache.put("small", b"v")
        await written(cache)

    with_cache(use, Metrics(), redis.url)

    with Admin.from_url(redis.url) as admin:
        assert 1 == admin.dbsize()


def test_a_redis_that_is_not_there_is_a_miss() -> None:
    """With nothing listening, get and put do not raise, and memory goes on."""
    metrics = Metrics()

    async def use(cache: Cache) -> None:
        assert await cache.get("a") is None
        cache.put("a", b"1")
        await written(cache)
        assert [b"1", None] == [await cache.get("a"), await cache.get("b")]

    with_cache(use, metrics, f"redis://127.0.0.1:{free_port()}/0")

    assert (2, 0) == (counted(metrics, "redis", "skipped"), counted(metrics, "redis", "miss"))


def test_writes_do_not_pile_up() -> None:
    """When Redis does not keep up the oldest values are dropped, in bytes bounded; nothing is awaited by who puts."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            pass
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        link = RedisLink(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", 5.0, Metrics())
        cache = Cache(0, Metrics(), redis=link, ttl_s=60)
        for number in range(100):
            cache.put(f"key-{number}", bytes(MAX_VALUE_BYTES // 2))
            cache.put("again", bytes(100))
            assert sum(map(len, waiting(cache).values())) <= MAX_PENDING_BYTES
        assert {"key-99", "again"} <= set(waiting(cache))
        await cache.close()
        await link.close()
        server.close()

    asyncio.run(run())
