"""Clients that take without giving; others are answered meanwhile. `make chaos` has thousands of them, and figures."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.collections import make_colours
from tests.support.hostile_clients import Slow, idle, slow_body, slow_head
from tests.support.servers import Server, serving

SEARCH = "/v1/collections/colours/search"
MOST = 150


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[Server]:
    """`vilem serve` over "colours", with little patience and room for few."""
    home = tmp_path_factory.mktemp("home")
    make_colours(home, tiny_bundle)
    with serving(home, home / "log", deadline_s=0.6, max_connections=MOST) as running:
        yield running


def answers(server: Server) -> bool:
    """Whether an ordinary search is answered, on a new connection too."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        fresh = client.recv(100).startswith(b"HTTP/1.1 200")
    return fresh and server.client.post(SEARCH, json={"query": {"text": "green"}}).status_code == 200


def test_more_idle_connections_than_there_is_room_for(server: Server) -> None:
    """Three times as many as may be: others are answered all the time, and nothing is held of those that were closed."""
    with idle(server.port, 3 * MOST) as there:
        assert there.wait(20)
        assert all(answers(server) for _ in range(10))

    time.sleep(0.1)
    assert len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) < MOST + 100


@pytest.mark.parametrize("attack", [slow_head, slow_body])
def test_what_never_ends_is_ended(server: Server, attack: Callable[..., Slow]) -> None:
    """Heads and bodies that come byte by byte, or stop halfway, are let go in time, all of them, and others are answered."""
    began = time.monotonic()
    ended = attack(server.port, 30, patience_s=10.0)

    assert 0 == ended.left
    assert ended.longest_s < 5
    assert answers(server)
    assert time.monotonic() - began < 15


def test_nothing_of_it_is_a_traceback(server: Server) -> None:
    """After all of the above (this is the module's last test) the log holds no traceback."""
    assert "Traceback" not in server.log.read_text()


def test_the_usual_bound_of_descriptors_is_none_of_ours() -> None:
    """A process that may open 200 files, and more if it asks, asks; where it may not, it goes on with what it has."""
    code = (
        "import resource, sys; from service.operations.server import descriptors\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "print(descriptors(2000), descriptors(100), hard == -1 or descriptors(hard + 1) == hard)"
    )
    command = ["sh", "-c", 'ulimit -Sn 200; exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "2000 100 True" == done.stdout.strip()
