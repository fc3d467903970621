"""A change of models as clients see it: no request fails, and every answer is one model's from end to end."""

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.index.reindex.support import NAME, back, change, expect_embedded_by, make_home, make_models, opened, run
from tests.service.conftest import ADDRESS, PATIENCE_S, wait_until_ready
from tests.support.collections import colour_picture

ITEMS = f"/v1/collections/{NAME}/items"
SEARCH = f"/v1/collections/{NAME}/search"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Sixteen pictures, embedded by the first of two bundles."""
    return make_home(tmp_path, make_models(tmp_path / "models"))


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    """The app over it."""
    settings = Settings(home=home, poll_s=0.2)
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


def model(client: TestClient) -> str:
    """The model that answers."""
    return client.get(f"/v1/collections/{NAME}").json()["model"]


def best(client: TestClient, text: str) -> str:
    """The best hit."""
    answer = client.post(SEARCH, json={"query": {"text": text}, "limit": 1})
    assert 200 == answer.status_code, answer.text
    return answer.json()["hits"][0]["id"]


def wait_for(client: TestClient, name: str) -> None:
    """Until that model answers."""
    until = time.monotonic() + PATIENCE_S
    while model(client) != name:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_searches_go_on(home: Path, client: TestClient) -> None:
    """From one model to the other and back, every search is answered, and rightly: texts never meet the other's vectors."""
    stop, answers, faults = threading.Event(), [0], list[str]()

    def search() -> None:
        while not stop.is_set():
            for colour in ("red", "blue"):
                try:
                    assert best(client, colour).startswith(colour)
                except AssertionError as error:
                    faults.append(str(error))
            answers[0] += 1

    searching = threading.Thread(target=search)
    searching.start()
    try:
        run(change(home))
        wait_for(client, "new")
        run(back(home))
        wait_for(client, "old")
    finally:
        stop.set()
        searching.join()

    assert [] == faults
    assert answers[0] > 3


def test_writes_follow(home: Path, client: TestClient) -> None:
    """After the swap a removal is seen by the next search, whichever model that meets; what was made for the old model is
    refused as such, and the same request is written by the new one.
    """
    item = {"id": "more", "image": base64.b64encode(colour_picture("red", 9)).decode(), "captions": ["red"]}
    run(change(home))

    removed = client.request("DELETE", ITEMS, json={"ids": ["blue-0", "blue-1"]}).json()["results"]

    assert ["removed", "removed"] == [each["status"] for each in removed]
    assert not best(client, "blue").startswith("blue")
    until = time.monotonic() + PATIENCE_S
    while (result := client.put(ITEMS, json={"items": [item]}).json()["results"][0])["status"] != "created":
        assert "/problems/model-changed" == result["problem"]["type"]
        assert time.monotonic() < until
    assert "new" == model(client)
    assert opened(home).get("more")
    client.request("DELETE", ITEMS, json={"ids": ["more"]})
    expect_embedded_by(home, "new")


def test_a_version_is_of_its_generation(home: Path, client: TestClient) -> None:
    """Every answer names both; a swap begins anew, kept answers are of what is served, and after a rollback the first one's go on."""
    body = {"query": {"text": "red"}, "limit": 1}
    item = {"id": "more", "image": base64.b64encode(colour_picture("red", 9)).decode()}

    def told() -> tuple[str, int]:
        several = client.post(f"{SEARCH}es", json={"queries": [body]}).json()
        kept = [client.post(SEARCH, json=body).json() for _ in range(2)]
        listed = client.get("/v1/collections").json()["collections"]
        shown = [client.get(f"/v1/collections/{NAME}").json(), client.get(f"{ITEMS}/red-0").json()]
        written = client.request("DELETE", ITEMS, json={"ids": ["nobody"]}).json()
        assert kept[1]["cached"]
        (both,) = {
            (each["generation"], each["version"])
            for each in (*kept, several, *several["results"], *listed, *shown, written)
        }
        return both

    written = client.put(ITEMS, json={"items": [item]}).json()
    first = told()
    assert ("g0", first) == (first[0], (written["generation"], written["version"]))
    run(change(home))
    wait_for(client, "new")
    assert opened(home).generation == told()[0] != "g0"
    run(back(home))
    wait_for(client, "old")
    again = told()
    assert again[0] == "g0" and again[1] >= first[1]


def test_an_upload_survives_changes(home: Path, client: TestClient) -> None:
    """A picture that came with a request is embedded anew, and can be seen, by either model."""
    data = colour_picture("green", 9)
    item = {"id": "sent", "image": base64.b64encode(data).decode(), "captions": ["green"]}
    assert "created" == client.put(ITEMS, json={"items": [item]}).json()["results"][0]["status"]

    run(change(home))
    wait_for(client, "new")

    assert data == client.get(f"{ITEMS}/sent/image").content
    assert ("new", 17) == (opened(home).info.bundle_name, opened(home).count())
    assert opened(home).get("sent")
