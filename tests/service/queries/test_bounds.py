"""What one request may ask of the towers."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from service.app import create_app
from service.encoding.embedding import Embedder, Timings
from service.encoding.models import Model
from service.errors import AsksTooMuch
from service.queries.bounds import (
    MAX_HITS,
    Tally,
    expect_few,
    expect_few_hits,
    hits_of,
    items_in,
    pictures_in,
    read_anew,
    texts_in,
)
from service.schemas.parts import Query
from service.schemas.query import Reranking, SearchOptions
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture

SEARCH = "/v1/collections/colours/search"
SEVERAL = "/v1/collections/colours/searches"
MOST = 6

IMAGE = base64.b64encode(colour_picture("green", 1)).decode()
# a text of so many sentences, more than the tests' bundle reads at once
LONG = "A photo of a red dog on the left. " * 5

PARTS: list[tuple[dict[str, Any], list[str], list[str], int]] = [
    ({"text": "a"}, [".text"], [], 0),
    ({"image": "aa"}, [], [], 1),
    ({"url": "https://x/a"}, [], [], 1),
    ({"id": "i"}, [], [".id"], 0),
    ({"vector": [1.0]}, [], [], 0),
    ({"change": {"from": "a", "to": "b"}}, [".change.to", ".change.from"], [], 0),
]


@pytest.fixture(scope="module")
def strict(home: Path) -> Iterator[TestClient]:
    """The app over `home`, of which one request may ask for little."""
    with TestClient(create_app(Settings(home=home, max_inputs=MOST)), base_url=ADDRESS) as made:
        wait_until_ready(made)
        yield made


def refusal(client: TestClient, path: str, body: dict[str, Any]) -> str:
    """The detail with which a request is told that it asks for too much."""
    answer = client.post(path, json=body)
    assert (413, "/problems/asks-too-much") == (answer.status_code, answer.json()["type"]), answer.text
    assert "retry-after" not in answer.headers
    return answer.json()["detail"]


@given(
    parts=st.lists(st.sampled_from(PARTS), min_size=1, max_size=16),
    liked=st.lists(st.text("ab", min_size=1), max_size=3),
)
def test_a_query_is_the_sum_of_its_parts(parts: list[Any], liked: list[str]) -> None:
    """Texts, items and pictures of all parts are found, each by its own field; of feedback the items."""
    feedback = {"feedback": {"liked": liked}} if liked else {}
    query = Query.model_validate({"parts": [body for body, *_ in parts], **feedback})

    fields = [f"query.parts.{place}{field}" for place, (_, texts, _, _) in enumerate(parts) for field in texts]
    items = [f"query.parts.{place}{field}" for place, (_, _, ids, _) in enumerate(parts) for field in ids]
    assert {*fields} == texts_in(query).keys()
    assert {*items, *(f"query.feedback.liked.{place}" for place in range(len(liked)))} == items_in(query).keys()
    assert sum(count for *_, count in parts) == pictures_in(query)


@pytest.mark.parametrize(("body", "texts", "items", "pictures"), PARTS[:-1])
def test_a_plain_query_is_its_own_part(body: dict[str, Any], texts: list[str], items: list[str], pictures: int) -> None:
    """What is asked with one thing has it in its own field."""
    query = Query.model_validate(body)

    assert {f"query{field}" for field in texts} == texts_in(query).keys()
    assert {f"query{field}" for field in items} == items_in(query).keys()
    assert pictures == pictures_in(query)


@given(candidates=st.integers(1, 100))
def test_what_is_ordered_anew_is_counted(candidates: int) -> None:
    """Each caption of a picture is read; of a text's pictures, which were read when they were indexed, ten count as one."""
    how = Reranking(candidates, explain=False)

    assert [0, 0, candidates] == [
        read_anew(SearchOptions(), None),
        read_anew(SearchOptions(target="texts"), None),
        read_anew(SearchOptions(target="texts"), how),
    ]
    assert 10 * (read_anew(SearchOptions(), how) - 1) < candidates <= 10 * read_anew(SearchOptions(), how)


@given(inputs=st.integers(0, 10**6), most=st.integers(1, 10**6))
def test_as_many_as_are_allowed_may_be(inputs: int, most: int) -> None:
    """At the bound it is let through; beyond it both numbers are told."""
    if inputs <= most:
        expect_few(inputs, most)
        return
    with pytest.raises(AsksTooMuch) as caught:
        expect_few(inputs, most)
    assert f" {inputs:,} texts" in str(caught.value)
    assert f" {most:,} are allowed" in str(caught.value)


@given(inputs=st.lists(st.integers(0, 50), max_size=40), most=st.integers(1, 100))
def test_a_tally_ends_at_the_latest_where_it_is_hopeless(inputs: list[int], most: int) -> None:
    """What is little too much is counted to its end and told to the last one; of what is four times too much at least so many."""
    tally, counted = Tally(most), 0
    for each in inputs:
        counted += each
        if counted > 4 * most:
            with pytest.raises(AsksTooMuch, match=f"at least {counted:,} texts"):
                tally.add(each)
            return
        tally.add(each)
    if counted <= most:
        tally.expect_few()
        return
    with pytest.raises(AsksTooMuch, match=f" for {counted:,} texts"):
        tally.expect_few()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"parts": [{"text": LONG}, {"text": "red"}, {"image": IMAGE}]}, 7),
        ({"parts": [{"change": {"from": LONG, "to": "red"}}, {"image": IMAGE}]}, 7),
        ({"parts": [{"text": "red"}] * 7}, 7),
        ({"parts": [{"text": LONG}] * 4}, 20),
    ],
)
def test_nothing_is_embedded_of_what_is_too_much(
    strict: TestClient, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], count: int
) -> None:
    """It is refused whole, with its number after splitting, before the first text or picture reaches a tower."""
    reached: list[object] = []

    async def embed(_: Embedder, __: Model, given: object, ___: Timings) -> None:
        reached.append(given)

    monkeypatch.setattr(Embedder, "text_of", embed)
    monkeypatch.setattr(Embedder, "image", embed)

    assert f" {count} texts" in refusal(strict, SEARCH, {"query": query})
    assert f" {count + 1} texts" in refusal(
        strict, SEVERAL, {"queries": [{"query": query}, {"query": {"text": "blue"}}]}
    )
    assert [] == reached


def test_what_is_far_too_much_is_not_counted_to_its_end(strict: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """To split texts costs too: of six long ones, side by side no more than a batch, the first few are enough to know."""
    split: list[int] = []
    count = Tally.add

    def noted(tally: Tally, inputs: int) -> None:
        split.append(inputs)
        count(tally, inputs)

    monkeypatch.setattr(Tally, "add", noted)
    body = {"queries": [{"query": {"text": "red. " * 200}}] * 6}

    assert " at least 64 texts" in refusal(strict, SEVERAL, body)
    assert 1 <= split.count(64) < 6


def test_what_is_just_enough_is_answered(strict: TestClient) -> None:
    """A long text and one more, as many as are allowed; and searches that ask for nothing count for nothing."""
    five = {"query": {"text": LONG}}
    free = [{"query": {"id": "red-0"}}, {"query": {"vector": [1.0] * 16}}, {"query": {"id": "nobody"}}, {"limit": 0}]

    answer = strict.post(SEVERAL, json={"queries": [five, {"query": {"text": "red"}}, *free]})

    assert 200 == answer.status_code, answer.text
    assert [5, None, None, None] == [each["sentences"] for each in answer.json()["results"][:4]]
    assert [404, 422] == [each["status"] for each in answer.json()["results"][4:]]


def test_all_that_embed_keep_the_bound(strict: TestClient) -> None:
    """Lists of embeddings, pictures to proofread, and captions that are to be read for a picture."""
    model = strict.get("/v1/models").json()["data"][0]["id"]

    assert " 7 texts" in refusal(strict, "/v1/embeddings", {"model": model, "input": ["red"] * 7})
    assert 200 == strict.post("/v1/embeddings", json={"model": model, "input": ["red"] * MOST}).status_code
    assert " 7 texts" in refusal(strict, "/v1/proofread", {"model": model, "images": [IMAGE] * 7, "text": "red"})
    read = {"query": {"id": "red-0"}, "target": "texts", "rerank": "proofread", "candidates": 7}
    assert " 7 texts" in refusal(strict, SEARCH, read)
    form = {"target": "texts", "rerank": "proofread", "candidates": "6"}
    sent = strict.post(f"{SEARCH}/image", files={"file": colour_picture("green", 1)}, data=form)
    assert (413, "/problems/asks-too-much") == (sent.status_code, sent.json()["type"])


@pytest.mark.parametrize(
    ("body", "hits"), [({}, 10), ({"limit": 100}, 100), ({"limit": 3, "diversify": {"candidates": 40}}, 43)]
)
def test_hits_are_those_shown_and_those_chosen_from(body: dict[str, Any], hits: int) -> None:
    """What a search may show, and what that is chosen from, is what it makes."""
    assert hits == hits_of(SearchOptions.model_validate(body))


def test_several_searches_have_so_many_hits_together(client: TestClient) -> None:
    """As many as are allowed are answered; with one more the request is refused whole, and told both numbers."""
    expect_few_hits(MAX_HITS)
    with pytest.raises(AsksTooMuch, match=f"{MAX_HITS + 1:,} hits together, {MAX_HITS:,} are allowed"):
        expect_few_hits(MAX_HITS + 1)
    searches = [{"query": {"id": "red-0"}, "limit": 100} for _ in range(MAX_HITS // 100)]

    assert 200 == client.post(SEVERAL, json={"queries": searches}).status_code
    refused = client.post(SEVERAL, json={"queries": [*searches, {"query": {"id": "red-0"}, "limit": 1}]})
    assert (413, "/problems/asks-too-much") == (refused.status_code, refused.json()["type"])
