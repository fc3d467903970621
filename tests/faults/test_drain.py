"""A real service that is told to stop while clients search and write: nobody who was heard goes without an answer."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from index.collection import Collection
from tests.support.collections import make_colours
from tests.support.servers import PATIENCE_S, Server, serving

SEARCH = "/v1/collections/colours/search"
ITEMS = "/v1/collections/colours/items"
# long enough that a loaded machine asks /readyz meanwhile
LINGER_S = 2.0
# and takes leave in time
DRAIN_S = 20.0
# between two requests of a client: two seconds of load need not be all that two cores can do
PAUSE_S = 0.005


@dataclass
class Clients:
    """Clients that ask until nobody listens any more.

    Attributes:
        port: of the service.
        answered: answers that came, and when the last did.
        written: items whose writing was acknowledged.
        open: items that were sent and not answered.
        wrong: everything that must not be: other answers, connections that broke.
    """

    port: int
    answered: int = 0
    written: set[str] = field(default_factory=set[str])
    open: set[str] = field(default_factory=set[str])
    wrong: list[str] = field(default_factory=list[str])

    def search(self) -> None:
        """Ask on one connection after the other, each for as long as it is kept."""
        self._until_refused(lambda client, _: client.post(SEARCH, json={"query": {"text": "red"}, "limit": 3}))

    def write(self, number: int) -> None:
        """Put items, each of its own id."""

        def put(client: httpx.Client, turn: int) -> httpx.Response:
            item_id = f"new-{number}-{turn}"
            self.open.add(item_id)
            answer = client.put(ITEMS, json={"items": [{"id": item_id, "vector": [1.0] + [0.0] * 15}]})
            if answer.status_code == 200 and answer.json()["results"][0]["status"] == "created":
                self.written.add(item_id)
                self.open.discard(item_id)
            return answer

        self._until_refused(put)

    def await_answers(self, count: int) -> None:
        """Wait for *count* answers and a write among them, so that a load is there."""
        until = time.monotonic() + PATIENCE_S
        while self.answered < count or not self.written:
            assert time.monotonic() < until
            time.sleep(0.01)

    def _until_refused(self, ask: Callable[[httpx.Client, int], httpx.Response]) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False) as client:
            for turn in range(100_000):
                try:
                    answer = ask(client, turn)
                except httpx.ConnectError:
                    return
                except httpx.TransportError as error:
                    self.wrong.append(repr(error))
                    return
                if answer.status_code != 200:
                    self.wrong.append(answer.text)
                self.answered += 1
                time.sleep(PAUSE_S)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_fails_no_request(tmp_path: Path, tiny_bundle: Path, workers: int) -> None:
    """/readyz is 503 at once; searches and writes are answered until connections are refused; all is over in time, with 0."""
    make_colours(tmp_path, tiny_bundle)
    settings = {"linger_s": LINGER_S, "drain_s": DRAIN_S, "workers": workers, "publish_rows": 0}
    with serving(tmp_path, tmp_path / "log", **settings) as server:
        clients = Clients(server.port)
        threads = [threading.Thread(target=clients.search) for _ in range(4)]
        threads += [threading.Thread(target=clients.write, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        clients.await_answers(60)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert_not_ready_within(server, LINGER_S / 2)
        before = clients.answered
        status = server.process.wait(2 * DRAIN_S)
        took = time.monotonic() - began
        for thread in threads:
            thread.join()

        assert 0 == status, server.log.read_text()[-2000:]
        assert [] == clients.wrong
        assert LINGER_S <= took <= DRAIN_S
        assert clients.answered > before, "while it lingers it answers, though it is not ready"
        assert "Traceback" not in server.log.read_text()
    there = set(Collection.open(tmp_path / "collections", "colours").items.to_table(columns=["id"])["id"].to_pylist())
    assert clients.written
    assert clients.written <= there
    assert {item for item in there if item.startswith("new-")} <= clients.written | clients.open


def assert_not_ready_within(server: Server, seconds: float) -> None:
    """/readyz answers 503, and says why."""
    until = time.monotonic() + seconds
    # the client that waited for the server: to make another takes a loaded machine longer than a server lingers
    while (answer := server.client.get("/readyz")).status_code != 503:
        assert time.monotonic() < until
    assert "being stopped" in answer.json()["detail"]
    assert "close" == answer.headers["connection"]


def test_a_request_that_does_not_end_is_cut_off_in_time(tmp_path: Path) -> None:
    """A client in the middle of its body is told 503 when the time is up, and the process ends with 0 within the bound."""
    head = (
        f"POST {SEARCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    )
    with serving(tmp_path, tmp_path / "log", drain_s=4) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(head.encode())
            server.client.get("/healthz")
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            with client.makefile("rb") as stream:
                answer = stream.read()
            status = server.process.wait(20)

        assert 0 == status
        # without a bound it would wait for the rest of the body until the client's own time is up
        assert time.monotonic() - began < 10
        assert answer.startswith(b"HTTP/1.1 503") and b"being stopped" in answer
