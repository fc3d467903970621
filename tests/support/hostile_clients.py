"""Clients that take without giving: they connect and say nothing, send byte by byte, stop halfway, or do not read."""

import resource
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

_HEAD = b"POST /v1/collections/colours/search HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
# beside the connections themselves
_SPARE = 200


@dataclass(frozen=True)
class Slow:
    """What became of slow clients: how long the server held the one it held longest, and how many it never ended."""

    longest_s: float
    left: int


@contextmanager
def idle(port: int, count: int) -> Iterator[threading.Event]:
    """So many connections that say nothing, for as long as the block lives; the event says that all are there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + _SPARE)), hard))
    there = threading.Event()
    held: list[socket.socket] = []

    def connect() -> None:
        for number in range(count):
            # of addresses of their own: one has 28,000 ports
            source = (f"127.0.{1 + number // 20_000}.1", 0)
            held.append(socket.create_connection(("127.0.0.1", port), timeout=20, source_address=source))
        there.set()

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        yield there
    finally:
        thread.join()
        for each in held:
            each.close()


def slow_head(port: int, count: int, patience_s: float) -> Slow:
    """A head of which a line comes now and then, and never the last."""
    return _slow(port, count, patience_s, _HEAD, b"x-a: b\r\n")


def slow_body(port: int, count: int, patience_s: float) -> Slow:
    """A body of which a byte comes now and then; every second client stops halfway and says nothing more."""
    return _slow(port, count, patience_s, _HEAD + b"content-length: 10000\r\n\r\n{", b" ", every_second_stops=True)


def slow_reader(port: int, count: int, patience_s: float) -> Slow:
    """Answers of which nobody reads a byte, asked for over and over on one connection."""
    # small buffers, so that the server is the one that holds what is not read
    return _slow(
        port, count, patience_s, b"GET /openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" * 60, b"", reads=False
    )


def _slow(
    port: int,
    count: int,
    patience_s: float,
    first: bytes,
    then: bytes,
    *,
    every_second_stops: bool = False,
    reads: bool = True,
) -> Slow:
    clients: dict[socket.socket, float] = {}
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        with suppress(BlockingIOError):
            client.send(first)
        clients[client] = time.monotonic()
    longest, until = 0.0, time.monotonic() + patience_s
    while clients and time.monotonic() < until:
        for number, client in enumerate(list(clients)):
            if _has_ended(client, b"" if every_second_stops and number % 2 else then, reads=reads):
                longest = max(longest, time.monotonic() - clients.pop(client))
                client.close()
        time.sleep(0.1)
    for client in clients:
        client.close()
    return Slow(longest, len(clients))


def _has_ended(client: socket.socket, data: bytes, *, reads: bool) -> bool:
    """Whether the server has closed the connection; sends *data* otherwise."""
    try:
        if data:
            client.send(data)
        poll = select.poll()
        poll.register(client, select.POLLIN | select.POLLRDHUP)
        state = dict(poll.poll(0)).get(client.fileno(), 0)
        if state & (select.POLLHUP | select.POLLERR):
            return True
        if reads and state & select.POLLIN:
            return not client.recv(65_536) or bool(state & select.POLLRDHUP)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
