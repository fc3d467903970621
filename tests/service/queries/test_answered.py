"""Routes in front of which answers are kept: nobody can tell, but by the clock and by `cached`."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from service.app import create_app
from service.queries.answered import JSON, MAX_REQUEST_BYTES
from service.queries.cursors import MAX_AGE_S
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, make_colours

SEARCH = "/v1/collections/colours/search"
QUESTION = {"query": {"text": "a photo of red"}, "limit": 2}
# what tells one answer from an equal one that was kept
ITS_OWN = ("cached", "took_ms", "request_id")


@pytest.fixture(scope="module")
def uncached(home: Path) -> Iterator[TestClient]:
    """The app over `home` that keeps nothing."""
    with TestClient(create_app(Settings(home=home, cache_bytes=0)), base_url=ADDRESS) as made:
        wait_until_ready(made)
        yield made


def hits(client: TestClient) -> int:
    """Answers that were found ready so far."""
    registry = client.app.state.runtime.metrics.registry  # type: ignore[attr-defined]
    return int(registry.get_sample_value("vilem_cache_total", {"layer": "answers", "result": "hit"}) or 0)


def post(client: TestClient, body: bytes | str | dict[str, Any], kind: str | None = JSON, path: str = SEARCH) -> Any:  # noqa: ANN401 - of which httpx is starlette's choice
    """The answer to a body, sent as that content type."""
    content = json.dumps(body) if isinstance(body, dict) else body
    return client.post(path, content=content, headers={} if kind is None else {"content-type": kind})


def said(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """What an answer says, but for what is its own."""
    return {name: value for name, value in answer.json().items() if name not in ITS_OWN}


def test_an_equal_request_finds_its_answer(client: TestClient) -> None:
    """The second of two equal requests is answered from what the first was told, headers and all."""
    before = hits(client)
    first, second = post(client, QUESTION), post(client, QUESTION)

    assert 1 == hits(client) - before
    assert [200, 200] == [first.status_code, second.status_code]
    assert second.json()["cached"]
    assert first.json()["hits"] == second.json()["hits"]
    assert JSON == first.headers["content-type"] == second.headers["content-type"]
    assert first.headers.keys() == second.headers.keys()


@given(
    query=st.sampled_from([{"text": "red"}, {"text": "a photo of blue"}, {"id": "green-1"}, {"text": "no  such\u2028thing"}]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "limit": st.integers(1, 5),
            "offset": st.integers(0, 3),
            "target": st.sampled_from(["images", "texts"]),
            "include": st.sampled_from([[], ["captions"], ["metadata"]]),
            "filter": st.sampled_from([{"field": "colour", "op": "eq", "value": "red"}]),
            "facets": st.just(["colour"]),
        },
    ),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_a_kept_answer_is_the_answer(
    client: TestClient, uncached: TestClient, query: dict[str, Any], options: dict[str, Any]
) -> None:
    """Whatever is asked, right or wrong, the first answer, the second and one of a service without a cache are equal."""
    asked = {"query": query} | options
    answers = [post(each, asked) for each in (uncached, client, client)]
    told = [said(each) for each in answers]

    assert told[0] == told[1] == told[2]
    assert 1 == len({each.status_code for each in answers})


def test_what_was_written_is_seen_at_once(tmp_path: Path, tiny_bundle: Path) -> None:
    """After an item is put, and again after it is removed, the same request is answered anew."""
    make_colours(tmp_path, tiny_bundle)
    question = {"query": {"text": "a photo of red"}, "limit": 100}

    def there(client: TestClient) -> tuple[bool, bool]:
        answer = post(client, question).json()
        return "new" in [hit["id"] for hit in answer["hits"]], answer["cached"]

    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        seen = [there(client), there(client)]
        items = "/v1/collections/colours/items"
        image = b64encode(colour_picture("red", 9)).decode()
        put = client.put(items, json={"items": [{"id": "new", "image": image}]}).json()
        seen += [there(client), there(client)]
        removed = client.delete(f"{items}/new").json()
        seen += [there(client), there(client)]

    assert ["created", "removed"] == [each["results"][0]["status"] for each in (put, removed)]
    assert [(False, False), (False, True), (True, False), (True, True), (False, False), (False, True)] == seen


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 422, id="no JSON"),
        pytest.param({"query": {"text": " "}}, 422, id="a blank text"),
        pytest.param({"query": {"id": "nobody"}}, 404, id="no such item"),
        pytest.param({"query": {"text": "red"}, "limit": 0}, 422, id="no hits"),
        pytest.param(b"", 422, id="nothing"),
    ],
)
def test_problems_are_not_kept(client: TestClient, body: bytes | dict[str, Any], status: int) -> None:
    """What was refused is looked at anew each time."""
    before = hits(client)
    answers = [post(client, body) for _ in range(2)]

    assert [status, status] == [each.status_code for each in answers]
    assert said(answers[0]) == said(answers[1])
    assert before == hits(client)


def test_no_such_collection_is_told_as_ever(client: TestClient) -> None:
    """A collection that is not served is 404, in front of the kept answers as behind them."""
    assert 404 == post(client, QUESTION, path="/v1/collections/nothing/search").status_code


def test_a_first_page_can_be_gone_on_from_whenever_it_is_asked_for(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours after somebody asked for the same page its `next` is as good as new."""
    post(client, QUESTION | {"cursor": "*"})
    later = time.time() + 2 * MAX_AGE_S
    monkeypatch.setattr("service.queries.cursors.time.time", lambda: later)
    following = post(client, QUESTION | {"cursor": "*"}).json()["next"]

    assert 200 == post(client, QUESTION | {"cursor": following}).status_code


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/json; charset=utf-8", "application/merge-patch+json", None]
)
def test_other_content_types_take_the_long_way(client: TestClient, uncached: TestClient, kind: str | None) -> None:
    """A body of another type is answered as without kept answers: those are for JSON that says so plainly."""
    post(client, QUESTION)
    before = hits(client)

    assert post(uncached, QUESTION, kind).status_code == post(client, QUESTION, kind).status_code
    assert before == hits(client)


def test_each_route_has_its_own_answers(client: TestClient, uncached: TestClient) -> None:
    """What is a question to one route is not answered by another that knows its answer."""
    post(client, QUESTION)

    for path in (f"{SEARCH}/image", f"{SEARCH}es"):
        assert post(uncached, QUESTION, path=path).status_code == post(client, QUESTION, path=path).status_code != 200


def test_large_requests_are_not_kept(client: TestClient) -> None:
    """A request with a picture in it is not hashed on the event loop."""
    before = hits(client)
    body = json.dumps(QUESTION) + " " * MAX_REQUEST_BYTES

    assert [200, 200] == [post(client, body).status_code for _ in range(2)]
    assert before == hits(client)


def test_a_body_without_a_length_is_not_waited_for(client: TestClient) -> None:
    """What comes in pieces of unknown number goes the long way, and is answered."""
    before = hits(client)

    def pieces() -> Iterator[bytes]:
        yield json.dumps(QUESTION).encode()

    answer = client.post(SEARCH, content=pieces(), headers={"content-type": JSON})

    assert 200 == answer.status_code
    assert before == hits(client)
