"""What one connection may take; each test has a real server on a real socket."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from service.guard.connections import MAX_HEAD_BYTES, MAX_PIPELINED, Bounds

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
# its body is to follow
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n"
LARGE = 8 * 2**20
PATIENCE_S = 10.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how many bytes came; at /large 8 MB."""
    count, more = 0, True
    while more:
        message: Message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = bytes(LARGE) if scope["path"] == "/large" else b"%d" % count
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(most: int = 100, head_s: float = 5.0, stall_s: float = 5.0) -> Iterator[tuple[int, uvicorn.Server]]:
    """A server with these bounds: its port, and itself."""
    opened = socket.create_server(("127.0.0.1", 0), backlog=256)
    port = opened.getsockname()[1]
    bounds = Bounds(most, head_s, stall_s)
    config = uvicorn.Config(app, http=bounds.protocol, lifespan="off", log_config=None, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([opened])))
    thread.start()
    until(lambda: server.started)
    try:
        yield port, server
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
    assert not bounds.idle, "connections that have ended are not held"


def until(holds: object) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < ends
        time.sleep(0.005)


def connect(port: int) -> socket.socket:
    """A client."""
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def answered(client: socket.socket) -> bytes:
    """The next answer's head and body; empty when the connection has ended."""
    got = b""
    try:
        while b"\r\n\r\n" not in got or not _is_whole(got):
            part = client.recv(65_536)
            if not part:
                return b""
            got += part
    except ConnectionError:
        return b""
    return got


def _is_whole(got: bytes) -> bool:
    head, _, body = got.partition(b"\r\n\r\n")
    (length,) = (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return len(body) == length


def test_a_connection_that_says_nothing_ends_in_time() -> None:
    """Nothing sent, part of a head, a byte now and then: none is held longer than a head may take."""
    with serving(head_s=0.15) as (port, _):
        silent, half, trickling = (connect(port) for _ in range(3))
        half.sendall(GET[:20])
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < PATIENCE_S:
                trickling.sendall(b"x-a: b\r\n" if time.monotonic() - began > 0.01 else GET[:-2])
                time.sleep(0.02)

        assert time.monotonic() - began < 3
        assert (b"", b"") == (answered(silent), answered(half))


def test_the_next_head_has_its_time_too() -> None:
    """A client that was answered once and then trickles is not kept longer than one that never was."""
    with serving(head_s=0.15) as (port, _):
        client = connect(port)
        client.sendall(GET)
        assert b"200" in answered(client)
        client.sendall(GET[:10])

        assert b"" == answered(client)


def test_an_answered_client_may_rest() -> None:
    """A connection that is kept for the next request does not fall under the time of a head."""
    with serving(head_s=0.1) as (port, _):
        client = connect(port)
        client.sendall(GET)
        assert b"200" in answered(client)
        time.sleep(0.25)
        client.sendall(GET)

        assert b"200" in answered(client)


@pytest.mark.parametrize(
    "endless",
    [b"GET /" + b"a" * 4096, b"GET / HTTP/1.1\r\nx: " + b"a" * 4096, b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 500],
    ids=["path", "value", "fields"],
)
def test_a_head_without_end_is_refused(endless: bytes) -> None:
    """A path, a header, headers that go on and on: 431 once it is more than a head may have, and the connection ends."""
    with serving() as (port, _):
        client, sent = connect(port), len(endless)
        more = b"x: y\r\n" * 1000 if endless.endswith(b"\n") else b"a" * 6000
        client.sendall(endless)
        got = b""
        try:
            while sent < 100 * MAX_HEAD_BYTES:
                client.sendall(more)
                sent += len(more)
        except ConnectionError:
            pass
        with pytest.raises(OSError):
            while True:
                got += client.recv(65_536)
                client.sendall(b"a")

        assert sent < 100 * MAX_HEAD_BYTES
        assert got[:12] in (b"HTTP/1.1 431", b"")


def test_trailers_without_end_are_cut_off() -> None:
    """What follows a chunked body counts as a head does."""
    with serving() as (port, _):
        client, sent = connect(port), 0
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
        with pytest.raises(OSError):
            while sent < 100 * MAX_HEAD_BYTES:
                client.sendall(b"x: y\r\n" * 1000)
                sent += 6000

        assert sent < 100 * MAX_HEAD_BYTES


@pytest.mark.parametrize("size", [1, 7, 60_000])
def test_bodies_in_chunks_of_any_size_come_whole(size: int) -> None:
    """What frames small chunks is not taken for a head."""
    parts = [b"z" * size] * max(1, 120_000 // size)
    with serving() as (port, _):
        client = connect(port)
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        client.sendall(b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n")

        assert answered(client).endswith(b"\r\n\r\n%d" % (size * len(parts)))


def test_large_bodies_and_pipelined_requests_come_whole() -> None:
    """A body of megabytes, then three requests at once, on one connection."""
    with serving() as (port, _):
        client = connect(port)
        client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % LARGE + bytes(LARGE))
        assert answered(client).endswith(b"%d" % LARGE)
        client.sendall(GET * 3)
        got = b""
        while got.count(b"HTTP/1.1 200") < 3:
            got += client.recv(65_536)


def test_requests_far_ahead_of_their_answers_are_refused() -> None:
    """Some may be sent ahead, and are answered; ten thousand in 180 KB, which would be 20 MB here, end the connection."""
    with serving() as (port, server):
        client, greedy = connect(port), connect(port)
        client.sendall(POST + b"abc" + GET * MAX_PIPELINED)
        until(lambda: server.server_state.total_requests == 1 + MAX_PIPELINED)
        greedy.sendall(POST)
        until(lambda: len(server.server_state.tasks) == 1)
        with suppress(ConnectionError):
            greedy.sendall(b"abc" + GET * 10_000)
            while greedy.recv(65_536):
                pass

        until(lambda: len(server.server_state.connections) == 1)
        assert server.server_state.total_requests < 100


def test_many_that_come_at_once_make_room_for_each_other() -> None:
    """However many connect in one turn of the loop, no more are kept than may be."""
    with serving(most=5) as (port, server):
        resting = [connect(port) for _ in range(5)]
        until(lambda: len(server.server_state.connections) == 5)
        loop = next(iter(server.server_state.connections)).loop
        # the loop is held up, and finds all of them at once
        loop.call_soon_threadsafe(time.sleep, 0.2)
        crowd = [connect(port) for _ in range(20)]
        crowd[-1].sendall(GET)
        assert b"200" in answered(crowd[-1])

        until(lambda: len(server.server_state.connections) == 5)
        assert all(b"" == answered(each) for each in resting)


def test_the_longest_idle_makes_room() -> None:
    """Beyond the limit the new connection is answered, and of those that rest the one that has rested longest ends."""
    with serving(most=3) as (port, server):
        clients = [connect(port) for _ in range(3)]
        for client in clients:
            client.sendall(GET)
            assert b"200" in answered(client)
        # the first is no more the one that has rested longest
        clients[0].sendall(GET)
        assert b"200" in answered(clients[0])
        new = connect(port)
        new.sendall(GET)

        assert b"200" in answered(new)
        assert b"" == answered(clients[1])
        until(lambda: len(server.server_state.connections) == 3)
        for client in (clients[0], clients[2]):
            client.sendall(GET)
            assert b"200" in answered(client)


def test_where_all_are_at_work_the_new_one_finds_no_room() -> None:
    """Requests that are under way are not ended for others."""
    with serving(most=2) as (port, server):
        busy = [connect(port) for _ in range(2)]
        for client in busy:
            client.sendall(POST)
        until(lambda: len(server.server_state.tasks) == 2)
        new = connect(port)

        assert b"" == answered(new)
        for client in busy:
            client.sendall(b"abc")
            assert answered(client).endswith(b"\r\n\r\n3")


def test_a_client_that_does_not_read_is_cut_off() -> None:
    """Its answer is memory: within twice the time it ends, with its task; one that reads slowly gets all of it."""
    with serving(stall_s=0.3) as (port, server):
        deaf, slow = connect(port), connect(port)
        for client in (deaf, slow):
            client.sendall(GET.replace(b"/ ", b"/large ", 1))
        got = 0
        while got < LARGE:
            part = slow.recv(256 * 1024)
            assert part, f"cut off after {got:,} bytes"
            got += len(part)
            time.sleep(0.01)

        until(lambda: len(server.server_state.connections) == 1)
        until(lambda: not server.server_state.tasks)
        with pytest.raises(ConnectionResetError):
            while deaf.recv(65_536):
                pass
