"""A Redis behind a bad line: slow, byte by byte, silent, cut, refusing. No request fails, and none waits for it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_colours
from tests.support.redis_server import needs_redis, running_redis
from tests.support.tcp_faults import TcpFaults, faults_to

SEARCH = "/v1/collections/colours/search"
FAULTS = {"latency_s": 2.0, "trickle_s": 0.2, "silent": True, "refusing": True}

pytestmark = needs_redis


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[tuple[TestClient, TcpFaults]]:
    """The app, with no cache of its own, and the line to its Redis."""
    home = tmp_path_factory.mktemp("home")
    make_colours(home, tiny_bundle)
    with running_redis() as redis, faults_to(redis.port) as line:
        settings = Settings(home=home, redis_url=f"redis://127.0.0.1:{line.port}/0", cache_bytes=0)
        with TestClient(create_app(settings), base_url=ADDRESS) as client:
            wait_until_ready(client)
            yield client, line


def ask(client: TestClient, text: str) -> float:
    """Seconds until a search was answered, and rightly."""
    began = time.perf_counter()
    answer = client.post(SEARCH, json={"query": {"text": text}, "limit": 3})
    assert 200 == answer.status_code, answer.text
    assert all(hit["id"].startswith("green") for hit in answer.json()["hits"])
    return time.perf_counter() - began


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_line_costs_no_request(served: tuple[TestClient, TcpFaults], fault: str) -> None:
    """Whatever the line does, each search is answered, the slowest long before Redis would have been; so it is when the line heals."""
    client, line = served
    ask(client, "green")
    setattr(line, fault, FAULTS[fault])
    waited = [ask(client, "green") for _ in range(12)]
    line.heal()
    after = [ask(client, "green") for _ in range(3)]

    # generous: the machine may be busy; without a bound each would wait for two seconds, or for ever
    assert sorted(waited)[-2] < 1
    assert max(after) < 5


def test_connections_that_break_cost_no_request(served: tuple[TestClient, TcpFaults]) -> None:
    """Cut in the middle of whatever they carry, over and over: searches do not notice."""
    client, line = served
    for _ in range(12):
        ask(client, "green")
        line.cut()
