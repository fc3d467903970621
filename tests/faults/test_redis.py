"""Redis is a help, never a need: whatever happens to it under load, no request fails."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.collections import make_colours
from tests.support.redis_server import RedisServer, needs_redis, running_redis
from tests.support.servers import Server, serving

SEARCH = "/v1/collections/colours/search"
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "white")
CLIENTS = 8
CALLS = 'vilem_redis_calls_total{{result="{}"}}'

pytestmark = needs_redis


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A home with the collection "colours"."""
    folder = tmp_path_factory.mktemp("home")
    make_colours(folder, tiny_bundle)
    return folder


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    with running_redis() as server:
        yield server


@dataclass
class Load:
    """Clients that ask without pause, half of them old questions; every answer that is not right is kept."""

    server: Server
    answered: int = 0
    wrong: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def during(self, happens: Callable[[], None]) -> None:
        """Ask while *happens* runs."""
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            happens()
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()
        assert self.answered >= CLIENTS, "hardly anything was answered"

    def _ask(self, number: int) -> None:
        chance = random.Random(number)
        with httpx.Client(base_url=self.server.client.base_url, timeout=30, trust_env=False) as client:
            while not self._ended.is_set():
                colour = chance.choice(COLOURS)
                text = colour if chance.random() < 0.5 else f"{colour} {chance.randrange(10**9)}"
                answer = client.post(SEARCH, json={"query": {"text": text}, "limit": 1})
                if answer.status_code == 429:
                    # the machine does other things, which is none of Redis' doing
                    time.sleep(0.05)
                    continue
                right = answer.status_code == 200 and (
                    text != colour or answer.json()["hits"][0]["id"].startswith(colour)
                )
                with self._lock:
                    self.answered += 1
                    if not right:
                        self.wrong.append(f"{answer.status_code} {answer.text[:200]}")


def metric(server: Server, line: str) -> float:
    """The value of one line of /metrics; 0 when it is not there."""
    values = [
        each.rpartition(" ")[2] for each in server.client.get("/metrics").text.splitlines() if each.startswith(line)
    ]
    return float(values[0]) if values else 0.0


def used_again(server: Server) -> None:
    """Wait until calls to Redis are answered."""
    before = metric(server, CALLS.format("ok"))
    until = time.monotonic() + 20
    while metric(server, "vilem_redis_open") or metric(server, CALLS.format("ok")) <= before:
        assert time.monotonic() < until, "Redis is back and not used"
        time.sleep(0.05)


def test_a_redis_that_dies_and_hangs_again_and_again_fails_no_request(
    home: Path, redis: RedisServer, tmp_path: Path
) -> None:
    """Killed and started, stopped and let go on, twice under load: every answer is right, Redis is used again after each.

    The log tells of each time it was given up and found again, not of each request.
    """
    # nothing is kept in the process: every request asks Redis while it may
    with serving(home, tmp_path / "log", redis_url=redis.url, cache_bytes=0) as server:
        load = Load(server)

        def happens() -> None:
            for away, back in ((redis.kill, redis.start), (redis.pause, redis.resume)) * 2:
                used_again(server)
                away()
                time.sleep(0.4)
                back()
            used_again(server)

        load.during(happens)
        failed = metric(server, CALLS.format("failed"))
        told = (tmp_path / "log").read_text()

    assert [] == load.wrong
    assert load.answered > 10 * CLIENTS
    assert 4 <= told.count("Redis does not answer") == told.count("Redis answers again") <= failed / 3


def test_a_redis_that_is_flushed_or_full_fails_no_request(home: Path, redis: RedisServer, tmp_path: Path) -> None:
    """Flushed again and again, then without memory for one more key: every request is answered rightly."""
    import redis as library

    with serving(home, tmp_path / "log", redis_url=redis.url) as server, library.Redis.from_url(redis.url) as admin:
        load = Load(server)

        def happens() -> None:
            for _ in range(10):
                time.sleep(0.05)
                admin.flushall()
            admin.config_set("maxmemory", "1mb")
            admin.config_set("maxmemory-policy", "noeviction")
            time.sleep(0.5)

        load.during(happens)

        assert [] == load.wrong


def test_keys_that_others_wrote_fail_no_request(home: Path, redis: RedisServer, tmp_path: Path) -> None:
    """When every key of ours holds a list, or bytes of another program, answers are right all the same."""
    import redis as library

    # nothing is kept in the process, which so must ask Redis; and no answer of it comes too late to be read
    given = {"redis_url": redis.url, "cache_bytes": 0, "redis_timeout_s": 5}
    with serving(home, tmp_path / "log", **given) as server, library.Redis.from_url(redis.url) as admin:
        for garbage, seen in (("list", "miss"), ("bytes", "damaged")):
            for colour in COLOURS:
                server.client.post(SEARCH, json={"query": {"text": colour}})
            until = time.monotonic() + 10
            while admin.dbsize() < 2 * len(COLOURS) and time.monotonic() < until:
                time.sleep(0.02)
            for key in list(admin.scan_iter()):
                admin.delete(key)
                if garbage == "list":
                    admin.rpush(key, "x")
                else:
                    admin.set(key, b"\xff\x00garbage")
            line = f'vilem_cache_total{{layer="redis",result="{seen}"}}'
            before = metric(server, line)
            for colour in COLOURS:
                hits = server.client.post(SEARCH, json={"query": {"text": colour}}).json()["hits"]
                assert hits[0]["id"].startswith(colour)
            assert metric(server, line) >= before + len(COLOURS)
            admin.flushall()


def test_a_redis_that_was_never_there_fails_no_request(home: Path, tmp_path: Path) -> None:
    """A wrong address in the settings costs the cache, and nothing else: the service gets ready and answers."""
    with serving(home, tmp_path / "log", redis_url="redis://127.0.0.1:1/0") as server:
        load = Load(server)
        load.during(lambda: time.sleep(0.3))

        assert [] == load.wrong


def test_processes_share_what_one_computed(home: Path, redis: RedisServer, tmp_path: Path) -> None:
    """A page that one process computed comes from the cache of another."""
    import redis as library

    body = {"query": {"text": "a photo of orange"}, "limit": 3}
    # however busy the machine is, Redis is waited for
    given = {"redis_url": redis.url, "redis_timeout_s": 5}
    with serving(home, tmp_path / "one", **given) as server, library.Redis.from_url(redis.url) as admin:
        first = server.client.post(SEARCH, json=body).json()
        until = time.monotonic() + 10
        # the text's vector, and the page
        while admin.dbsize() < 2 and time.monotonic() < until:
            time.sleep(0.02)
    with serving(home, tmp_path / "two", **given) as server:
        second = server.client.post(SEARCH, json=body).json()

    assert (False, True) == (first["cached"], second["cached"])
    assert first["hits"] == second["hits"]
