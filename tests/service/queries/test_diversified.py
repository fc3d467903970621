"""Searches whose best hits are chosen so that none repeats another."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

SEARCH = "/v1/collections/colours/search"
ALL = 24


def ask(client: TestClient, **options: object) -> dict[str, Any]:
    """A search that succeeds."""
    answer = client.post(SEARCH, json={"query": {"text": "a photo of red"}, "limit": ALL, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    """Of the hits, in order."""
    return [hit["id"] for hit in answer["hits"]]


def colours(answer: dict[str, Any]) -> list[str]:
    """Of the hits, in order."""
    return [each.split("-")[0] for each in ids(answer)]


@pytest.mark.parametrize("target", ["images", "texts"])
def test_lambda_one_is_the_plain_ranking(client: TestClient, target: str) -> None:
    """Hits, and their scores, are those of the search without it."""
    plain = ask(client, target=target)

    assert plain["hits"] == ask(client, target=target, diversify={"lambda": 1})["hits"]


def test_shades_of_one_colour_do_not_crowd_out_the_others(client: TestClient) -> None:
    """Plain, the first three are shades of red; diverse, the best comes first and three colours are shown."""
    plain, diverse = ask(client), ask(client, diversify={"lambda": 0.3, "candidates": ALL})

    assert ["red"] * 3 == colours(plain)[:3]
    assert ids(plain)[0] == ids(diverse)[0]
    assert 3 == len({*colours(diverse)[:3]})
    assert {*ids(plain)} == {*ids(diverse)}


def test_captions_that_repeat_each_other_come_last(client: TestClient) -> None:
    """Three items have each caption: the first of every text come before the second of any."""
    found = ask(client, target="texts", limit=48, diversify={"lambda": 0.01, "candidates": 48})["hits"]

    assert 16 == len({hit["caption"] for hit in found[:16]})
    assert 48 == len(found)


def test_behind_the_candidates_hits_follow_as_they_are(client: TestClient) -> None:
    """What was not chosen from keeps its place."""
    plain, diverse = ask(client), ask(client, diversify={"lambda": 0.2, "candidates": 10})

    assert {*ids(plain)[:10]} == {*ids(diverse)[:10]}
    assert ids(plain)[10:] == ids(diverse)[10:]


@pytest.mark.parametrize("candidates", [1, 7, 12, 200])
def test_pages_are_slices_of_one_order(client: TestClient, candidates: int) -> None:
    """Pages by offset, laid end to end, are one long page, wherever the candidates end."""
    how = {"lambda": 0.4, "candidates": candidates}
    whole = ask(client, diversify=how)["hits"]

    assert whole == [hit for at in range(0, ALL, 5) for hit in ask(client, diversify=how, limit=5, offset=at)["hits"]]


def test_another_choice_is_another_question_to_the_cache(client: TestClient) -> None:
    """The same again comes from the cache; another lambda, or number of candidates, does not."""
    query = {"query": {"text": "black"}, "limit": 3}
    asked = [(0.5, 20), (0.5, 20), (0.6, 20), (0.5, 21)]

    answers = [ask(client, **query, diversify={"lambda": trade, "candidates": many}) for trade, many in asked]

    assert [False, True, False, False] == [answer["cached"] for answer in answers]
    assert answers[0]["hits"] == answers[1]["hits"]


def test_it_goes_with_filters_facets_and_items_left_out(client: TestClient) -> None:
    """What may not be found is not chosen; facets count as always."""
    query = {"parts": [{"id": "red-0"}, {"id": "blue-0"}]}
    where = {"field": "id", "op": "in", "value": ["red-0", "red-1", "green-1", "blue-0", "blue-2"]}

    answer = ask(client, query=query, filter=where, diversify={}, facets=["width"])

    assert ["blue-2", "green-1", "red-1"] == sorted(ids(answer))
    assert 5 == answer["facets"]["width"]["values"][0]["count"]
    assert "diversify" in answer["took_ms"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rerank": "proofread"}, "leave one of the two out"),
        ({"cursor": "*"}, "go on by offset"),
        ({"target": "moments"}, "few moments"),
        ({"diversify": {"lambda": 1.1}}, "less than or equal to 1"),
        ({"diversify": {"candidates": 201}}, "less than or equal to 200"),
        ({"diversify": {"candidates": True}}, "valid integer"),
        ({"diversify": {"trade": 0.5}}, "no such field"),
    ],
)
def test_what_does_not_go_with_it_says_so(client: TestClient, options: dict[str, Any], said: str) -> None:
    """Each is 422, and says what to do."""
    body = {"query": {"text": "red"}, "diversify": {}, **options}

    answer = client.post(SEARCH, json=body)

    assert 422 == answer.status_code
    assert said in answer.json()["detail"]
