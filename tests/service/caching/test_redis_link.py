"""The way to Redis: whatever Redis does, a call ends in time, raises nothing, and gets no answer but its own."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.app import create_app
from service.caching.breaker import Breaker
from service.caching.redis_link import RedisLink, Waits, begin_request
from service.operations.metrics import Metrics
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.redis_server import RedisServer, needs_redis, running_redis
from tests.support.servers import free_port

# What is said of the time is said of a machine that does other things too.
SLACK_S = 2.0
AWAY = "Redis does not answer"
BACK = "Redis answers again"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis that the tests of this module share; each leaves it as it was."""
    with running_redis() as server:
        yield server


def run(
    use: Callable[[RedisLink], Awaitable[None]],
    url: str,
    metrics: Metrics | None = None,
    timeout_s: float = 20.0,
    breaker: Breaker | None = None,
) -> None:
    """Run *use* with a link that is patient unless told otherwise: machines are slow."""

    async def ran() -> None:
        link = RedisLink(url, timeout_s, metrics or Metrics(), breaker)
        try:
            await use(link)
        finally:
            await link.close()

    asyncio.run(ran())


def counted(metrics: Metrics, result: str) -> float:
    """Calls with that result."""
    return metrics.registry.get_sample_value("vilem_redis_calls_total", {"result": result}) or 0


def is_open(metrics: Metrics) -> bool:
    """Whether Redis is left alone, as the metric tells."""
    return bool(metrics.registry.get_sample_value("vilem_redis_open"))


def set_to(key: str, value: bytes) -> Callable[[Redis], Awaitable[object]]:
    """The call that sets a key."""
    return lambda redis: redis.set(key, value)


def got(key: str) -> Callable[[Redis], Awaitable[object]]:
    """The call that gets a key."""
    return lambda redis: redis.get(key)


async def until(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - a metric has no event
            await asyncio.sleep(0.005)


async def given_up(link: RedisLink, metrics: Metrics) -> float:
    """Call until the link has given up; the longest that a call took."""
    longest = 0.0
    for _ in range(50):
        began = time.monotonic()
        assert await link.call(got("any")) is None
        longest = max(longest, time.monotonic() - began)
        if is_open(metrics):
            return longest
    raise AssertionError("fifty failures in a row, and it still calls")


@asynccontextmanager
async def answering(answer: bytes) -> AsyncGenerator[str]:
    """The address of a server that says *answer* to whatever it is sent; of nothing, silence."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                writer.write(answer)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()


@needs_redis
def test_a_call_gives_what_redis_answers(redis: RedisServer) -> None:
    """Bytes come back as they were given, and are not decoded."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        assert await link.call(set_to("bytes", b"\0\xff\r\n"))
        assert b"\0\xff\r\n" == await link.call(got("bytes"))

    run(use, redis.url, metrics)

    assert 2 == counted(metrics, "ok")


@needs_redis
def test_calls_at_one_time_share_a_bounded_number_of_connections(redis: RedisServer) -> None:
    """Two hundred calls at once are all answered, over sixteen connections at most."""

    async def use(link: RedisLink) -> None:
        answers = await asyncio.gather(*(link.call(lambda each: each.echo(b"x")) for _ in range(200)))
        assert [b"x"] * 200 == answers
        clients = await link.call(lambda each: each.client_list())
        assert clients is not None
        assert 1 <= len(clients) <= 16

    run(use, redis.url)


@needs_redis
@given(delays=st.lists(st.floats(0, 0.003), min_size=8, max_size=24))
@settings(max_examples=8, deadline=None)
def test_a_call_that_is_cancelled_leaves_its_answer_to_nobody(redis: RedisServer, delays: list[float]) -> None:
    """Calls cancelled at any moment never make another call get their answer."""

    async def asks(link: RedisLink, number: int) -> None:
        sent = f"{number}-".encode() * 50
        assert sent == await link.call(lambda each: each.echo(sent))

    async def use(link: RedisLink) -> None:
        for number, delay in enumerate(delays):
            tasks = [asyncio.create_task(asks(link, 100 * number + each)) for each in range(6)]
            await asyncio.sleep(delay)
            for each in tasks[::2]:
                each.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(each is None or isinstance(each, asyncio.CancelledError) for each in ended), ended

    run(use, redis.url)


@needs_redis
def test_a_call_that_came_too_late_leaves_its_answer_to_nobody(redis: RedisServer) -> None:
    """After a timeout the next call on the connection gets its own answer, not the one that came late."""

    async def use(link: RedisLink) -> None:
        for number in range(5):
            late = await link.call(lambda each: each.blpop(["nothing"], timeout=0.2))
            assert late is None
            sent = f"mine-{number}".encode()
            assert sent == await link.call(lambda each, sent=sent: each.echo(sent))

    # never opens: this is of one connection after the other
    run(use, redis.url, timeout_s=0.1, breaker=Breaker(failures=10**6))


@needs_redis
def test_a_redis_that_hangs_is_given_up_and_found_again(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Stopped, each call waits its bound and no longer; then none waits; it is used again when it goes on."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        assert await link.call(set_to("kept", b"v"))
        redis.pause()
        try:
            assert await given_up(link, metrics) < 0.5 + SLACK_S
            began = time.monotonic()
            assert [None] * 1000 == [await link.call(got("kept")) for _ in range(1000)]
            assert time.monotonic() - began < SLACK_S
        finally:
            redis.resume()
        await until(lambda: not is_open(metrics))
        assert b"v" == await link.call(got("kept"))

    with caplog.at_level(logging.WARNING):
        run(use, redis.url, metrics, timeout_s=0.5)

    assert 3 == counted(metrics, "failed")
    assert 1000 == counted(metrics, "skipped")
    assert [AWAY, BACK] == [
        record.message[: len(AWAY)] if AWAY in record.message else BACK for record in caplog.records
    ]


@needs_redis
def test_a_redis_that_dies_is_given_up_and_found_again(caplog: pytest.LogCaptureFixture) -> None:
    """Killed and started anew on its port, it is used again by itself; one line tells of each, however many calls failed."""
    metrics = Metrics()
    with running_redis() as server:

        async def use(link: RedisLink) -> None:
            assert await link.call(set_to("k", b"v"))
            for _ in range(2):
                await asyncio.to_thread(server.kill)
                assert [None] * 64 == await asyncio.gather(*(link.call(got("k")) for _ in range(64)))
                await given_up(link, metrics)
                await asyncio.to_thread(server.start)
                await until(lambda: not is_open(metrics))
                assert await link.call(set_to("k", b"v"))
                assert b"v" == await link.call(got("k"))

        with caplog.at_level(logging.WARNING):
            run(use, server.url, metrics)

    assert [AWAY, BACK] * 2 == [AWAY if AWAY in record.message else BACK for record in caplog.records]


@needs_redis
def test_a_redis_that_is_full_still_gives(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Without memory it refuses what is put and gives what it has; it is not given up, and one line says so."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        assert await link.call(set_to("there", b"v"))
        assert await link.call(lambda each: each.config_set("maxmemory", "100kb"))
        try:
            assert [None] * 5 == [await link.call(set_to("more", b"x")) for _ in range(5)]
            assert b"v" == await link.call(got("there"))
        finally:
            assert await link.call(lambda each: each.config_set("maxmemory", "0"))

    with caplog.at_level(logging.WARNING):
        run(use, redis.url, metrics)

    assert (5, 0) == (counted(metrics, "refused"), counted(metrics, "failed"))
    assert 1 == len(caplog.records)
    assert "OutOfMemory" in caplog.text


@needs_redis
def test_a_replica_that_takes_no_writes_still_gives(redis: RedisServer) -> None:
    """Of a read-only replica writes are refused and reads answered."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        await link.call(lambda each: each.replicaof("127.0.0.1", str(free_port())))
        try:
            assert await link.call(set_to("k", b"x")) is None
            assert await link.call(lambda each: each.ping())
        finally:
            await link.call(lambda each: each.replicaof("NO", "ONE"))

    run(use, redis.url, metrics)

    assert (1, 0) == (counted(metrics, "refused"), counted(metrics, "failed"))


@needs_redis
def test_a_key_of_another_type_is_refused_and_nothing_else(redis: RedisServer) -> None:
    """WRONGTYPE is of one key: the next call is made as ever."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        await link.call(lambda each: each.delete("odd"))
        await link.call(lambda each: each.rpush("odd", b"x"))
        assert [None] * 10 == [await link.call(got("odd")) for _ in range(10)]
        assert await link.call(lambda each: each.ping())

    run(use, redis.url, metrics)

    assert (10, 0) == (counted(metrics, "refused"), counted(metrics, "skipped"))


@needs_redis
def test_a_wrong_password_is_given_up(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Redis that does not know us is as one that is not there, and no log tells the password or the address."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        await given_up(link, metrics)

    with caplog.at_level(logging.DEBUG, logger="vilem"):
        run(use, redis.url.replace("redis://", "redis://someone:s3cret@"), metrics)

    assert "AuthenticationError" in caplog.text
    assert "s3cret" not in caplog.text


@needs_redis
def test_a_refusal_tells_nothing_of_what_was_sent(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Redis repeats unknown commands with their arguments: the log does not."""

    async def use(link: RedisLink) -> None:
        assert await link.call(lambda each: each.execute_command("NOSUCH", "a private text")) is None

    with caplog.at_level(logging.DEBUG, logger="vilem"):
        run(use, redis.url)

    assert 1 == len(caplog.records)
    assert "private" not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="silence"),
        pytest.param(b"-LOADING Redis is loading the dataset in memory\r\n", id="loading"),
        pytest.param(b"-NOAUTH Authentication required.\r\n", id="no password"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another program"),
        pytest.param(b"$5\r\nhal", id="half an answer"),
        pytest.param(b"\xff" * 64, id="noise"),
        pytest.param(b"-\xff\xfe\r\n" * 2, id="an error that is no text"),
    ],
)
def test_what_is_no_redis_raises_nothing_and_is_left(answer: bytes) -> None:
    """Whatever stands at the address, a call is None within its bound."""

    async def ran() -> None:
        async with answering(answer) as url:
            link = RedisLink(url, 0.05, Metrics())
            for _ in range(6):
                began = time.monotonic()
                assert await link.call(got("k")) is None
                assert time.monotonic() - began < 0.05 + SLACK_S
            await link.close()

    asyncio.run(ran())


def test_nobody_at_the_address_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """With nothing listening each call fails at once, and after three none is made."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        assert [None] * 100 == [await link.call(got("k")) for _ in range(100)]

    with caplog.at_level(logging.WARNING):
        run(use, f"redis://127.0.0.1:{free_port()}/0", metrics)

    assert (3, 97) == (counted(metrics, "failed"), counted(metrics, "skipped"))
    assert 1 == len(caplog.records)


def test_waiting_for_a_connection_is_bounded_too() -> None:
    """With every connection held by calls that get no answer, those behind them wait no longer than one call may."""

    async def ran() -> None:
        async with answering(b"") as url:
            link = RedisLink(url, 0.5, Metrics(), Breaker(failures=10**6))
            began = time.monotonic()
            # sixteen at a time would take over three seconds
            assert [None] * 100 == await asyncio.gather(*(link.call(got("k")) for _ in range(100)))
            assert time.monotonic() - began < 0.5 + SLACK_S
            await link.close()

    asyncio.run(ran())


def test_an_error_of_our_own_is_logged_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What a call meets that is no error of Redis fails no request either, but is not hidden."""

    async def broken(_: Redis) -> None:
        raise AttributeError("'NoneType' object has no attribute 'write'")

    async def use(link: RedisLink) -> None:
        assert [None] * 5 == [await link.call(broken) for _ in range(5)]

    with caplog.at_level(logging.ERROR):
        run(use, f"redis://127.0.0.1:{free_port()}/0")

    assert 1 == len(caplog.records)
    assert caplog.records[0].exc_info is not None


def test_a_connection_that_is_closed_in_use_is_a_lost_one(caplog: pytest.LogCaptureFixture) -> None:
    """uvloop raises an error of its own for what is written to it: that is no fault of ours, and the breaker counts it."""
    metrics = Metrics()

    async def ran() -> None:
        async with answering(b"+OK\r\n") as url:

            async def hung_up(_: Redis) -> None:
                _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
                writer.transport.abort()
                await asyncio.sleep(0.05)
                writer.write(b"GET k")
                raise AssertionError("uvloop let it be written")

            link = RedisLink(url, 20.0, metrics, Breaker(first_pause_s=60, longest_pause_s=60))
            assert [None] * 5 == [await link.call(hung_up) for _ in range(5)]
            await link.close()

    with caplog.at_level(logging.WARNING):
        uvloop.run(ran())

    assert (3, 2) == (counted(metrics, "failed"), counted(metrics, "skipped"))
    assert [AWAY] == [record.message[: len(AWAY)] for record in caplog.records]


def test_an_address_that_is_none_is_said_at_once() -> None:
    """Another scheme is refused when the link is made, not at each request."""
    with pytest.raises(ValueError, match="redis://"):
        RedisLink("http://127.0.0.1", 0.02, Metrics())


@given(calls=st.lists(st.tuples(st.floats(0, 10), st.floats(0, 5)), max_size=12))
@settings(max_examples=50, deadline=None)
def test_waits_of_calls_under_way_together_count_once(calls: list[tuple[float, float]]) -> None:
    """A request has waited for as long as at least one of its calls was under way."""
    ends = sorted([(began, 0) for began, _ in calls] + [(began + took, 1) for began, took in calls])
    waits = Waits()
    for moment, ended in ends:
        (waits.end if ended else waits.begin)(moment)
    covered, until = 0.0, 0.0
    for began, took in sorted(calls):
        covered += max(0.0, began + took - max(began, until))
        until = max(until, began + took)

    assert covered == pytest.approx(waits.so_far(100.0))


def test_all_calls_of_a_request_wait_no_longer_than_one() -> None:
    """Ten calls one after the other, in the request's task and in those it begins, wait for a silent Redis once."""
    metrics = Metrics()

    async def request(link: RedisLink) -> float:
        begin_request()
        began = time.monotonic()
        for _ in range(5):
            assert await link.call(got("k")) is None
            assert await asyncio.create_task(link.call(got("k"))) is None
        return time.monotonic() - began

    async def ran() -> None:
        async with answering(b"") as url:
            link = RedisLink(url, 0.5, metrics, Breaker(failures=10**6))
            took = await asyncio.gather(*(request(link) for _ in range(5)))
            assert max(took) < 0.5 + SLACK_S
            # another one's time is its own
            assert await asyncio.create_task(request(link)) >= 0.5
            await link.close()

    asyncio.run(ran())

    assert 6 <= counted(metrics, "failed") <= 12
    assert 60 == counted(metrics, "failed") + counted(metrics, "skipped")


def test_a_search_waits_for_redis_once(home: Path) -> None:
    """Whatever a search looks for in a Redis that is silent, its answer comes after one bound, not after one for each."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        app = create_app(Settings(home=home, redis_url=url, redis_timeout_s=2.5, cache_bytes=0))
        with TestClient(app, base_url=ADDRESS) as client:
            wait_until_ready(client)
            began = time.monotonic()
            answer = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}})
            took = time.monotonic() - began
            looked_for = client.app.state.runtime.metrics.registry.get_sample_value(  # type: ignore[attr-defined]
                "vilem_cache_total", {"layer": "redis", "result": "skipped"}
            )

    assert 200 == answer.status_code
    assert 2 == looked_for
    assert 2.5 <= took < 2.5 + SLACK_S


def test_a_call_is_one_try() -> None:
    """A connection that is closed on us costs a call one connection: what is tried again would wait again."""
    connections = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    async def ran() -> None:
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        link = RedisLink(url, 2.0, Metrics(), Breaker(failures=10**6))
        assert [None] * 5 == [await link.call(got("k")) for _ in range(5)]
        await link.close()
        server.close()

    asyncio.run(ran())

    assert 5 == connections


def test_a_call_without_time_left_is_no_fault_of_redis() -> None:
    """What was cut short since its request had waited elsewhere does not open the breaker."""
    metrics = Metrics()

    async def use(link: RedisLink) -> None:
        begin_request()
        assert await link.call(lambda _: asyncio.sleep(0.15, "done"))
        assert await link.call(lambda _: asyncio.sleep(0.15)) is None

    run(use, f"redis://127.0.0.1:{free_port()}/0", metrics, timeout_s=0.2, breaker=Breaker(failures=1))

    assert (1, 0) == (counted(metrics, "failed"), is_open(metrics))


@needs_redis
def test_closing_ends_its_task_and_connections() -> None:
    """After close neither a task nor a connection is left, in the midst of an outage too."""
    before = len(list(Path("/proc/self/fd").iterdir()))

    async def ran() -> None:
        metrics = Metrics()
        link = RedisLink(f"redis://127.0.0.1:{free_port()}/0", 0.02, metrics)
        await given_up(link, metrics)
        await link.close()
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(ran())

    assert before == len(list(Path("/proc/self/fd").iterdir()))
