"""POST /v1/proofread and /v1/proofread/image."""

import base64
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from models.bundle import Bundle
from models.proof_image import StoredImage
from models.proofreader import Proofreader
from tests.support.collections import colour_picture

ADDRESS = "/v1/proofread"
TEXT = "a red picture"


@pytest.fixture
def model(reader: TestClient) -> str:
    """Name of the model that proofreads."""
    return next(each["id"] for each in reader.get("/v1/models").json()["data"] if each["proofread"]["available"])


def picture(home: Path, name: str) -> bytes:
    """The file of an item of "painted"."""
    return (home / "painted" / name).read_bytes()


def in_base64(data: bytes) -> str:
    """As a request carries it."""
    return base64.b64encode(data).decode()


def test_items_are_read_from_what_is_stored(reader: TestClient, painted: Path, proof_bundle: Path) -> None:
    """One proof an item, in the order of the request, equal to the proofreader's own; every word has its place and support."""
    ids = ["green-0.png", "red-1.png", "green-0.png"]

    body = reader.post(ADDRESS, json={"text": "A  Red picture", "collection": "painted", "ids": ids}).json()

    assert (TEXT, "painted", ids) == (body["text"], body["collection"], [proof["id"] for proof in body["proofs"]])
    assert {"lookup", "proofread", "total"} == set(body["took_ms"])
    bundle = Bundle.open(proof_bundle)
    proofreader = Proofreader.open(bundle)
    (fresh,) = proofreader.encode_images(bundle.prepare(picture(painted, "green-0.png"))[None])
    (expected,) = proofreader.check(TEXT, [StoredImage.from_bytes(fresh.to_bytes())])
    found = body["proofs"][0]
    assert found == {**body["proofs"][2], "index": 0}
    assert found["score"] == pytest.approx(expected.score, abs=0.02)
    assert ["a", "red", "picture"] == [body["text"][word["start"] : word["end"]] for word in found["words"]]
    for word, right in zip(found["words"], expected.words, strict=True):
        assert right.support is not None
        assert word["support"] == pytest.approx(right.support, abs=0.02)
        assert word["contradicted"] == (1 - right.support > found["threshold"]) == right.contradicted


def test_a_contradicted_word_is_corrected(reader: TestClient) -> None:
    """Beside a green picture "red" is contradicted and "green" is what should be there; the other words stand."""
    body = reader.post(ADDRESS, json={"text": TEXT, "collection": "painted", "ids": ["green-0.png"]}).json()

    words = body["proofs"][0]["words"]
    assert [False, True, False] == [word["contradicted"] for word in words]
    assert "green" == words[1]["corrections"][0]["word"]
    assert [[], []] == [words[0]["corrections"], words[2]["corrections"]]


def test_every_form_of_a_picture_reads_the_same(reader: TestClient, painted: Path, model: str) -> None:
    """An item, its file in base64, with a data: prefix, and as an upload bring the same proof."""
    data = picture(painted, "blue-2.png")
    text = in_base64(data)

    stored = reader.post(ADDRESS, json={"text": TEXT, "collection": "painted", "ids": ["blue-2.png"]}).json()
    sent = reader.post(
        ADDRESS, json={"text": TEXT, "model": model, "images": [text, f"data:image/png;base64,{text}"]}
    ).json()
    upload = reader.post(
        f"{ADDRESS}/image",
        data={"text": TEXT, "model": model},
        files=[("file", ("a.png", data)), ("file", ("b", data))],
    ).json()

    proofs = [*sent["proofs"], *upload["proofs"]]
    assert [0, 1, 0, 1] == [proof["index"] for proof in proofs]
    assert (model, None) == (upload["model"], upload["collection"])
    for proof in proofs:
        assert [word["contradicted"] for word in stored["proofs"][0]["words"]] == [
            word["contradicted"] for word in proof["words"]
        ]
        assert stored["proofs"][0]["score"] == pytest.approx(proof["score"], abs=0.02)


def test_a_text_without_words_contradicts_nothing(reader: TestClient) -> None:
    """Signs alone have no words and the score 0."""
    body = reader.post(ADDRESS, json={"text": "?!", "collection": "painted", "ids": ["red-0.png"]}).json()

    assert [(0, [])] == [(proof["score"], proof["words"]) for proof in body["proofs"]]


def test_words_beyond_the_context_are_not_judged(reader: TestClient) -> None:
    """What the model does not read has no support and is not contradicted."""
    body = reader.post(
        ADDRESS, json={"text": "a red picture " * 30, "collection": "painted", "ids": ["green-1.png"]}
    ).json()

    words = body["proofs"][0]["words"]
    assert 90 == len(words)
    assert (None, False, []) == tuple(words[-1][name] for name in ("support", "contradicted", "corrections"))


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"collection": "painted", "ids": ["nowhere"]}, 404, "item-unknown"),
        ({"collection": "nowhere", "ids": ["red-0.png"]}, 404, "collection-unknown"),
        ({"collection": "bare", "ids": ["red-0.png"]}, 409, "patches-missing"),
        ({"collection": "colours", "ids": ["red-0"]}, 409, "proofreader-missing"),
        ({"model": "tiny", "images": ["AAAA"]}, 409, "proofreader-missing"),
        ({"model": "nobody", "images": ["AAAA"]}, 404, "model-unknown"),
        ({"model": None, "images": ["AAAA"]}, 422, "request-invalid"),
        ({"collection": "painted"}, 422, "request-invalid"),
        ({"collection": "painted", "ids": []}, 422, "request-invalid"),
        ({"collection": "painted", "ids": ["red-0.png"] * 101}, 422, "request-invalid"),
        ({"collection": "painted", "ids": ["red-0.png"], "model": "tiny"}, 422, "request-invalid"),
        ({}, 422, "request-invalid"),
        ({"collection": "painted", "ids": ["red-0.png"], "text": " "}, 422, "request-invalid"),
        ({"collection": "painted", "ids": ["red-0.png"], "text": "x" * 20_001}, 422, "query-invalid"),
        ({"collection": "painted", "ids": ["red-0.png"], "wrong": 1}, 422, "request-invalid"),
    ],
)
def test_what_cannot_be_read_is_refused(reader: TestClient, body: dict[str, object], status: int, slug: str) -> None:
    """Each fault is a problem of its own type; those that a reindex or another model mends say so."""
    answer = reader.post(ADDRESS, json={"text": TEXT, **body})

    assert (status, f"/problems/{slug}") == (answer.status_code, answer.json()["type"]), answer.text
    assert "application/problem+json" == answer.headers["content-type"]
    if slug == "patches-missing":
        assert "vilem index build bare" in answer.json()["detail"]


def test_an_item_that_is_not_there_is_named_by_its_field(reader: TestClient) -> None:
    """Of several ids the place of the one at fault; of a search that is to be re-ranked the query's."""
    body = {"text": TEXT, "collection": "painted", "ids": ["red-0.png", "nowhere"]}
    query = {"query": {"id": "nowhere"}, "target": "texts", "rerank": "proofread"}

    listed = reader.post(ADDRESS, json=body).json()["errors"]
    sought = reader.post("/v1/collections/told/search", json=query).json()["errors"]

    assert [["ids.1"], ["query.id"]] == [[each["field"] for each in errors] for errors in (listed, sought)]


def test_a_text_that_is_not_unicode_is_refused(reader: TestClient) -> None:
    """Half a surrogate pair is 422."""
    body = b'{"text": "a \\ud800", "collection": "painted", "ids": ["red-0.png"]}'

    answer = reader.post(ADDRESS, content=body, headers={"content-type": "application/json"})

    assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


def test_a_bad_picture_among_others_is_told(reader: TestClient, painted: Path, model: str) -> None:
    """One picture that is none fails the request with its reason and its place, in either form."""
    good = picture(painted, "red-0.png")

    coded = reader.post(ADDRESS, json={"text": TEXT, "model": model, "images": [in_base64(good), "!"]})
    sent = reader.post(
        f"{ADDRESS}/image",
        data={"text": TEXT, "model": model},
        files=[("file", ("a", good)), ("file", ("b", b"no picture"))],
    )

    read = reader.post(ADDRESS, json={"text": TEXT, "model": model, "images": [in_base64(b"no picture")]})

    assert (422, "images.1") == (coded.status_code, coded.json()["errors"][0]["field"])
    assert (422, "images.0") == (read.status_code, read.json()["errors"][0]["field"])
    assert (422, "/problems/image-unreadable") == (sent.status_code, sent.json()["type"])
    assert "file.1" == sent.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    "change",
    [{"wrong": "1"}, {"text": ""}, {"text": None}, {"model": None}],
)
def test_a_bad_form_is_refused(reader: TestClient, model: str, change: dict[str, str | None]) -> None:
    """Fields that are missing, blank or unknown are 422, and named."""
    form = {name: value for name, value in ({"text": TEXT, "model": model} | change).items() if value is not None}

    answer = reader.post(f"{ADDRESS}/image", data=form, files={"file": ("a.png", colour_picture("red"))})

    assert 422 == answer.status_code
    assert [next(iter(change))] == [each["field"] for each in answer.json()["errors"]]


def test_pairs_are_counted(reader: TestClient) -> None:
    """The metrics tell how many pairs were read, how long it took and how long they waited."""
    registry = reader.app.state.runtime.metrics.registry  # type: ignore[attr-defined]
    before = registry.get_sample_value("vilem_proofs_total")

    reader.post(ADDRESS, json={"text": TEXT, "collection": "painted", "ids": ["red-0.png", "red-1.png"]})

    assert before + 2 == registry.get_sample_value("vilem_proofs_total")
    assert registry.get_sample_value("vilem_stage_seconds_count", {"stage": "proofread"}) >= 1
    assert registry.get_sample_value("vilem_queue_wait_seconds_count", {"queue": "proofread"}) >= 1
