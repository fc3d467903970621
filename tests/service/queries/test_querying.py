"""What a search is made with becomes one vector."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.support.collections import colour_picture
from tests.support.tiny_bundle import COLOURS

SEARCH = "/v1/collections/colours/search"
# of 24 items in all
ALL = 24


def ask(client: TestClient, query: dict[str, Any], **options: object) -> dict[str, Any]:
    """A search that succeeds."""
    answer = client.post(SEARCH, json={"query": query, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def ids(answer: dict[str, Any]) -> list[str]:
    """Of the hits, in order."""
    return [hit["id"] for hit in answer["hits"]]


def refused(client: TestClient, query: dict[str, Any], **options: object) -> tuple[int, str, list[str]]:
    """Status, detail and fields of a search that is refused."""
    # as ASCII: half a surrogate pair has no other form
    content, headers = json.dumps({"query": query, **options}), {"content-type": "application/json"}
    answer = client.post(SEARCH, content=content, headers=headers)
    problem = answer.json()
    return answer.status_code, problem["detail"], [each["field"] for each in problem["errors"]]


def among(*shades: str) -> dict[str, Any]:
    """A filter for the pictures of those shades."""
    return {"field": "id", "op": "in", "value": [f"{colour}-{shade}" for colour in COLOURS for shade in shades]}


NO_IMAGE = base64.b64encode(b"GIF89a and no more").decode()
IMAGE = base64.b64encode(colour_picture("green", 1)).decode()
SINGLES: list[dict[str, Any]] = [
    {"text": "a photo of red"},
    {"image": IMAGE},
    {"id": "blue-1"},
    {"vector": (np.arange(16) - 7.3).tolist()},
    {"text": "red " * 100},
]


@pytest.mark.parametrize("single", SINGLES, ids=["text", "image", "id", "vector", "long text"])
@pytest.mark.parametrize("weight", [1, 0.01, 30])
def test_one_part_is_the_query_itself(client: TestClient, single: dict[str, Any], weight: float) -> None:
    """A single part of any weight finds what it finds by itself, with the same scores, and leaves out the same item."""
    plain, parts = ask(client, single, limit=30), ask(client, {"parts": [{**single, "weight": weight}]}, limit=30)

    assert ids(plain) == ids(parts)
    assert np.allclose([hit["score"] for hit in plain["hits"]], [hit["score"] for hit in parts["hits"]], atol=1e-5)
    assert [plain["sentences"], plain["truncated"]] == [parts["sentences"], parts["truncated"]]


def test_what_was_read_of_parts_is_told(client: TestClient) -> None:
    """Pieces are counted of texts alone, of those of changes too, and an end that is lost is lost in a change too."""
    long, endless = "red " * 100, "A red thing. " * 1_400
    pieces = ask(client, {"text": long})["sentences"]
    change: dict[str, Any] = {"change": {"to": long, "from": "blue"}, "weight": 0.5}

    found = [
        ask(client, {"parts": [{"id": "blue-1"}, part]})
        for part in ({"text": long}, change, {"text": "red"}, {"change": {"to": endless, "from": "blue"}})
    ]

    assert [pieces, pieces + 1, None, 65] == [each["sentences"] for each in found]
    assert [False, False, False, True] == [each["truncated"] for each in found]


def test_parts_are_found_together(client: TestClient) -> None:
    """Two colours find both before the others; with one below zero its pictures come last."""
    both = ask(client, {"parts": [{"text": "red"}, {"text": "blue"}]}, limit=12)
    without = ask(client, {"parts": [{"text": "blue"}, {"text": "yellow", "weight": -1}]}, limit=ALL)

    assert "purple" == ids(both)[0].split("-")[0], "which is what red and blue are together"
    assert {"red", "blue"} <= {each.split("-")[0] for each in ids(both)}
    assert "blue" == ids(without)[0].split("-")[0]
    assert {"yellow"} == {each.split("-")[0] for each in ids(without)[-3:]}


def test_a_change_goes_from_one_text_to_another(client: TestClient) -> None:
    """A red picture, but blue: blue pictures come first; turned round by a weight below zero it leads the other way."""
    there = {"change": {"from": "red", "to": "blue"}}
    back = {"change": {"from": "blue", "to": "red"}, "weight": -1}

    found = ask(client, {"parts": [{"id": "red-0"}, there]}, limit=ALL)

    assert "blue" == ids(found)[0].split("-")[0]
    assert "red-0" not in ids(found)
    assert ids(found) == ids(ask(client, {"parts": [{"id": "red-0"}, back]}, limit=ALL))


def test_items_asked_with_are_no_hits_but_those_to_be_away_from_may_be(client: TestClient) -> None:
    """Ids of positive parts are left out wherever they stand; of negative ones not; captions of all are found."""
    query = {"parts": [{"id": "red-0"}, {"id": "blue-0"}, {"id": "green-0", "weight": -0.1}]}

    found = ids(ask(client, query, limit=100))

    assert ALL - 2 == len(found)
    assert {"red-0", "blue-0"}.isdisjoint(found)
    assert "green-0" in found
    captions = ids(ask(client, query, target="texts", limit=100))
    assert {"red-0", "blue-0"} <= {*captions}


def test_pages_without_the_items_asked_with_are_slices_of_one_order(client: TestClient) -> None:
    """However many are left out, pages laid end to end are one long page; under a filter too, which is kept."""
    query = {"parts": [{"id": "red-0"}, {"id": "red-1"}, {"id": "blue-0"}]}

    for where in (None, among("0", "1")):
        whole = ids(ask(client, query, limit=15, filter=where))
        pages = [ids(ask(client, query, limit=5, offset=at, filter=where)) for at in (0, 5, 10)]
        assert whole == [each for page in pages for each in page]
        if where is not None:
            assert all(each.endswith(("-0", "-1")) for each in whole)


def test_what_is_like_an_item_keeps_to_the_filter(client: TestClient) -> None:
    """More like this, among those that match alone."""
    found = ids(ask(client, {"id": "red-0"}, limit=100, filter=among("2")))

    assert 8 == len(found)
    assert all(each.endswith("-2") for each in found)


def test_feedback_moves_to_what_is_liked(client: TestClient) -> None:
    """Items like the liked ones come nearer, like the disliked ones go; none of them is a hit unless asked for."""
    query, judged = {"text": "red"}, {"liked": ["green-0", "green-1"], "disliked": ["red-0"]}
    plain = ids(ask(client, query, limit=ALL))

    moved = ids(ask(client, {**query, "feedback": judged}, limit=ALL))
    shown = ids(ask(client, {**query, "feedback": {**judged, "include_judged": True}}, limit=ALL))

    assert ALL - 3 == len(moved)
    assert {"green-0", "green-1", "red-0"}.isdisjoint(moved)
    assert shown.index("green-2") < plain.index("green-2")
    assert {*plain} == {*shown}


def test_feedback_with_its_weights_is_rocchios(client: TestClient) -> None:
    """What was liked, alone, is the mean of it, as parts of equal weight; without weight judged items change nothing."""
    liked = ["green-0", "blue-0"]

    alone = ask(client, {"feedback": {"liked": liked}}, limit=ALL)
    assert ids(alone) == ids(ask(client, {"parts": [{"id": each} for each in liked]}, limit=ALL))

    nothing = {"liked": liked, "beta": 0, "gamma": 0, "include_judged": True}
    assert ids(ask(client, {"text": "red"}, limit=ALL)) == ids(
        ask(client, {"text": "red", "feedback": nothing}, limit=ALL)
    )


def test_the_query_is_unit_length_before_feedback_moves_it(client: TestClient) -> None:
    """Feedback weighs a query of parts as one query, however heavy its parts are."""
    feedback = {"liked": ["green-0"]}

    light, heavy = (
        ids(ask(client, {"parts": [{"text": "red", "weight": weight}], "feedback": feedback}, limit=ALL))
        for weight in (1, 500)
    )

    assert light == heavy


def test_a_composed_query_is_cached_as_any(client: TestClient) -> None:
    """The same parts again come from the cache; other weights, or other items left out, are another question."""
    query = {"parts": [{"text": "white"}, {"text": "a photo"}]}
    other = {"parts": [{"text": "white"}, {"text": "a photo", "weight": 0.5}]}
    excluding = {**query, "feedback": {"liked": ["white-0"], "beta": 0}}

    cached = [ask(client, each, limit=7)["cached"] for each in (query, query, other, excluding, excluding)]

    assert [False, True, False, False, True] == cached
    assert "white-0" not in ids(ask(client, excluding, limit=7))


def test_cursors_and_words_go_with_all_of_it(client: TestClient) -> None:
    """Pages by cursor of a query with parts and feedback, laid end to end, leave out what was judged and nothing else."""
    query = {"parts": [{"text": "red"}, {"id": "blue-0"}], "feedback": {"liked": ["green-0"], "disliked": ["white-1"]}}
    found, cursor = [], "*"
    while cursor is not None:
        page = ask(client, query, limit=7, cursor=cursor)
        found, cursor = found + ids(page), page["next"]

    assert ALL - 3 == len(found) == len({*found})
    assert found == ids(ask(client, query, limit=100))
    # another item left out is another question
    begun = ask(client, query, limit=7, cursor="*")["next"]
    other = {**query, "feedback": {"liked": ["green-0"], "disliked": ["white-1"], "include_judged": True}}
    assert (422, ["cursor"]) == refused(client, other, limit=7, cursor=begun)[::2]


@pytest.mark.parametrize(
    ("query", "item", "field"),
    [
        ({"id": "nobody"}, "nobody", "query.id"),
        ({"parts": [{"id": "red-0"}, {"id": "gone", "weight": -1}]}, "gone", "query.parts.1.id"),
        ({"text": "red", "feedback": {"liked": ["red-0", "lost"]}}, "lost", "query.feedback.liked.1"),
        ({"text": "red", "feedback": {"disliked": ["never"]}}, "never", "query.feedback.disliked.0"),
    ],
)
def test_an_item_that_is_not_there_is_named(client: TestClient, query: dict[str, Any], item: str, field: str) -> None:
    """Whatever part names it: 404, with the id and the field that has it."""
    status, detail, fields = refused(client, query)

    assert (404, [field]) == (status, fields)
    assert repr(item) in detail


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({"parts": [{"text": "red"}, {"text": "red", "weight": -1}]}, "query.parts", "cancel each other"),
        ({"parts": [{"change": {"from": "red", "to": " RED "}}]}, "query.parts.0.change", "say what differs"),
        ({"parts": [{"text": "a"}, {"image": "/etc/passwd"}]}, "query.parts.1.image", "base64"),
        ({"parts": [{"text": "a"}, {"image": NO_IMAGE}]}, "query.parts.1.image", "image"),
        ({"image": NO_IMAGE}, "query.image", "image"),
        ({"parts": [{"text": "a"}, {"text": "red \ud800"}]}, "query.parts.1.text", "surrogate"),
        ({"parts": [{"text": "a"}, {"vector": [1.0]}]}, "query.parts.1.vector", "16"),
        ({"parts": [{"text": "a"}, {"text": "x" * 20_001}]}, "query.parts.1.text", "20,000"),
        ({"parts": [{"change": {"from": "a", "to": "x" * 20_001}}]}, "query.parts.0.change.to", "20,000"),
        ({"text": "a", "feedback": {"liked": ["red-0"], "alpha": 0, "beta": 0}}, "query.feedback", "cancel"),
    ],
)
def test_what_cannot_be_put_together_is_refused_by_its_field(
    client: TestClient, query: dict[str, Any], field: str, said: str
) -> None:
    """Each is 422, names the part at fault and says what is wrong."""
    status, detail, fields = refused(client, query)

    assert (422, [field]) == (status, fields)
    assert said in detail
