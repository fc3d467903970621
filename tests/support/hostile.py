"""Requests that no service should suffer from; the tests and the benchmark send the same."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from tests.support.bombs import coded, markers, scanned, tiled
from tests.support.images import bomb, encoded, picture

# what one of them may add to the process
MEMORY_BYTES = 300 * 10**6
_MEBIBYTE = 2**20
_JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Hostile:
    """One request that must be refused.

    Attributes:
        name: what is wrong with it.
        path: below the collection.
        make: its keyword arguments for httpx; called when it is sent, since some are large.
    """

    name: str
    path: str
    make: Callable[[], dict[str, object]]

    def send(self, client: httpx.Client, collection: str) -> httpx.Response:
        """Send it."""
        return client.post(f"/v1/collections/{collection}{self.path}", **self.make())  # type: ignore[arg-type]


def _query(**query: object) -> Callable[[], dict[str, object]]:
    return lambda: {"json": {"query": query}}


def _raw(content: bytes) -> Callable[[], dict[str, object]]:
    return lambda: {"content": content, "headers": _JSON}


def _upload(make: Callable[[], bytes]) -> Callable[[], dict[str, object]]:
    return lambda: {"files": {"file": ("query", make())}}


def _in_base64(make: Callable[[], bytes]) -> Callable[[], dict[str, object]]:
    return lambda: {"json": {"query": {"image": base64.b64encode(make()).decode()}}}


def _eight_bombs() -> dict[str, object]:
    part = {"image": base64.b64encode(bomb()).decode()}
    return {"json": {"query": {"parts": [part] * 8}}}


def _large_jpeg_cut() -> bytes:
    data = encoded(picture(1200, 900), "JPEG")
    return data[: len(data) // 2]


def _deep_filter(depth: int) -> bytes:
    return b'{"query": {"text": "a"}, "filter": ' + b'{"not": ' * depth + b"1" + b"}" * depth + b"}"


def _mebibytes(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(_MEBIBYTE)


CASES = (
    Hostile("truncated JPEG, upload", "/search/image", _upload(_large_jpeg_cut)),
    Hostile("truncated JPEG, base64", "/search", _in_base64(_large_jpeg_cut)),
    Hostile("13,000 x 13,000 PNG of 500 KB, upload", "/search/image", _upload(bomb)),
    Hostile("13,000 x 13,000 PNG of 500 KB, base64", "/search", _in_base64(bomb)),
    Hostile("eight 13,000 x 13,000 PNGs in one query", "/search", _eight_bombs),
    Hostile("16,000 x 16,000 tile in a TIFF of 64 x 64", "/search/image", _upload(lambda: tiled(16_000))),
    Hostile("9,000 x 9,000 frame in an AVIF of 64 x 64", "/search/image", _upload(lambda: coded(9_000))),
    Hostile("JPEG of 20,000 scans", "/search/image", _upload(lambda: scanned(2_000, 20_000))),
    Hostile("JPEG of 7 million empty markers", "/search/image", _upload(lambda: markers(7_000_000))),
    Hostile("file:///etc/passwd as image", "/search", _query(image="file:///etc/passwd")),
    Hostile("file:///etc/passwd as url", "/search", _query(url="file:///etc/passwd")),
    Hostile("file:///etc/passwd as id", "/search", _query(id="file:///etc/passwd")),
    Hostile("200 MB body, declared", "/search", lambda: {"content": bytes(200 * 10**6), "headers": _JSON}),
    Hostile("200 MB body, streamed", "/search", lambda: {"content": _mebibytes(200), "headers": _JSON}),
    Hostile("NaN vector", "/search", _raw(b'{"query": {"vector": [' + b", ".join([b"NaN"] * 512) + b"]}}")),
    Hostile("vector of a wrong dimension", "/search", _query(vector=[0.1] * 17)),
    Hostile("vector of 4 million numbers", "/search", _raw(b'{"query": {"vector": [' + b"0.5," * 4_000_000 + b"1]}}")),
    Hostile("text of 10,000 words", "/search", _query(text="perspicuous " * 10_000)),
    Hostile("unknown field", "/search", lambda: {"json": {"query": {"text": "a"}, "admin": True}}),
    Hostile("JSON nested 101 deep in a filter", "/search", _raw(_deep_filter(100))),
    Hostile("JSON nested 100,000 deep", "/search", _raw(b"[" * 100_000)),
    Hostile("JSON of 10 million lists", "/search", _raw(b"[" + b"[]," * 10_000_000 + b"[]]")),
    Hostile("a number of 1 million digits", "/search", _raw(b'{"query": {"vector": [' + b"9" * 1_000_000 + b"]}}")),
    Hostile("a lone surrogate", "/search", _raw(json.dumps({"query": {"text": "\ud800"}}).encode())),
    Hostile("no JSON", "/search", _raw(b"\xff\xfe\x00")),
    Hostile("a form of 20,000 fields", "/search/image", lambda: {"files": {str(n): b"x" for n in range(20_000)}}),
)


def send_forever(port: int, path: str, limit: int = 400 * _MEBIBYTE) -> int:
    """Stream a chunked body until the server ends the connection; the bytes that were sent, at most *limit*."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = f"{_MEBIBYTE:x}\r\n".encode() + bytes(_MEBIBYTE) + b"\r\n"
        try:
            while sent < limit:
                connection.sendall(chunk)
                sent += _MEBIBYTE
        except (ConnectionError, TimeoutError):
            pass
    return sent
