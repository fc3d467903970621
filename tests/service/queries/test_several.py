"""Several searches in one request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index.live.writes import Remove
from service.app import create_app
from service.queries.several import search_each, written
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.schemas.searches import MAX_SEARCHES
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import make_colours
from tests.support.tiny_bundle import COLOURS

SEARCH = "/v1/collections/colours/search"
SEVERAL = "/v1/collections/colours/searches"

GOOD: list[dict[str, Any]] = [
    {"query": {"text": "red"}, "limit": 3},
    {"query": {"id": "blue-1"}, "target": "texts", "limit": 2},
    {"query": {"parts": [{"text": "green"}, {"id": "white-0", "weight": -1}]}, "limit": 4, "diversify": {}},
]
# with the status that each is answered with by itself
BAD: list[tuple[Any, int]] = [
    ({"query": {}}, 422),
    ({"query": {"text": "red"}, "limit": 0}, 422),
    ({"query": {"text": "red"}, "colour": 1}, 422),
    ({"query": {"id": "nobody"}}, 404),
    ({"query": {"vector": [1.0]}}, 422),
    ({"query": {"text": "red"}, "filter": {"field": "none", "op": "eq", "value": 1}}, 422),
    ({"query": {"text": "red"}, "rerank": "proofread"}, 409),
    ({"query": {"text": "red"}, "min_score": 0.5}, 409),
    ([], 422),
    (None, 422),
]


REFUSED = 'vilem_rejected_total{problem="item-unknown"}'


def test_each_is_answered_as_it_is_alone(client: TestClient) -> None:
    """The results stand in the order of the searches, each with the hits that it finds by itself."""
    alone = [client.post(SEARCH, json=body).json() for body in GOOD]

    answer = client.post(SEVERAL, json={"queries": GOOD * 3}).json()

    assert [each["hits"] for each in alone] * 3 == [each["hits"] for each in answer["results"]]
    seen = {(each["generation"], each["version"]) for each in answer["results"]}
    assert {(answer["generation"], answer["version"])} == seen
    assert ("colours", True) == (answer["collection"], answer["took_ms"] > 0)


def test_it_is_written_as_its_schema_says(home: Path) -> None:
    """Written search by search, it is the JSON of the whole; problems and large answers stand among the results."""

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        many = {"query": {"text": "red"}, "limit": 100}
        for bodies in ([many, *GOOD, *(body for body, _ in BAD)], GOOD[:1], [None]):
            found = await search_each(runtime, "colours", bodies)
            assert found.model_dump(mode="json") == json.loads(await written(runtime, found))

    with_runtime(use, home)


def test_one_that_is_bad_fails_alone(client: TestClient) -> None:
    """Among good ones each bad one is the problem it is answered with by itself; the good ones are answered."""
    mixed = [body for bad, _ in BAD for body in (GOOD[0], bad)]
    alone = [client.post(SEARCH, json=bad).json() for bad, _ in BAD]

    answer = client.post(SEVERAL, json={"queries": mixed})

    assert 200 == answer.status_code
    results = answer.json()["results"]
    assert all(3 == len(each["hits"]) for each in results[::2])
    for (bad, status), expected, found in zip(BAD, alone, results[1::2], strict=True):
        assert status == found["status"]
        # a body that is no object at all is told how to send one
        for part in ("type", "title", "status") + ("detail",) * (bad is not None and bad != []):
            assert expected[part] == found[part]


def test_a_bad_one_names_its_place(client: TestClient) -> None:
    """The fields at fault are told from the request's top: which search, and what of it."""
    parts = [{"text": "red"}, {"vector": [1.0]}]
    bad: list[tuple[Any, str]] = [
        ({"query": {"parts": parts}}, "query.parts.1.vector"),
        ({"query": {"text": "red"}, "limit": 0}, "limit"),
        ({"query": {"text": "red", "feedback": {"liked": ["nobody"]}}}, "query.feedback.liked.0"),
        (
            {"query": {"text": "red"}, "filter": {"and": [{"field": "none", "op": "eq", "value": 1}]}},
            "filter.and[0].field",
        ),
    ]

    results = client.post(SEVERAL, json={"queries": [GOOD[0], *(body for body, _ in bad), None]}).json()["results"]

    named = [[each["field"] for each in found["errors"]] for found in results[1:]]
    assert [[f"queries.{place}.{field}"] for place, (_, field) in enumerate(bad, 1)] + [["queries.5"]] == named


def test_a_problem_inside_names_the_request(client: TestClient) -> None:
    """By the name that its log lines have, as a problem that is the whole answer does."""
    bad = {"queries": [{"query": {"id": "nobody"}}, GOOD[0]]}
    answer = client.post(SEVERAL, json=bad, headers={"x-request-id": "several-1"})

    assert "several-1" == answer.json()["results"][0]["request_id"]


def test_problems_inside_are_counted(client: TestClient) -> None:
    """Each problem of a search counts as refused, as it would by itself."""

    def refused() -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(REFUSED))

    before = refused()
    client.post(SEVERAL, json={"queries": [{"query": {"id": "nobody"}}] * 3})

    assert before + 3 == refused()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "queries"),
        ({"queries": []}, "queries"),
        ({"queries": {}}, "queries"),
        ({"queries": [GOOD[0]] * (MAX_SEARCHES + 1)}, "queries"),
        ({"queries": [GOOD[0]], "limit": 5}, "limit"),
    ],
)
def test_a_request_that_holds_no_searches_is_refused(client: TestClient, body: dict[str, Any], field: str) -> None:
    """None, too many, and options beside them are 422 for the whole request."""
    answer = client.post(SEVERAL, json=body)

    assert (422, [field]) == (answer.status_code, [each["field"] for each in answer.json()["errors"]])


def test_a_collection_that_is_not_there_is_404(client: TestClient) -> None:
    """No search can be answered: the request is not."""
    answer = client.post("/v1/collections/none/searches", json={"queries": GOOD})

    assert (404, "/problems/collection-unknown") == (answer.status_code, answer.json()["type"])


def test_all_meet_one_version(tmp_path: Path, tiny_bundle: Path) -> None:
    """Whatever is written while they are under way, the searches of one request see one state of the collection."""
    make_colours(tmp_path, tiny_bundle)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        bodies = [{"query": {"text": f"red {number}"}, "limit": 100} for number in range(8)]
        asking = asyncio.ensure_future(search_each(runtime, "colours", bodies))
        await asyncio.sleep(0)
        await runtime.writers.of("colours").write(Remove("red-0"))
        answer = await asking
        found = [each for each in answer.results if isinstance(each, SearchAnswer)]
        assert 8 == len(found)
        assert {answer.version} == {each.version for each in found}
        assert {24} == {len(each.hits) for each in found}
        later = await search_each(runtime, "colours", bodies[:1])
        assert later.version > answer.version

    with_runtime(use, tmp_path)


def test_a_request_does_not_fill_the_queues_against_itself(home: Path) -> None:
    """Where two fit into a batch and four may wait, searches of several long parts, side by side, are all answered."""
    long = [{"text": "red dog. " * 40, "weight": weight} for weight in (1, 0.5, 0.2)]
    bodies = [{"query": {"parts": [*long, {"text": f"{colour} {number}"}]}} for number, colour in enumerate(COLOURS)]

    with TestClient(
        create_app(Settings(home=home, max_batch=2, max_queue=4, max_inputs=1000)), base_url=ADDRESS
    ) as made:
        wait_until_ready(made)
        answer = made.post(SEVERAL, json={"queries": bodies})

    assert 200 == answer.status_code, answer.text
    assert [3 * 40 + 1] * len(bodies) == [each.get("sentences", each) for each in answer.json()["results"]]


def test_a_fault_of_ours_is_one_searchs_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw answers "internal" in its place; the others are answered."""
    from service.queries import several

    answer = several.answer

    async def broken(*given: Any) -> SearchAnswer:  # noqa: ANN401 - whatever it is given
        if given[0].options.limit == 7:
            raise ZeroDivisionError
        return await answer(*given)

    monkeypatch.setattr(several, "answer", broken)

    async def use(runtime: Runtime) -> None:
        await until(lambda: is_served(runtime, "colours"))
        found = await search_each(runtime, "colours", [GOOD[0], {**GOOD[0], "limit": 7}, GOOD[1]])
        assert [True, False, True] == [isinstance(each, SearchAnswer) for each in found.results]
        assert "/problems/internal" == getattr(found.results[1], "type")  # noqa: B009 - a union

    use_it: Callable[[Runtime], Awaitable[None]] = use
    with_runtime(use_it, home)
