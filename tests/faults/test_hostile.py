"""What an attacker or a broken client sends: each is a 4xx, costs little memory, and the next request is answered.

Times are printed by `python -m benchmarks.hostile`, not asserted here.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.collections import colour_picture, make_colours
from tests.support.hostile import CASES, MEMORY_BYTES, Hostile, send_forever
from tests.support.images import encoded, picture
from tests.support.servers import Server, serving

SEARCH = "/v1/collections/colours/search"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[Server]:
    """`vilem serve` over "colours", warmed up: what is measured afterwards is the request's own."""
    home = tmp_path_factory.mktemp("home")
    make_colours(home, tiny_bundle)
    with serving(home, home / "log") as running:
        running.client.post(f"{SEARCH}/image", files={"file": ("a.png", encoded(picture(2000, 2000)))})
        yield running


def answers(server: Server) -> bool:
    """Whether an ordinary search is answered."""
    hits = server.client.post(SEARCH, json={"query": {"text": "green"}, "limit": 1}).json()["hits"]
    return bool(hits) and hits[0]["id"].startswith("green")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_hostile_input_is_refused_at_little_cost(server: Server, case: Hostile) -> None:
    """Each is a problem with a 4xx status, takes less than 300 MB of extra memory, and leaves the service answering."""
    server.forget_peak()
    before, _ = server.memory()

    answer = case.send(server.client, "colours")

    _, peak = server.memory()
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["type"].startswith("/problems/")
    assert peak - before < MEMORY_BYTES
    assert answers(server)


def test_no_file_of_the_server_comes_out(server: Server) -> None:
    """No answer to a request for a local file holds any of it."""
    for case in CASES:
        if "passwd" in case.name:
            assert "root:" not in case.send(server.client, "colours").text


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    """A client that streams without end is refused at the limit; memory stays bounded."""
    server.forget_peak()
    before, _ = server.memory()

    sent = send_forever(server.port, f"{SEARCH}/image")

    _, peak = server.memory()
    assert sent < 100 * 2**20
    assert peak - before < MEMORY_BYTES
    assert answers(server)


def test_many_bombs_at_once_stay_cheap(server: Server) -> None:
    """Eight refused pictures at one time take no more memory than one."""
    from concurrent.futures import ThreadPoolExecutor

    bomb = next(case for case in CASES if "13,000" in case.name)
    # made once, beforehand: the eight arrive together
    bomb.make()
    server.forget_peak()
    before, _ = server.memory()

    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda _: bomb.send(httpx.Client(base_url=server.client.base_url, timeout=30), "colours"), range(8)
            )
        )

    _, peak = server.memory()
    assert {413} == {answer.status_code for answer in found}
    assert peak - before < MEMORY_BYTES
    assert answers(server)


def test_damaged_pictures_are_refused_or_read(server: Server) -> None:
    """Pictures with flipped, lost or missing bytes are a 4xx or an answer, never a 5xx."""
    from tests.support.images import damaged

    codes: set[int] = set()
    for format_name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF"):
        for data in damaged(encoded(picture(), format_name), 20):
            codes.add(server.client.post(f"{SEARCH}/image", files={"file": ("x", data)}).status_code)

    assert codes <= {200, 413, 422}
    assert answers(server)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 1000, b"A" * 100_000]
)
def test_what_is_no_http_disturbs_nobody(server: Server, garbage: bytes) -> None:
    """A TLS greeting, another protocol, a line without end: the connection is closed, others are answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(65_536):
                pass
        except ConnectionError:
            pass

    assert answers(server)


def test_a_refused_upload_leaves_its_connection_usable_or_closed(server: Server) -> None:
    """After a picture was refused, the same client goes on searching."""
    with httpx.Client(base_url=server.client.base_url, timeout=10, trust_env=False) as client:
        assert 422 == client.post(f"{SEARCH}/image", files={"file": ("x", b"none")}).status_code
        assert 200 == client.post(f"{SEARCH}/image", files={"file": ("x", colour_picture("red"))}).status_code


def test_stalled_uploads_are_bounded_and_let_go(tmp_path: Path) -> None:
    """Of clients that send most of a body and stop, six are held and the others refused; then those are let go too."""
    limit = 64 * 1024
    head = f"POST {SEARCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {limit}\r\n\r\n"
    with serving(tmp_path, tmp_path / "log", deadline_s=1, max_body_bytes=limit) as running:
        clients = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(10)]
        for client in clients:
            client.sendall(head.encode() + b"A" * (limit - 100))
        answers = []
        for client in clients:
            with client, client.makefile("rb") as stream:
                answers.append(stream.read().split(b" ", 2)[1])
        again = running.client.post(SEARCH, json={"query": {"text": "green"}})

    assert {b"429", b"408"} == set(answers)
    assert 6 == answers.count(b"408")
    assert 404 == again.status_code


def test_nothing_of_it_is_a_traceback(server: Server) -> None:
    """After all of the above (this is the module's last test) the log holds no traceback."""
    assert "Traceback" not in server.log.read_text()
