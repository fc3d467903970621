"""HEAD beside GET, on every route of the real app."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from service.heads import Heads
from tests.support.servers import serving

PICTURE = "/v1/collections/colours/items/red-0/image"
PATHS = [
    "/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static/app.js", "/v1/collections", "/v1/models",
    "/v1/collections/colours/items/red-0", PICTURE, "/v1/collections/colours/items/red-0/thumbnail", "/v1/collections/none",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_head_is_a_gets_without_its_body(client: TestClient, path: str) -> None:
    """Whatever path: the same status and headers, and not a byte more."""
    whole, head = client.get(path), client.head(path)

    assert whole.content
    assert (whole.status_code, b"") == (head.status_code, head.content)
    # metrics count the requests between
    varying = {"x-request-id", "content-length"} if path == "/metrics" else {"x-request-id"}
    first, second = (
        {name: value for name, value in each.headers.items() if name not in varying} for each in (whole, head)
    )
    assert first == second


def test_a_client_that_has_it_is_told_so(client: TestClient) -> None:
    """A conditional HEAD is answered 304 as a GET is."""
    tag = client.head(PICTURE).headers["etag"]

    assert 304 == client.head(PICTURE, headers={"if-none-match": tag}).status_code


def test_it_asks_for_no_part() -> None:
    """A range is for GET alone: whoever answers a HEAD hears of none, and of all else."""
    heard: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend(scope["headers"])

    async def nobody() -> Message:
        return {"type": "http.disconnect"}

    async def nowhere(message: Message) -> None:
        raise AssertionError("it answers nothing")

    headers = [(b"range", b"bytes=0-9"), (b"if-range", b'"x"'), (b"if-none-match", b'"x"')]
    scope = {"type": "http", "method": "HEAD", "headers": headers}
    asyncio.run(Heads(app)(scope, nobody, nowhere))

    assert [(b"if-none-match", b'"x"')] == heard
    assert 3 == len(scope["headers"])


def test_what_takes_no_get_takes_no_head(client: TestClient) -> None:
    """A path that is only written to answers 405."""
    assert 405 == client.head("/v1/embeddings").status_code


def test_it_counts_under_its_route(client: TestClient) -> None:
    """A HEAD is counted with its path's requests."""
    client.head("/v1/collections/colours/items/none-such")

    assert 'vilem_requests_total{route="/v1/collections/{name}/items/{item_id:path}",status="404"}' in (
        client.get("/metrics").text
    )


@pytest.mark.parametrize("version", ["2.3", "2.4"])
def test_a_body_in_pieces_is_not_read_to_its_end(version: str) -> None:
    """Of a body that goes out in pieces, as a video's, one is made at most; whoever made it is told to end."""
    made: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(1000):
            made.append(number)
            yield b"x"

    async def film(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces(), headers={"content-length": "1000"})(scope, receive, send)

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "HEAD", "headers": [], "asgi": {"spec_version": version}}
    asyncio.run(Heads(film)(scope, receive, send))

    assert [0] == made
    assert ["http.response.start", "http.response.body"] == [each["type"] for each in sent]
    assert b"" == sent[1]["body"]
    assert "HEAD" == scope["method"]


def test_the_connection_goes_on(home: Path, tmp_path: Path) -> None:
    """Over HTTP the answer ends with its head, and the next request on the same connection is answered."""
    with serving(home, tmp_path / "log") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
            line.sendall(
                b"HEAD /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
                b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            )
            told = b"".join(iter(lambda: line.recv(65536), b""))

    first, _, second = told.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert b"content-type: application/json" in first
    assert second.startswith(b"HTTP/1.1 200 OK")
    assert second.endswith(b'{"status":"ok"}')
