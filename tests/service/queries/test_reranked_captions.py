"""service.queries.search with rerank: the best captions of a picture in the order of what it contradicts."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from index.rerank import rerank_captions
from index.searcher import Searcher
from models.bundle import Bundle
from models.proofreader import Proofreader
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_painted
from tests.support.images import encoded

SEARCH = "/v1/collections/told/search"
UPLOAD = f"{SEARCH}/image"
CAPTIONS = 24
ITEM = {"id": "green-1.png"}


def ask(client: TestClient, query: dict[str, str], *, path: str = SEARCH, **options: object) -> dict[str, Any]:
    """A search for captions that succeeds, re-ranked unless told otherwise."""
    body = {"query": query, "target": "texts", "rerank": "proofread", **options}
    answer = client.post(path, json=body)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def captions(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Item and caption of the hits, in order."""
    return [(hit["id"], hit["caption"]) for hit in answer["hits"]]


def picture(home: Path, item: str) -> bytes:
    """The file of an item."""
    return (home / "painted" / item).read_bytes()


def in_base64(data: bytes) -> dict[str, str]:
    """A query."""
    return {"image": base64.b64encode(data).decode()}


def test_the_order_is_the_proofreaders(reader: TestClient, painted: Path, proof_bundle: Path) -> None:
    """Hits stand as `index.rerank` puts the best by vector, each with its cosine and the score it is ordered by."""
    data = picture(painted, "blue-2.png")
    answer = ask(reader, in_base64(data), candidates=CAPTIONS, limit=CAPTIONS)

    bundle = Bundle.open(proof_bundle)
    proofreader = Proofreader.open(bundle)
    pixels = bundle.prepare(data)[None]
    searcher = Searcher.open(painted / "collections", "told")
    best = searcher.search(bundle.embed_images(pixels), [CAPTIONS], "texts")[0]
    (image,) = proofreader.encode_images(pixels)
    expected = rerank_captions(proofreader, image.to_bytes(), best, words=False)
    found = {(hit["id"], hit["caption"]): hit for hit in answer["hits"]}
    assert len(expected) == len(found) == CAPTIONS
    for each in expected:
        assert each.proof is not None
        hit = found[each.hit.id, each.hit.caption or ""]
        assert hit["score"] == pytest.approx(each.hit.score, abs=1e-4)
        assert hit["proof"]["score"] == pytest.approx(each.proof.score, abs=1e-3)
        assert hit["proof"]["mixed"] == pytest.approx(each.mixed, abs=1e-4)
    mixed = [hit["proof"]["mixed"] for hit in answer["hits"]]
    assert sorted(mixed, reverse=True) == mixed
    assert {"decode", "encode", "search", "proofread", "total"} == set(answer["took_ms"])


def test_captions_that_are_right_come_first(reader: TestClient) -> None:
    """Of a green picture the captions that say so stand before all others, and none of them is contradicted."""
    answer = ask(reader, ITEM, candidates=CAPTIONS, limit=CAPTIONS, explain=True)

    right = ["green" in hit["caption"] for hit in answer["hits"]]
    assert [True] * 6 + [False] * 18 == right
    for hit in answer["hits"]:
        contradicted = [word["text"] for word in hit["proof"]["words"] if word["contradicted"]]
        assert bool(contradicted) == ("green" not in hit["caption"])


def test_words_are_told_in_each_caption(reader: TestClient) -> None:
    """With explain each proof has its caption as it was read, and every word where it is said to be; else neither."""
    plain, explained = (ask(reader, ITEM, limit=8, explain=each) for each in (False, True))

    assert captions(plain) == captions(explained)
    assert (None, None) == (plain["text"], explained["text"]), "the query has no words"
    for hit in explained["hits"]:
        proof = hit["proof"]
        assert hit["caption"] == proof["text"]
        assert proof["text"].split() == [proof["text"][word["start"] : word["end"]] for word in proof["words"]]
    assert {(None, None)} == {(hit["proof"]["text"], hit["proof"]["words"]) for hit in plain["hits"]}


def test_an_item_is_read_from_what_is_stored(reader: TestClient, painted: Path) -> None:
    """An item, its picture in base64 and its picture as a file are answered alike; only the item is not decoded."""
    data = picture(painted, ITEM["id"])

    stored = ask(reader, ITEM, limit=6)
    sent = ask(reader, in_base64(data), limit=6)
    uploaded = reader.post(
        UPLOAD, files={"file": ("x.png", data)}, data={"target": "texts", "limit": "6", "rerank": "proofread"}
    ).json()

    assert {caption for _, caption in captions(stored)} == {caption for _, caption in captions(sent)}
    assert captions(sent) == captions(uploaded)
    for one, other in zip(stored["hits"], sent["hits"], strict=True):
        assert one["proof"]["mixed"] == pytest.approx(other["proof"]["mixed"], abs=5e-3)
    assert "decode" not in stored["took_ms"]


@pytest.mark.parametrize("candidates", [1, 7, 24, 100])
def test_pages_are_slices_of_one_order(reader: TestClient, candidates: int) -> None:
    """Pages by offset, laid end to end, are the hits of one long page; behind the candidates they have no proofs."""
    whole = ask(reader, ITEM, candidates=candidates, limit=CAPTIONS)

    pages = [ask(reader, ITEM, candidates=candidates, limit=10, offset=offset) for offset in (0, 10, 20)]

    assert whole["hits"] == [hit for page in pages for hit in page["hits"]]
    behind = max(0, CAPTIONS - candidates)
    assert [True] * (CAPTIONS - behind) + [False] * behind == [hit["proof"] is not None for hit in whole["hits"]]
    assert CAPTIONS == len(set(captions(whole)))


def test_a_picture_is_read_once(reader: TestClient) -> None:
    """A picture's second page, and its second question with other options, need its image tower no more."""
    registry = reader.app.state.runtime.metrics.registry  # type: ignore[attr-defined]
    noise = np.random.default_rng(5).integers(0, 256, (40, 40, 3), np.uint8)
    query = in_base64(encoded(Image.fromarray(noise)))

    def counts() -> list[float | None]:
        sizes = [
            registry.get_sample_value("vilem_batch_size_sum", {"queue": name}) for name in ("proof-image", "image")
        ]
        return [*sizes, registry.get_sample_value("vilem_proofs_total")]

    first = ask(reader, query, limit=4)
    before = counts()
    page = ask(reader, query, limit=4, offset=4)
    assert before == counts()
    more = ask(reader, query, limit=4, candidates=5)

    assert [False, True, False] == [answer["cached"] for answer in (first, page, more)]
    assert before[:2] == counts()[:2]


def test_two_pictures_are_two_questions(reader: TestClient) -> None:
    """What is cached of one picture is not told of another."""
    answers = [ask(reader, {"id": item}, limit=2) for item in ("red-0.png", "yellow-0.png", "red-0.png")]

    assert answers[0]["hits"] == answers[2]["hits"] != answers[1]["hits"]
    assert answers[2]["cached"]


@pytest.mark.parametrize(
    ("path", "query", "status", "slug", "words"),
    [
        (SEARCH, {"id": "none"}, 404, "item-unknown", "no item 'none'"),
        ("/v1/collections/painted/search", ITEM, 422, "query-invalid", "'painted' has no captions"),
        ("/v1/collections/colours/search", {"id": "red-0"}, 409, "proofreader-missing", "has no proofreader"),
    ],
)
def test_what_cannot_be_served_is_told(
    reader: TestClient, path: str, query: dict[str, str], status: int, slug: str, words: str
) -> None:
    """No such item, no captions, no proofreader: each a problem of its own, with what is missing."""
    answer = reader.post(path, json={"query": query, "target": "texts", "rerank": "proofread"})

    assert (status, f"/problems/{slug}") == (answer.status_code, answer.json()["type"])
    assert words in answer.json()["detail"]


def test_without_patches_a_picture_is_read_and_an_item_is_not(tmp_path: Path, proof_bundle: Path) -> None:
    """Of a collection that stores nothing for it, items are 409 with what to do; a picture that is sent is read all the same."""
    make_painted(tmp_path, proof_bundle, "told", repeats=1, patches=False, captions=True)
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        body = {"query": {"id": "red-0.png"}, "target": "texts", "rerank": "proofread"}
        refused = client.post(SEARCH, json=body)
        answer = ask(client, in_base64(picture(tmp_path, "red-0.png")), limit=2)

    assert (409, "/problems/patches-missing") == (refused.status_code, refused.json()["type"])
    assert "vilem index build told" in refused.json()["detail"]
    assert all("red" in hit["caption"] for hit in answer["hits"])


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"rerank": "proofread"}, "rerank", "captions found by a picture"),
        ({"target": "texts", "candidates": "5"}, "candidates", "add rerank"),
        ({"target": "texts", "explain": "true"}, "explain", "add rerank"),
        ({"target": "texts", "rerank": "magic"}, "rerank", "proofread"),
        ({"target": "texts", "rerank": "proofread", "candidates": "101"}, "candidates", "100"),
    ],
)
def test_an_upload_is_refused_what_makes_no_sense(
    reader: TestClient, painted: Path, fields: dict[str, str], field: str, words: str
) -> None:
    """A form's options are bound by the same rules as a JSON body's."""
    answer = reader.post(UPLOAD, files={"file": ("x.png", picture(painted, "red-0.png"))}, data=fields)

    assert 422 == answer.status_code
    assert [field] == [each["field"] for each in answer.json()["errors"]]
    assert words in json.dumps(answer.json())
