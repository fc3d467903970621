"""A collection that was pushed to Milvus, as clients of the service meet it."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from index.collection import Collection
from index.milvus.engine import ENGINE_FILE
from index.milvus.push import push, take_back
from index.milvus.target import Target, target_of
from index.searcher import Searcher
from models.bundle import Bundle
from service.app import create_app
from service.settings import Settings
from tests.index.milvus.support import serving
from tests.service.conftest import ADDRESS, PATIENCE_S, wait_until_ready
from tests.support.collections import make_colours

pytest.importorskip("milvus_lite.server_manager", reason="Milvus is an extra: pip install -e '.[cpu,milvus]'")

NAME = "colours"
COLLECTION = f"/v1/collections/{NAME}"
RED = {"query": {"text": "red"}, "limit": 3}


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """24 pictures of eight colours, 48 captions; pushed nowhere."""
    make_colours(tmp_path, tiny_bundle)
    return tmp_path


@pytest.fixture
def lite(home: Path) -> Target:
    """A file of milvus-lite."""
    return target_of(str(home / "vectors.db"))


def opened(home: Path) -> Collection:
    """The collection."""
    return Collection.open(home / "collections", NAME)


def service(home: Path, **settings: object) -> TestClient:
    """The app over it, which looks often for what is new."""
    made = Settings.model_validate({"home": home, "poll_s": 0.05, **settings})
    return TestClient(create_app(made), base_url=ADDRESS, raise_server_exceptions=False)


@pytest.fixture
def client(home: Path, lite: Target) -> Iterator[TestClient]:
    """The app, with all of the collection in milvus-lite."""
    push(opened(home), lite)
    with service(home) as made:
        wait_until_ready(made)
        yield made


def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def shown(client: TestClient) -> dict[str, Any]:
    """What the service tells of the collection."""
    answer = client.get(COLLECTION)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def engine(client: TestClient) -> str:
    """What finds vectors."""
    return shown(client)["engine"]


def hits(client: TestClient, **question: object) -> list[tuple[str, float]]:
    """Ids and scores of an answer."""
    answer = client.post(f"{COLLECTION}/search", json=question)
    assert 200 == answer.status_code, answer.text
    return [(hit["id"], hit["score"]) for hit in answer.json()["hits"]]


def ids(client: TestClient, **question: object) -> list[str]:
    """Ids of an answer."""
    return [found for found, _ in hits(client, **question)]


def vector(tiny_bundle: Path, text: str) -> list[float]:
    """Of a text."""
    return Bundle.open(tiny_bundle).embed_texts([text]).vectors[0].tolist()


def test_answers_are_those_of_the_snapshot(home: Path, client: TestClient) -> None:
    """Images and captions, whole or filtered: milvus-lite, which is exact, finds what FAISS finds, with its scores."""
    questions: list[dict[str, Any]] = [
        RED,
        {**RED, "target": "texts"},
        {**RED, "limit": 10, "filter": {"field": "id", "op": "in", "value": ["blue-0", "blue-2", "green-1"]}},
        {**RED, "query": {"id": "blue-1"}},
    ]
    assert "milvus" == engine(client)
    answers = [hits(client, **question) for question in questions]

    take_back(opened(home))
    until(lambda: engine(client) == "faiss")

    for question, milvus in zip(questions, answers, strict=True):
        faiss = hits(client, **question)
        assert milvus
        assert [found for found, _ in faiss] == [found for found, _ in milvus]
        np.testing.assert_allclose([score for _, score in faiss], [score for _, score in milvus], atol=2e-3)


def test_a_write_is_seen_by_the_next_search(client: TestClient, tiny_bundle: Path) -> None:
    """An item that is put, replaced or removed counts at once, though Milvus has not heard of it."""
    red, blue = vector(tiny_bundle, "red"), vector(tiny_bundle, "blue")
    items = f"{COLLECTION}/items"

    client.put(items, json={"items": [{"id": "new", "vector": red}, {"id": "blue-0", "vector": red}]})

    assert {"new", "blue-0"} == set(ids(client, **{**RED, "limit": 2}))
    assert "blue-0" not in ids(client, query={"vector": blue}, limit=2)
    assert 25 == shown(client)["count"]
    client.request("DELETE", items, json={"ids": ["new", "blue-0", "red-0"]})
    assert not {"new", "blue-0", "red-0"} & set(ids(client, **{**RED, "limit": 30}))
    assert 22 == shown(client)["count"]


def test_a_push_takes_over_by_itself(home: Path, lite: Target) -> None:
    """A running service asks Milvus once the push is done, and its searches go on meanwhile."""
    with service(home) as client:
        wait_until_ready(client)
        assert "faiss" == engine(client)
        before = ids(client, **RED)

        push(opened(home), lite)

        until(lambda: engine(client) == "milvus")
        assert before == ids(client, **RED)


def test_a_file_is_pushed_to_by_the_service(home: Path, lite: Target, tiny_bundle: Path) -> None:
    """milvus-lite is one process's: what was written becomes part of it without being asked, and is found as before."""
    push(opened(home), lite)
    with service(home, publish_rows=5) as keeping:
        wait_until_ready(keeping)
        snapshot = shown(keeping)["snapshot"]
        new = [{"id": f"new-{number}", "vector": vector(tiny_bundle, "red")} for number in range(6)]
        keeping.put(f"{COLLECTION}/items", json={"items": new})

        until(lambda: shown(keeping)["unpublished"] == 0)

        assert 30 == shown(keeping)["count"]
        assert ["new"] * 6 == [found[:3] for found in ids(keeping, **{**RED, "limit": 6})]
        assert snapshot == shown(keeping)["snapshot"]


def test_a_long_tail_wants_a_push(home: Path, lite: Target, tiny_bundle: Path) -> None:
    """With more than is searched without an index the collection stays as it is shown, and says which command helps."""
    push(opened(home), lite)
    with service(home, publish_rows=0, max_tail=2) as client:
        wait_until_ready(client)
        new = [{"id": f"new-{number}", "vector": vector(tiny_bundle, "red")} for number in range(3)]
        client.put(f"{COLLECTION}/items", json={"items": new})

        assert f"vilem index push {NAME}" in shown(client)["behind"]
        # one or two of them may have been committed, and shown, before the others
        assert 24 <= shown(client)["count"] <= 24 + 2


def test_a_server_is_pushed_to_by_a_child(home: Path, tmp_path: Path, tiny_bundle: Path) -> None:
    """Behind a port the push runs beside the service, in the place of a publication; while the server is away searches
    say so, and a service that is started then serves the collection once it is back.
    """
    with serving(tmp_path / "server.db") as server:
        push(opened(home), server.target)
        with service(home, publish_rows=5, milvus_token="root:secret") as client:
            wait_until_ready(client)
            snapshot = shown(client)["snapshot"]
            new = [{"id": f"new-{number}", "vector": vector(tiny_bundle, "red")} for number in range(6)]
            client.put(f"{COLLECTION}/items", json={"items": new})
            until(lambda: shown(client)["unpublished"] == 0)
            assert (30, snapshot) == (shown(client)["count"], shown(client)["snapshot"])
            assert ids(client, **RED)[0].startswith("new")

            server.stop()

            answer = client.post(f"{COLLECTION}/search", json={**RED, "limit": 7})
            assert (503, "/problems/milvus-unreachable") == (answer.status_code, answer.json()["type"])
            assert "secret" not in answer.text
            until(lambda: client.get("/readyz").status_code == 503)
            assert "no Milvus answers" in client.get("/readyz").text
            server.start()
            assert 7 == len(ids(client, **{**RED, "limit": 7}))


def test_stores_that_are_gone_are_told(home: Path, lite: Target) -> None:
    """A file that was removed is a reason by name, not a crash; taken back, the collection is served by its snapshot."""
    push(opened(home), lite)
    remove(lite)
    with service(home) as client:
        until(lambda: NAME in client.get("/v1/collections").json()["unavailable"])
        why = client.get("/v1/collections").json()["unavailable"][NAME]
        answer = client.post(f"{COLLECTION}/search", json=RED)
        assert "vilem index push" in why
        assert 503 == answer.status_code

        take_back(opened(home))

        until(lambda: client.get(COLLECTION).status_code == 200)
        assert "faiss" == engine(client)


def test_a_damaged_record_keeps_what_was_served(home: Path, client: TestClient) -> None:
    """What cannot be read is told, and the engine that was open goes on answering."""
    file = opened(home).path / ENGINE_FILE
    file.write_bytes(file.read_bytes()[:-20])

    until(lambda: NAME in client.get("/v1/collections").json()["unavailable"])

    assert "milvus" == engine(client)
    assert ids(client, **RED)


def test_only_who_asks_milvus_needs_it(home: Path, lite: Target) -> None:
    """Without a token at all the snapshot answers, and Milvus may be anywhere; with one, both see the same collection."""
    push(opened(home), lite)
    root = home / "collections"
    query = unit_query(root)

    by_milvus = Searcher.open(root, NAME, milvus_token="")
    by_faiss = Searcher.open(root, NAME)

    found = [[hit.id for hit in each.search(query, [5], "images")[0]] for each in (by_milvus, by_faiss)]
    by_milvus.close()
    assert by_faiss.engine is None
    assert by_milvus.engine is not None
    assert by_milvus.state != by_faiss.state
    assert found[0] == found[1]
    remove(lite)
    assert 24 == Searcher.open(root, NAME).count


def unit_query(root: Path) -> np.ndarray:
    """The vector of an item, (1, d)."""
    stored = Collection.open(root, NAME).vectors(["red-0"])["red-0"].astype(np.float32)
    return (stored / np.linalg.norm(stored))[None]


def remove(target: Target) -> None:
    """The file, or folder, of a milvus-lite that nobody has open."""
    assert target.file is not None
    shutil.rmtree(target.file) if target.file.is_dir() else target.file.unlink()
