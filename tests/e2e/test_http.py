"""The real HTTP server: what a client meets, and whatever a machine can think of sending."""

import json
import socket
import threading
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from index.collection import Collection
from index.publish import publish
from service.app import create_app
from service.settings import Settings
from tests.support.collections import colour_picture
from tests.support.servers import Server, serving

SEARCH = "/v1/collections/colours/search"
# of each operation: more find little more, and take seconds each
EXAMPLES = 30


OPERATIONS = {
    operation.ok().label: operation.ok()
    for operation in schemathesis.openapi.from_dict(create_app(Settings(home=Path())).openapi()).get_all_operations()
}


@pytest.mark.parametrize("label", OPERATIONS)
def test_any_request_is_answered_as_documented(server: Server, label: str) -> None:
    """Whatever is sent to an operation, the answer is no 5xx and is what the OpenAPI document says."""
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

    @given(case=OPERATIONS[label].as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        if "name" in case.path_parameters:
            # else no request would get further than "no such collection"
            case.path_parameters["name"] = "colours"
        case.call_and_validate(base_url=str(server.client.base_url), checks=checks)

    ask()


def test_a_text_and_a_picture_find_what_they_show(server: Server) -> None:
    """One call each: a word finds pictures of its colour, a picture finds itself."""
    text = server.client.post(SEARCH, json={"query": {"text": "purple"}, "limit": 3}).json()
    upload = server.client.post(f"{SEARCH}/image", files={"file": ("query.png", colour_picture("green", 2))}).json()

    assert {"purple-0", "purple-1", "purple-2"} == {hit["id"] for hit in text["hits"]}
    assert "green-2" == upload["hits"][0]["id"]


def test_many_clients_each_get_their_own_answer(server: Server) -> None:
    """Sixteen clients that ask for other things at one time are each answered what they asked for."""
    colours = ["red", "green", "blue", "yellow", "purple", "orange", "black", "white"]
    wrong: list[str] = []

    def ask(number: int) -> None:
        colour = colours[number % len(colours)]
        with httpx.Client(base_url=server.client.base_url, timeout=30, trust_env=False) as client:
            for turn in range(10):
                text = colour if turn % 2 else f"a photo of {colour}"
                hits = client.post(SEARCH, json={"query": {"text": text}, "limit": 1 + turn}).json()["hits"]
                if not hits[0]["id"].startswith(colour) or len(hits) != 1 + turn:
                    wrong.append(f"{text}: {hits}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == wrong


def test_a_connection_serves_many_requests(server: Server) -> None:
    """A client may keep its connection, also after an error."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for path, status in (("/healthz", b"200"), ("/none", b"404"), ("/healthz", b"200")):
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
            with connection.makefile("rb") as stream:
                assert status in stream.readline()
                lengths = [
                    int(line[15:]) for line in iter(stream.readline, b"\r\n") if line.startswith(b"content-length")
                ]
                stream.read(*lengths)


def test_what_is_published_appears(server: Server, home: Path) -> None:
    """A publication while the server runs changes the snapshot that answers, without a restart."""
    before = server.client.get("/v1/collections/colours").json()["snapshot"]
    published = publish(Collection.open(home / "collections", "colours")).id

    for _ in range(600):
        now = server.client.post(SEARCH, json={"query": {"text": "red"}}).json()["snapshot"]
        if now != before:
            break
    assert published == server.client.get("/v1/collections/colours").json()["snapshot"]


def test_half_a_request_does_not_hold_up_others(server: Server) -> None:
    """A client that announces a body and sends none leaves the others answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
        idle.sendall(f"POST {SEARCH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{{".encode())
        assert 200 == server.client.post(SEARCH, json={"query": {"text": "blue"}}).status_code


def test_a_client_that_hangs_up_leaves_no_trace(server: Server) -> None:
    """Clients that send a request and leave before the answer do not disturb the next one."""
    body = json.dumps({"query": {"text": "yellow square"}}).encode()
    head = f"POST {SEARCH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as hasty:
            hasty.sendall(head.encode() + body)

    assert 200 == server.client.post(SEARCH, json={"query": {"text": "blue"}}).status_code
    assert "Traceback" not in server.log.read_text()


def test_a_web_page_cannot_read_it_by_a_name_of_its_own(server: Server) -> None:
    """A page whose name was pointed at 127.0.0.1 gets neither collections nor pictures; localhost does."""
    for path in ("/v1/collections", "/v1/collections/colours/items/red-0/image"):
        assert 421 == server.client.get(path, headers={"host": f"evil.example:{server.port}"}).status_code
        assert 200 == server.client.get(path, headers={"host": f"localhost:{server.port}"}).status_code


def test_it_ends_when_told(home: Path, tmp_path: Path) -> None:
    """SIGTERM ends the server with status 0 or by the signal, within seconds."""
    with serving(home, tmp_path / "log") as running:
        running.process.terminate()
        running.process.wait(timeout=15)

        assert running.process.returncode in (0, -15)
        assert "Traceback" not in running.log.read_text()


def test_half_a_request_does_not_hold_up_the_end(home: Path, tmp_path: Path) -> None:
    """SIGTERM ends the server also while a client is in the middle of sending."""
    with serving(home, tmp_path / "log") as running, socket.create_connection(("127.0.0.1", running.port)) as idle:
        idle.sendall(f"POST {SEARCH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{{".encode())
        # answered after it: the server has met the half request
        assert 200 == running.client.get("/healthz").status_code
        running.process.terminate()
        running.process.wait(timeout=9)

        assert running.process.returncode in (0, -15)
