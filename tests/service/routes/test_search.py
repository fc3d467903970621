"""POST /v1/collections/{name}/search and /search/image."""

import asyncio
import base64
import gzip
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from service.app import create_app
from service.encoding.models import Tokens
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture

SEARCH = "/v1/collections/colours/search"
UPLOAD = f"{SEARCH}/image"


def test_the_answer_has_all_its_parts(client: TestClient) -> None:
    """A search answers hits with ids, scores, sizes and URLs, and the collection, version, snapshot, model and times."""
    answer = client.post(SEARCH, json={"query": {"text": "yellow"}, "limit": 2}).json()

    parts = {
        "hits",
        "collection",
        "generation",
        "version",
        "snapshot",
        "model",
        "cached",
        "truncated",
        "sentences",
        "text",
        "next",
        "facets",
        "took_ms",
    }
    assert parts == set(answer)
    hit = answer["hits"][0]
    assert {
        "id",
        "score",
        "probability",
        "width",
        "height",
        "image_url",
        "thumbnail_url",
        "captions",
        "metadata",
        "caption",
        "proof",
        "moment",
        "video",
        "duplicates",
    } == set(hit)
    assert (None, None) == (answer["text"], hit["proof"]), "nothing was asked of the words"
    assert (48, 40) == (hit["width"], hit["height"])
    assert answer["took_ms"]["total"] >= answer["took_ms"]["search"] > 0


def test_the_urls_of_a_hit_lead_to_its_picture(client: TestClient) -> None:
    """image_url answers the picture's file, thumbnail_url a JPEG."""
    hit = client.post(SEARCH, json={"query": {"id": "red-0"}, "limit": 1}).json()["hits"][0]
    colour, shade = hit["id"].split("-")

    assert colour_picture(colour, int(shade)) == client.get(hit["image_url"]).content
    assert "image/jpeg" == client.get(hit["thumbnail_url"]).headers["content-type"]


def test_an_upload_finds_itself(client: TestClient) -> None:
    """A stored picture, uploaded as a file, is its own best hit; options are form fields."""
    answer = client.post(
        UPLOAD, files={"file": ("query.png", colour_picture("black", 0))}, data={"limit": "3", "include": "captions"}
    ).json()

    assert "black-0" == answer["hits"][0]["id"]
    assert [3, None] == [len(answer["hits"]), answer["hits"][0]["metadata"]]
    assert answer["hits"][0]["captions"]


@pytest.mark.parametrize("diversify", ['{"lambda": 0.2, "candidates": 20}', "{}"])
def test_an_upload_may_be_answered_with_no_two_alike(client: TestClient, diversify: str) -> None:
    """The form's `diversify` is the body's, as JSON: the same hits in the same order."""
    picture = colour_picture("red", 1)
    body = {"query": {"image": base64.b64encode(picture).decode()}, "limit": 6, "diversify": json.loads(diversify)}

    answer = client.post(UPLOAD, files={"file": picture}, data={"limit": "6", "diversify": diversify})

    hits = client.post(SEARCH, json=body).json()["hits"]
    assert [hit["id"] for hit in hits] == [hit["id"] for hit in answer.json()["hits"]]
    plain = client.post(UPLOAD, files={"file": picture}, data={"limit": "6"}).json()["hits"]
    assert [hit["id"] for hit in plain] != [hit["id"] for hit in hits]


def test_an_upload_leaves_out_what_is_unlikely(calibrated: TestClient) -> None:
    """The form's `min_score` is the body's: captions of a lower probability are left out."""
    path, data = "/v1/collections/sure/search/image", {"target": "texts", "limit": "48"}
    every = calibrated.post(path, files={"file": colour_picture("red")}, data=data).json()["hits"]
    chances = sorted(hit["probability"] for hit in every)

    some = calibrated.post(path, files={"file": colour_picture("red")}, data={**data, "min_score": str(chances[24])})

    assert [hit for hit in every if hit["probability"] >= chances[24]] == some.json()["hits"]
    assert 0 < len(some.json()["hits"]) < len(every)


@pytest.mark.parametrize(
    ("data", "field", "said"),
    [
        ({"diversify": "0.5"}, "diversify", ""),
        ({"diversify": "{"}, "diversify", "JSON"),
        ({"diversify": '{"lambda": 2}'}, "diversify.lambda", "1"),
        ({"diversify": "null"}, "diversify", "diversify: send a JSON object"),
        ({"diversify": "{}", "target": "moments"}, "diversify", "moments"),
        ({"diversify": "{}", "target": "texts", "rerank": "proofread"}, "diversify", "rerank"),
        ({"min_score": "nan"}, "min_score", ""),
        ({"min_score": "0.5"}, "min_score", "target images"),
    ],
)
def test_an_uploads_options_are_judged_as_a_bodys(
    client: TestClient, data: dict[str, str], field: str, said: str
) -> None:
    """What makes no sense in a body makes none in a form: 422, with the field."""
    answer = client.post(UPLOAD, files={"file": colour_picture("red")}, data=data)

    assert (422, [field]) == (answer.status_code, [each["field"] for each in answer.json()["errors"]])
    assert said in answer.json()["detail"]
    assert "content-type" not in answer.json()["detail"]


@pytest.mark.parametrize("field", ["file", "limit", "target"])
def test_what_an_upload_has_twice_is_refused(client: TestClient, field: str) -> None:
    """One of two pictures would not have been searched with: 422, and nothing is left out in silence."""
    files = [("file", colour_picture("red")), ("file", colour_picture("green"))]
    data = {} if field == "file" else {field: ["5", "7"] if field == "limit" else ["texts", "images"]}

    answer = client.post(UPLOAD, files=files[: 2 if field == "file" else 1], data=data)

    assert (422, [field]) == (answer.status_code, [each["field"] for each in answer.json()["errors"]])
    assert "send one" in answer.json()["detail"]


@pytest.mark.parametrize("path", [SEARCH, UPLOAD, "/v1/embeddings", "/v1/proofread", f"{SEARCH}es"])
def test_a_packed_body_is_told_by_its_encoding(client: TestClient, path: str) -> None:
    """It is read by nobody: 415 that names the encoding, and not a fault of what it holds."""
    answer = client.post(
        path,
        content=gzip.compress(b"{}"),
        headers={
            "content-encoding": "gzip",
            "content-type": "application/json" if path != UPLOAD else "multipart/form-data; boundary=x",
        },
    )

    assert (415, "/problems/body-packed") == (answer.status_code, answer.json()["type"])
    assert "content-encoding: gzip" in answer.json()["detail"]


def test_an_upload_finds_captions(client: TestClient) -> None:
    """target=texts turns an uploaded picture into captions."""
    answer = client.post(UPLOAD, files={"file": ("query.png", colour_picture("orange"))}, data={"target": "texts"})

    assert "orange" in answer.json()["hits"][0]["caption"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "query"),
        ({"query": {}}, 422, "query"),
        ({"query": {"text": "a", "id": "b"}}, 422, "query"),
        ({"query": {"text": ""}}, 422, "query.text"),
        ({"query": {"text": 3}}, 422, "query.text"),
        ({"query": {"text": " \n"}}, 422, "query.text"),
        ({"query": {"vector": [True] * 16}}, 422, "query.vector.0"),
        ({"query": {"vector": ["1"] * 16}}, 422, "query.vector.0"),
        ({"query": {"text": "a" * 60_000}}, 422, "query.text"),
        ({"query": {"image": "file:///etc/passwd"}}, 422, "query.image"),
        ({"query": {"uri": "file:///etc/passwd"}}, 422, "query.uri"),
        ({"query": {"id": ""}}, 422, "query.id"),
        ({"query": {"vector": [1.0] * 17}}, 422, "query.vector"),
        ({"query": {"vector": []}}, 422, "query.vector"),
        ({"query": {"vector": [0.0] * 16}}, 422, "query.vector"),
        ({"query": {"vector": [None] * 16}}, 422, "query.vector.0"),
        ({"query": {"text": "a"}, "limit": 0}, 422, "limit"),
        ({"query": {"text": "a"}, "limit": 101}, 422, "limit"),
        ({"query": {"text": "a"}, "limit": 1.5}, 422, "limit"),
        ({"query": {"text": "a"}, "offset": -1}, 422, "offset"),
        ({"query": {"text": "a"}, "target": "videos"}, 422, "target"),
        ({"query": {"text": "a"}, "include": ["passwords"]}, 422, "include.0"),
        ({"query": {"text": "a"}, "filter": {}}, 422, "filter"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, body: dict[str, object], status: int, field: str) -> None:
    """Each invalid body is a 4xx problem whose errors name the field."""
    answer = client.post(SEARCH, json=body)

    assert status == answer.status_code, answer.text
    assert "application/problem+json" == answer.headers["content-type"]
    assert field in [each["field"] for each in answer.json()["errors"]]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client: TestClient, number: str) -> None:
    """NaN and infinity in a vector, which JSON does not know but many parsers read, are 422."""
    content = f'{{"query": {{"vector": [{", ".join([number] * 16)}]}}}}'

    answer = client.post(SEARCH, content=content, headers={"content-type": "application/json"})

    assert 422 == answer.status_code
    # the answer itself must be JSON
    json.loads(answer.text, parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/v1/collections/none/search", "collection-unknown"),
        ("/v1/collections/..%2f..%2fetc/search", "not-found"),
        ("/v1/collections/%00/search", "collection-unknown"),
    ],
)
def test_an_unknown_collection_is_404(client: TestClient, path: str, slug: str) -> None:
    """A collection that is not served is 404, whatever its name looks like."""
    answer = client.post(path, json={"query": {"text": "a"}})

    assert (404, f"/problems/{slug}") == (answer.status_code, answer.json()["type"])


def test_an_unknown_item_is_404(client: TestClient) -> None:
    """A query by an id that the collection has not is 404; the id opens nothing."""
    answer = client.post(SEARCH, json={"query": {"id": "file:///etc/passwd"}})

    assert (404, "/problems/item-unknown") == (answer.status_code, answer.json()["type"])


@pytest.mark.parametrize(
    ("files", "data", "status"),
    [
        ({"file": ("a.png", b"")}, {}, 422),
        ({"file": ("a.png", b"GIF89a")}, {}, 422),
        ({"file": ("a.jpg", colour_picture("red")[:50])}, {}, 422),
        ({"other": ("a.png", colour_picture("red"))}, {}, 422),
        ({"file": ("a.png", colour_picture("red"))}, {"limit": "0"}, 422),
        ({"file": ("a.png", colour_picture("red"))}, {"limit": "many"}, 422),
        ({"file": ("a.png", colour_picture("red"))}, {"target": "videos"}, 422),
        ({"file": ("a.png", colour_picture("red"))}, {"include": "passwords"}, 422),
        ({"file": ("a.png", colour_picture("red"))}, {"filter": "x"}, 422),
    ],
)
def test_a_bad_upload_is_refused(
    client: TestClient, files: dict[str, tuple[str, bytes]], data: dict[str, str], status: int
) -> None:
    """What is no picture, and options out of range, are 4xx problems."""
    answer = client.post(UPLOAD, files=files, data=data)

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


def test_a_form_without_boundary_is_refused(client: TestClient) -> None:
    """A multipart body that cannot be read is a 4xx problem."""
    answer = client.post(UPLOAD, content=b"--x", headers={"content-type": "multipart/form-data"})

    assert (400, "application/problem+json") == (answer.status_code, answer.headers["content-type"])


def test_a_long_text_is_answered_whole(client: TestClient) -> None:
    """A text within the limit of characters but beyond the model's context is read in pieces, and says so."""
    answer = client.post(SEARCH, json={"query": {"text": "red " * 500}}).json()

    assert [17, False] == [answer["sentences"], answer["truncated"]]
    assert "red" == answer["hits"][0]["id"].split("-")[0]


def test_clients_that_have_gone_cost_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight clients that leave while the encoder is busy, none is encoded for: each would have been a batch."""
    app = create_app(Settings(home=home, max_batch=1))
    entered, leave = threading.Event(), threading.Event()

    async def ask(number: int) -> None:
        body = json.dumps({"query": {"text": f"red {number}"}}).encode()
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await asyncio.to_thread(entered.wait, 30)
            return {"type": "http.disconnect"}

        async def send(_: Message) -> None:
            pass

        path = "/v1/collections/colours/search"
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "http_version": "1.1",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        }  # fmt: skip
        await app(scope, receive, send)

    async def crowd() -> None:
        await asyncio.gather(*(ask(number) for number in range(8)))

    with TestClient(app, base_url=ADDRESS) as client:
        wait_until_ready(client)
        model = app.state.runtime.collections[0].model
        encode, encoded = model._texts._run, []

        def busy(batch: list[Tokens]) -> list[np.ndarray]:
            encoded.extend(batch)
            entered.set()
            leave.wait(30)
            return encode(batch)

        monkeypatch.setattr(model._texts, "_run", busy)
        assert client.portal is not None
        client.portal.call(crowd)
        leave.set()
        assert 200 == client.post("/v1/collections/colours/search", json={"query": {"text": "blue"}}).status_code

    # the one that was being encoded, perhaps a probe, and the last
    assert len(encoded) <= 3


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape"])
def test_a_forms_field_of_any_name_is_refused(client: TestClient, charset: str) -> None:
    """A name that decodes to half a surrogate pair is told, escaped: no fault of ours."""
    name = b"+2AA-" if charset == "utf-7" else b"\\ud800"
    body = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n1\r\n' % name
    body += b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1\r\n--b--\r\n'

    answer = client.post(
        "/v1/collections/colours/search/image",
        content=body,
        headers={"content-type": f"multipart/form-data; boundary=b; charset={charset}"},
    )

    assert 422 == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
