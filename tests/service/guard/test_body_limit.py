"""Bodies beyond the limits are refused early: too large, too slow, too many at a time."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyPacked, BodyTooLarge, BodyTooSlow, QueueFull
from service.guard.body_limit import HELD_AT_A_TIME, BodyLimit

LIMIT = 1000
PATIENT_S = 30.0


class Exchange:
    """One request to a limited app that reads its body and answers how long it was."""

    def __init__(self, chunks: Iterable[bytes], headers: dict[str, str]) -> None:
        self.sent: list[Message] = []
        self.received = 0
        self._chunks = list(chunks)
        self._headers = headers

    async def receive(self) -> Message:
        """The next chunk of the body."""
        if not self._chunks:
            return {"type": "http.request", "body": b"", "more_body": False}
        chunk = self._chunks.pop(0)
        self.received += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def send(self, message: Message) -> None:
        """Keep what is answered."""
        self.sent.append(message)

    def run(self, app: ASGIApp | None = None) -> tuple[int, bytes]:
        """Status and body of the answer."""
        scope = {
            "type": "http", "method": "POST", "path": "/",
            "headers": [(name.encode(), value.encode()) for name, value in self._headers.items()],
        }  # fmt: skip
        asyncio.run(BodyLimit(app or echo_length, LIMIT, PATIENT_S)(scope, self.receive, self.send))
        body = b"".join(message.get("body", b"") for message in self.sent)
        return self.sent[0]["status"], body


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the whole body; a refusal becomes its status, as in a real app."""
    try:
        body = await Request(scope, receive).body()
        response = PlainTextResponse(str(len(body)))
    except (BodyTooLarge, BodyPacked) as error:
        response = PlainTextResponse(str(error), 413 if isinstance(error, BodyTooLarge) else 415)
    await response(scope, receive, send)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_within_the_limit_passes(size: int) -> None:
    """Up to the limit, to the byte, a body reaches the app whole, declared or not."""
    for headers in ({"content-length": str(size)}, {}):
        assert (200, str(size).encode()) == Exchange([b"x" * size], headers).run()


def test_a_declared_length_beyond_the_limit_is_refused_unread() -> None:
    """By Content-Length alone the request is 413, before one byte of it is read."""
    exchange = Exchange([b"x" * 5000], {"content-length": str(LIMIT + 1)})

    assert (413, 0) == (exchange.run()[0], exchange.received)
    assert closes(exchange)


def test_a_stream_beyond_the_limit_is_refused_on_the_way() -> None:
    """Without a declared length, reading ends at the chunk that exceeds the limit."""
    exchange = Exchange([b"x" * 400] * 100, {})

    assert 413 == exchange.run()[0]
    assert exchange.received <= LIMIT + 400


def test_a_length_that_lies_does_not_help() -> None:
    """A body longer than it was declared is refused where it exceeds the limit."""
    exchange = Exchange([b"x" * 400] * 100, {"content-length": "10"})

    assert 413 == exchange.run()[0]
    assert exchange.received <= LIMIT + 400


def closes(exchange: Exchange) -> bool:
    """Whether the answer ends the connection."""
    return (b"connection", b"close") in exchange.sent[0]["headers"]


def test_a_refused_stream_ends_its_connection() -> None:
    """What exceeded the limit is not read on: the answer closes the connection."""
    exchange = Exchange([b"x" * 400] * 100, {"transfer-encoding": "chunked"})

    assert (413, True) == (exchange.run()[0], closes(exchange))


def test_a_body_that_the_app_did_not_read_ends_its_connection() -> None:
    """An app that answers without reading a body leaves none to be read for ever; one that read it keeps the line."""

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 422)(scope, receive, send)

    unread, whole = (Exchange([b"x"] * 10, {"transfer-encoding": "chunked"}) for _ in range(2))
    none = Exchange([], {})

    assert [True, False, False] == [
        (unread.run(deaf), closes(unread))[1],
        (whole.run(), closes(whole))[1],
        (none.run(deaf), closes(none))[1],
    ]


@pytest.mark.parametrize("length", ["-1", "1e3", "ten", " ", "9" * 30])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    """A Content-Length that is no number, or absurd, is refused unread."""
    exchange = Exchange([b"x"], {"content-length": length})

    assert (413, 0) == (exchange.run()[0], exchange.received)


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, identity", "aes128gcm"])
def test_a_packed_body_is_refused_unread(encoding: str) -> None:
    """Nobody unpacks it: it is told by its encoding, before a byte of it is read, and its connection ends."""
    exchange = Exchange([b"\x1f\x8b"], {"content-length": "2", "content-encoding": encoding})
    status, said = exchange.run()

    assert (415, 0, True) == (status, exchange.received, closes(exchange))
    assert encoding.encode() in said


@pytest.mark.parametrize(("encoding", "body"), [("identity", b"x"), ("Identity", b"x"), ("", b"x"), ("gzip", b"")])
def test_a_body_that_is_as_it_is_passes(encoding: str, body: bytes) -> None:
    """By its header too, and where there is none."""
    headers = {"content-length": str(len(body)), "content-encoding": encoding}

    assert (200, str(len(body)).encode()) == Exchange([body], headers).run()


def test_other_protocols_pass() -> None:
    """What is no HTTP request (start-up events) is passed on."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    exchange = Exchange([], {})
    asyncio.run(BodyLimit(app, LIMIT, PATIENT_S)({"type": "lifespan"}, exchange.receive, exchange.send))

    assert ["lifespan"] == seen


class Crowd:
    """Clients of one limited app: each sends what it is told, and goes on with the next chunk when it is told."""

    def __init__(self, patience_s: float = PATIENT_S) -> None:
        self._limit = BodyLimit(self._read, LIMIT, patience_s)
        self.bodies: list[bytes] = []

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append(await Request(scope, receive).body())

    async def send(self, *chunks: bytes, more: asyncio.Event | None = None, pause_s: float = 0.0) -> None:
        """A request of these chunks; with *more*, its end comes when that is set."""
        left = list(chunks)

        async def receive() -> Message:
            await asyncio.sleep(pause_s)
            if left:
                return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or more is not None}
            if more is not None:
                await more.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def nowhere(_: Message) -> None:
            pass

        await self._limit({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, nowhere)


def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies on their way are counted together: one more than may be held is refused, unless it is small; room comes back with each end."""
    monkeypatch.setattr("service.guard.body_limit.SMALL_BYTES", 10)

    async def ask() -> None:
        crowd, more = Crowd(), asyncio.Event()
        held = [asyncio.ensure_future(crowd.send(b"x" * LIMIT, more=more)) for _ in range(HELD_AT_A_TIME)]
        await asyncio.sleep(0.02)
        with pytest.raises(QueueFull, match="memory"):
            await crowd.send(b"x" * 11)
        await crowd.send(b"x" * 10)
        more.set()
        await asyncio.gather(*held)
        await crowd.send(b"x" * LIMIT)
        assert HELD_AT_A_TIME + 2 == len(crowd.bodies)

    asyncio.run(ask())


def test_what_failed_gives_its_room_back() -> None:
    """A body that was refused, or whose client left, is counted no longer."""

    async def ask() -> None:
        crowd = Crowd()
        for _ in range(2 * HELD_AT_A_TIME):
            with pytest.raises(BodyTooLarge):
                await crowd.send(b"x" * LIMIT, b"x")
            left = asyncio.ensure_future(crowd.send(b"x" * LIMIT, more=asyncio.Event()))
            await asyncio.sleep(0.001)
            left.cancel()
            await asyncio.gather(left, return_exceptions=True)
        await crowd.send(b"x" * LIMIT)

    asyncio.run(ask())


def test_a_body_that_stalls_is_refused() -> None:
    """A client that stops sending is let go when its time is up; it would hold memory for as long as it likes."""

    async def ask() -> None:
        with pytest.raises(BodyTooSlow, match="bytes a second"):
            await Crowd(patience_s=0.05).send(b"x", more=asyncio.Event())

    asyncio.run(asyncio.wait_for(ask(), PATIENT_S))


def test_who_was_fast_may_not_stall_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes that came at once buy no time in which nothing comes: they are held meanwhile."""
    monkeypatch.setattr("service.guard.body_limit.SLOWEST_BYTES_PER_S", 1)

    async def ask() -> None:
        with pytest.raises(BodyTooSlow):
            await Crowd(patience_s=0.05).send(b"x" * LIMIT, more=asyncio.Event())

    asyncio.run(asyncio.wait_for(ask(), 5))


def test_a_slow_line_has_the_time_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes gives time for more: a body at a decent pace may take longer than the patience for an empty one."""
    monkeypatch.setattr("service.guard.body_limit.SLOWEST_BYTES_PER_S", 500)
    crowd = Crowd(patience_s=0.3)

    asyncio.run(crowd.send(*[b"x" * 100] * 10, pause_s=0.05))

    assert [b"x" * LIMIT] == crowd.bodies


def test_the_wait_for_the_clients_end_is_no_slow_body() -> None:
    """After the body nothing is timed: who listens for the client's end may listen for longer than any body takes."""
    heard: list[str] = []

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        heard.append((await receive())["type"])

    async def ask() -> None:
        messages: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await asyncio.sleep(0.1)
            return {"type": "http.disconnect"}

        async def nowhere(_: Message) -> None:
            pass

        limited = BodyLimit(listening, LIMIT, 0.02)
        await limited({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, nowhere)

    asyncio.run(ask())

    assert ["http.disconnect"] == heard
