"""Searches by the address of a picture."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture

SEARCH = "/v1/collections/colours/search"


class Pictures(BaseHTTPRequestHandler):
    """`/green/2` is a picture, `/changing` another each time; whatever else is text."""

    changing = b""

    def do_GET(self) -> None:
        """Answer."""
        _, colour, shade = [*self.path.split("/"), "", ""][:3]
        known = colour in ("green", "changing")
        body = self.changing if colour == "changing" else colour_picture(colour, int(shade)) if known else b"text"
        self.send_response(200)
        self.send_header("content-type", "image/png" if known or colour == "broken" else "text/plain")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A host of pictures: `localhost` and its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def fetching(home: Path, host: str) -> Iterator[TestClient]:
    """The app, which fetches from that host, and may reach this machine."""
    settings = Settings(home=home, url_hosts=(host,), url_networks=("127.0.0.0/8", "::1/128"))
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


def test_what_lies_at_an_address_is_looked_at_each_time(fetching: TestClient, host: str) -> None:
    """An answer to an address is not given again unasked: another picture may lie there by now."""
    found = []
    for query in (
        {"url": f"{host}/changing"},
        {"parts": [{"url": f"{host}/changing"}, {"text": "green", "weight": 0.01}]},
    ):
        for colour in ("green", "red"):
            Pictures.changing = colour_picture(colour, 1)
            found.append(fetching.post(SEARCH, json={"query": query}).json()["hits"][0]["id"])

    assert ["green-1", "red-1"] * 2 == found


def test_a_picture_is_found_by_its_address(fetching: TestClient, host: str) -> None:
    """As if it had been sent; and as a part of a query."""
    answer = fetching.post(SEARCH, json={"query": {"url": f"{host}/green/2"}}).json()
    part = fetching.post(SEARCH, json={"query": {"parts": [{"url": f"{host}/green/2"}, {"text": "green"}]}}).json()

    assert "green-2" == answer["hits"][0]["id"]
    assert {"fetch", "decode", "encode"} <= answer["took_ms"].keys()
    assert part["hits"][0]["id"].startswith("green")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/text", 422, "url-refused"),
        ("/broken", 422, "image-unreadable"),
    ],
)
def test_what_is_no_picture_is_told(fetching: TestClient, host: str, path: str, status: int, kind: str) -> None:
    """Of another type, or of a picture's type and none: with the part that has the address."""
    answer = fetching.post(SEARCH, json={"query": {"parts": [{"text": "red"}, {"url": f"{host}{path}"}]}})

    assert (status, f"/problems/{kind}") == (answer.status_code, answer.json()["type"])
    assert ["query.parts.1.url"] == [each["field"] for each in answer.json()["errors"]]


@pytest.mark.parametrize("url", ["https://evil.example/", "http://169.254.169.254/", "file:///etc/passwd", "nothing"])
def test_other_hosts_are_not_asked(fetching: TestClient, url: str) -> None:
    """What is not on the list is 422, and says how that is set."""
    answer = fetching.post(SEARCH, json={"query": {"url": url}})

    assert (422, "/problems/url-refused") == (answer.status_code, answer.json()["type"])


def test_nothing_is_fetched_unless_it_was_listed(client: TestClient, host: str) -> None:
    """By default no address is fetched."""
    answer = client.post(SEARCH, json={"query": {"url": f"{host}/green/2"}})

    assert (422, "/problems/url-refused") == (answer.status_code, answer.json()["type"])
    assert "VILEM_URL_HOSTS" in answer.json()["detail"]


def test_the_address_at_fault_is_named(client: TestClient, host: str) -> None:
    """Of the query, or of the part that has it."""
    url = {"url": f"{host}/green/2"}
    asked = {"query.url": url, "query.parts.1.url": {"parts": [{"text": "green"}, url]}}
    answers = [client.post(SEARCH, json={"query": query}).json() for query in asked.values()]

    assert [[field] for field in asked] == [[each["field"] for each in answer["errors"]] for answer in answers]


def test_a_listed_host_that_is_inside_is_refused(home: Path, host: str) -> None:
    """A host that is listed and leads to this machine is not fetched from, unless its network is named."""
    with TestClient(create_app(Settings(home=home, url_hosts=(host,))), base_url=ADDRESS) as inside:
        wait_until_ready(inside)
        answer = inside.post(SEARCH, json={"query": {"url": f"{host}/green/2"}})

    assert (422, "/problems/url-refused") == (answer.status_code, answer.json()["type"])
