"""Bodies beyond the limit are refused early."""

import asyncio
import json
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.body_limit import BodyLimit

LIMIT = 1000


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
        asyncio.run(BodyLimit(app or echo_length, LIMIT)(scope, self.receive, self.send))
        body = b"".join(message.get("body", b"") for message in self.sent)
        return self.sent[0]["status"], body


async def echo_length(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that reads the whole body; a raised HTTPException becomes its status, as in a real app."""
    from starlette.exceptions import HTTPException

    try:
        body = await Request(scope, receive).body()
        response = PlainTextResponse(str(len(body)))
    except HTTPException as error:
        response = PlainTextResponse(str(error.detail), error.status_code)
    await response(scope, receive, send)


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_within_the_limit_passes(size: int) -> None:
    """Up to the limit, to the byte, a body reaches the app whole, declared or not."""
    for headers in ({"content-length": str(size)}, {}):
        assert (200, str(size).encode()) == Exchange([b"x" * size], headers).run()


def test_a_declared_length_beyond_the_limit_is_refused_unread() -> None:
    """By Content-Length alone the request is 413, before one byte of it is read."""
    exchange = Exchange([b"x" * 5000], {"content-length": str(LIMIT + 1)})
    status, body = exchange.run()

    assert (413, 0) == (status, exchange.received)
    assert "/problems/body-too-large" == json.loads(body)["type"]
    assert (b"content-type", b"application/problem+json") in exchange.sent[0]["headers"]


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


def test_other_protocols_pass() -> None:
    """What is no HTTP request (start-up events) is passed on."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    exchange = Exchange([], {})
    asyncio.run(BodyLimit(app, LIMIT)({"type": "lifespan"}, exchange.receive, exchange.send))

    assert ["lifespan"] == seen
