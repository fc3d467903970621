"""service.queries.search with rerank: the best hits of a text in the order of what they contradict."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from index.rerank import rerank
from index.searcher import Searcher
from models.bundle import Bundle
from models.proofreader import Proofreader
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_painted
from tests.support.redis_server import needs_redis, running_redis

SEARCH = "/v1/collections/painted/search"
COUNT = 12


def ask(client: TestClient, text: str = "a blue picture", *, path: str = SEARCH, **options: object) -> dict[str, Any]:
    """A search that succeeds, re-ranked unless told otherwise."""
    answer = client.post(path, json={"query": {"text": text}, "rerank": "proofread", **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    """Of the hits, in order."""
    return [hit["id"] for hit in answer["hits"]]


def test_the_order_is_the_proofreaders(reader: TestClient, painted: Path, proof_bundle: Path) -> None:
    """Hits stand as `index.rerank` puts the best by vector, each with its cosine and the score it is ordered by."""
    answer = ask(reader, candidates=8, limit=8)

    bundle = Bundle.open(proof_bundle)
    searcher = Searcher.open(painted / "collections", "painted")
    vector = bundle.embed_texts(["a blue picture"]).vectors
    best = searcher.search(vector, [8], "images", patches=True)[0]
    expected = rerank(Proofreader.open(bundle), "a blue picture", best, words=False)
    assert [each.hit.id for each in expected] == ids(answer)
    for each, hit in zip(expected, answer["hits"], strict=True):
        assert each.proof is not None
        assert hit["score"] == pytest.approx(each.hit.score, abs=1e-4)
        assert hit["proof"]["score"] == pytest.approx(each.proof.score, abs=1e-3)
        assert hit["proof"]["mixed"] == pytest.approx(each.mixed, abs=1e-4)
        assert hit["proof"]["words"] is None
    mixed = [hit["proof"]["mixed"] for hit in answer["hits"]]
    assert sorted(mixed, reverse=True) == mixed
    assert {"tokenize", "encode", "search", "proofread", "total"} == set(answer["took_ms"])


def test_behind_the_candidates_hits_come_by_vector(reader: TestClient) -> None:
    """A limit beyond the candidates goes on in the order of the vectors, without proofs; nothing twice, nothing missing."""
    plain = reader.post(SEARCH, json={"query": {"text": "a blue picture"}, "limit": COUNT}).json()

    answer = ask(reader, candidates=5, limit=COUNT)

    assert set(ids(plain)[:5]) == set(ids(answer)[:5])
    assert ids(plain)[5:] == ids(answer)[5:]
    assert [True] * 5 + [False] * 7 == [hit["proof"] is not None for hit in answer["hits"]]


@pytest.mark.parametrize("candidates", [1, 4, 7, 12, 100])
def test_pages_are_slices_of_one_order(reader: TestClient, candidates: int) -> None:
    """Pages by offset, laid end to end, are the hits of one long page, wherever the candidates end."""
    whole = ask(reader, candidates=candidates, limit=COUNT)

    pages = [ask(reader, candidates=candidates, limit=5, offset=offset) for offset in (0, 5, 10)]

    assert ids(whole) == [each for page in pages for each in ids(page)]
    assert whole["hits"] == [hit for page in pages for hit in page["hits"]]


def test_the_words_are_told_when_asked_for(reader: TestClient) -> None:
    """With explain each re-ranked hit has every word of the query, and the answer the text that they stand in."""
    answer = ask(reader, "A  Red picture", limit=COUNT, explain=True)

    assert "a red picture" == answer["text"]
    for hit in answer["hits"]:
        words, limit = hit["proof"]["words"], hit["proof"]["threshold"]
        assert [1 - word["support"] > limit for word in words] == [word["contradicted"] for word in words]
        assert ["a", "red", "picture"] == [answer["text"][word["start"] : word["end"]] for word in words]
        if hit["id"].startswith(("green", "blue")):
            assert [False, True, False] == [word["contradicted"] for word in words]
            assert hit["id"].split("-")[0] == words[1]["corrections"][0]["word"]


def test_explaining_does_not_change_the_order(reader: TestClient) -> None:
    """Hits and their scores are the same with and without words."""
    plain, explained = (ask(reader, "a green picture", limit=COUNT, explain=each) for each in (False, True))

    assert ids(plain) == ids(explained)
    for one, other in zip(plain["hits"], explained["hits"], strict=True):
        assert one["proof"]["mixed"] == pytest.approx(other["proof"]["mixed"], abs=1e-5)
    assert plain["text"] is None


def test_every_option_is_part_of_the_cached_question(reader: TestClient) -> None:
    """A repeated question comes from the cache; one that differs in rerank, candidates, explain or the text does not."""
    text = "the photo is yellow"
    asked: list[dict[str, Any]] = [
        {"candidates": 3}, {"candidates": 3}, {"candidates": 4}, {"candidates": 3, "explain": True}, {"rerank": None},
        {"candidates": 3, "explain": True}, {"rerank": None},
    ]  # fmt: skip

    answers = [ask(reader, text, limit=3, **options) for options in asked]
    other_case = ask(reader, text.upper(), limit=3, candidates=3)

    assert [False, True, False, False, False, True, True] == [answer["cached"] for answer in answers]
    assert answers[0]["hits"] == answers[1]["hits"]
    assert answers[3]["hits"] == answers[5]["hits"]
    assert answers[4]["hits"][0]["proof"] is None
    assert not other_case["cached"]


def test_the_next_page_needs_no_second_reading(reader: TestClient) -> None:
    """Pages among the candidates are cut from one reading, which the cache keeps."""
    registry = reader.app.state.runtime.metrics.registry  # type: ignore[attr-defined]
    ask(reader, "the photo is blue", candidates=12, limit=4)
    before = registry.get_sample_value("vilem_proofs_total")

    page = ask(reader, "the photo is blue", candidates=12, limit=4, offset=4)

    assert page["cached"]
    assert before == registry.get_sample_value("vilem_proofs_total")


@needs_redis
def test_another_replica_finds_the_reading(painted: Path) -> None:
    """What one service read comes to another from Redis, proofs and words and all."""
    with running_redis() as redis:
        answers: list[dict[str, Any]] = []
        for _ in range(2):
            app = create_app(Settings(home=painted, redis_url=redis.url, redis_timeout_s=5))
            with TestClient(app, base_url=ADDRESS) as client:
                wait_until_ready(client)
                answers.append(ask(client, limit=4, explain=True))
                # Redis is written behind the answer
                while app.state.runtime.cache.writing:
                    time.sleep(0.005)

    assert [False, True] == [answer["cached"] for answer in answers]
    assert answers[0]["hits"] == answers[1]["hits"]


def test_what_is_cached_is_checked(reader: TestClient) -> None:
    """A value of another form under the key of a reading is treated as absent."""
    cache = reader.app.state.runtime.cache  # type: ignore[attr-defined]
    first = ask(reader, "the photo is green", limit=2)
    for key in [key for key in cache.memory._entries if key.startswith("vilem:r:")]:
        cache.memory.put(key, b'{"not": "a reading"}')

    # another page of it: the first one's answer is kept whole
    again = ask(reader, "the photo is green", limit=3)

    assert not again["cached"]
    assert first["hits"] == again["hits"][:2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"query": {"text": "x"}, "candidates": 5}, "candidates belong to a rerank"),
        ({"query": {"text": "x"}, "explain": True}, "explain belong to a rerank"),
        ({"query": {"id": "red-0.png"}, "rerank": "proofread"}, "found by a text"),
        ({"query": {"vector": [1.0] * 16}, "rerank": "proofread"}, "found by a text"),
        ({"query": {"text": "x"}, "target": "texts", "rerank": "proofread"}, "found by a text"),
        ({"query": {"vector": [1.0] * 16}, "target": "texts", "rerank": "proofread"}, "found by a picture"),
        ({"query": {"text": "x"}, "rerank": "proofread", "candidates": True}, "valid integer"),
        ({"query": {"text": "x"}, "rerank": "proofread", "explain": 1}, "valid boolean"),
        ({"query": {"text": "x"}, "rerank": "proofread", "candidates": 0}, "greater than or equal to 1"),
        ({"query": {"text": "x"}, "rerank": "proofread", "candidates": 101}, "less than or equal to 100"),
        ({"query": {"text": "x"}, "rerank": "magic"}, "proofread"),
    ],
)
def test_what_makes_no_sense_is_refused(reader: TestClient, body: dict[str, object], words: str) -> None:
    """Options that would do nothing, and queries that cannot be re-ranked, are 422 with the reason."""
    answer = reader.post(SEARCH, json=body)

    assert 422 == answer.status_code
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("name", "slug"), [("bare", "patches-missing"), ("colours", "proofreader-missing")])
def test_a_collection_that_cannot_is_told(reader: TestClient, name: str, slug: str) -> None:
    """A rerank where nothing is stored, or where the model cannot, is 409 and says what to do; without it all is well."""
    path = f"/v1/collections/{name}/search"
    answer = reader.post(path, json={"query": {"text": "red"}, "rerank": "proofread"})

    assert (409, f"/problems/{slug}") == (answer.status_code, answer.json()["type"])
    assert 200 == reader.post(path, json={"query": {"text": "red"}}).status_code


def test_items_that_lack_patches_stand_behind(tmp_path: Path, proof_bundle: Path) -> None:
    """In a collection that was completed by halves, hits without patches follow those that have them, without proof."""
    make_painted(tmp_path, proof_bundle, repeats=2)
    # two more of each colour, without patches
    make_painted(tmp_path, proof_bundle, repeats=4, patches=False)
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        answer = ask(client, limit=16)

    assert {"-0.png", "-1.png"} == {each[-6:] for each in ids(answer)[:8]}
    assert [True] * 8 + [False] * 8 == [hit["proof"] is not None for hit in answer["hits"]]
    behind = [hit["score"] for hit in answer["hits"][8:]]
    assert sorted(behind, reverse=True) == behind


def test_a_collection_of_before_is_completed_while_it_is_served(tmp_path: Path, proof_bundle: Path) -> None:
    """A collection without patches answers 409; once the same source was indexed again, the running service re-ranks."""
    make_painted(tmp_path, proof_bundle, repeats=1, patches=False)
    with TestClient(create_app(Settings(home=tmp_path, poll_s=0.02)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        body = {"query": {"text": "a red picture"}, "rerank": "proofread"}
        assert 409 == client.post(SEARCH, json=body).status_code
        make_painted(tmp_path, proof_bundle, repeats=1)

        for _ in range(1_000):
            answer = client.post(SEARCH, json=body)
            if answer.status_code == 200:
                break
            time.sleep(0.01)
        assert 4 == len(answer.json()["hits"])
        assert all(hit["proof"] for hit in answer.json()["hits"])


def test_the_document_shows_a_reranked_search(reader: TestClient) -> None:
    """The OpenAPI document has examples with rerank, and they are valid requests."""
    operation = reader.get("/openapi.json").json()["paths"]["/v1/collections/{name}/search"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    text, item = (examples[name]["value"] for name in ("proofread", "proofread captions"))
    item = {**item, "query": {"id": "red-0.png"}}

    for path, example in ((SEARCH, text), (SEARCH.replace("painted", "told"), item)):
        answer = reader.post(path, content=json.dumps(example), headers={"content-type": "application/json"})
        assert 200 == answer.status_code
        assert np.isfinite([hit["proof"]["mixed"] for hit in answer.json()["hits"]]).all()
