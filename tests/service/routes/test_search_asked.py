"""Searches that ask for more than the nearest vectors: filters, words, duplicates as one, pages that hold still, facets."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from index.collection import Collection
from index.duplicates.find import Options, find_duplicates
from index.duplicates.groups import save_groups
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.lexical.upkeep import index_texts
from index.searcher import Searcher
from service.app import create_app
from service.queries.cursors import Cursor
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, make_colours

NAME = "colours"
SEARCH = f"/v1/collections/{NAME}/search"
ITEMS = f"/v1/collections/{NAME}/items"
RED = {"field": "colour", "op": "eq", "value": "red"}


def make(home: Path, bundle: Path) -> None:
    """24 pictures with fields, words and groups of duplicates: pictures of one colour."""
    make_colours(home, bundle)
    root = home / "collections"
    collection = Collection.open(root, NAME)
    add_fields(collection, [parse_declaration("colour:string"), parse_declaration("shade:int")])
    index_texts(collection)
    found = find_duplicates(Searcher.open(root, NAME), Options(threshold=0.98))
    save_groups(collection.latest(), found.found, items=24, threshold=0.98, bits=None, chains=False)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[TestClient]:
    """The app over it; tests leave it as it is."""
    home = tmp_path_factory.mktemp("asked")
    make(home, tiny_bundle)
    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


@pytest.fixture
def writable(tmp_path: Path, tiny_bundle: Path) -> Iterator[TestClient]:
    """Another, which a test may write to."""
    make(tmp_path, tiny_bundle)
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


def ask(client: TestClient, text: str = "red", **options: object) -> dict:
    """A search's answer."""
    answer = client.post(SEARCH, json={"query": {"text": text}, "limit": 100, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def ids(answer: dict) -> list[str]:
    """Of the hits."""
    return [hit["id"] for hit in answer["hits"]]


def pages(client: TestClient, between: object = None, **options: object) -> list[str]:
    """Ids of all pages, by cursor; between the first two pages something may happen."""
    found, cursor = list[str](), "*"
    while cursor:
        answer = ask(client, cursor=cursor, **{"limit": 5, **options})
        found += ids(answer)
        if cursor == "*" and callable(between):
            between()
        cursor = answer["next"]
    return found


def problem(client: TestClient, **body: object) -> tuple[int, str]:
    """Status and type of a refused search."""
    answer = client.post(SEARCH, json={"query": {"text": "red"}, **body})
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_a_collection_names_what_its_filters_may_name(client: TestClient) -> None:
    """Its fields are listed with their types, and a filter takes each of them."""
    fields = client.get(f"/v1/collections/{NAME}").json()["fields"]

    assert [("id", "string"), ("width", "int"), ("height", "int"), ("colour", "string"), ("shade", "int")] == [
        (each["name"], each["type"]) for each in fields
    ]
    assert 24 == len(ask(client, filter={"and": [{"field": each["name"], "op": "exists"} for each in fields]})["hits"])


def test_only_matching_items_are_found(client: TestClient) -> None:
    """A filter bounds what is found, to the last item; the order is that of the search without."""
    wanted = {
        "or": [{"field": "colour", "op": "in", "value": ["red", "blue"]}, {"field": "shade", "op": "gte", "value": 2}]
    }

    everything, some = ids(ask(client)), ids(ask(client, filter=wanted))

    matches = [each for each in everything if each.startswith(("red", "blue")) or each.endswith("2")]
    assert matches == some


def test_the_short_form_and_nothing_that_matches(client: TestClient) -> None:
    """Filters may be written short; one that nothing matches answers no hits."""
    assert ["red-1"] == ids(ask(client, filter={"colour": "red", "shade": 1}))
    assert [] == ids(ask(client, filter={"colour": "plaid"}))


def test_captions_are_filtered_by_their_items(client: TestClient) -> None:
    """Of captions those are found whose item matches."""
    answer = ask(client, target="texts", filter=RED)

    assert {"red-0", "red-1", "red-2"} == set(ids(answer))
    assert 6 == len(answer["hits"])


@pytest.mark.parametrize("where", [{"\ud800": 5}, {"shade": {"\ud800": 5}}, {"field": "shade", "op": "\ud800"}])
def test_a_filter_of_any_keys_is_answered(client: TestClient, where: object) -> None:
    """Half a surrogate pair in a name or an operator is told as what it is, and is no fault of ours."""
    content = json.dumps({"query": {"text": "red"}, "filter": where})
    answer = client.post(SEARCH, content=content, headers={"content-type": "application/json"})

    assert 422 == answer.status_code
    assert "\\ud800" in answer.json()["detail"]


def upload(client: TestClient, **options: object) -> Response:
    """A search by an uploaded red picture."""
    return client.post(f"{SEARCH}/image", files={"file": colour_picture("red")}, data={"limit": "100", **options})


def test_an_upload_takes_a_filter(client: TestClient) -> None:
    """As JSON, in both forms, for items and captions: the order is that of the upload without."""
    where = {"or": [{"colour": ["blue", "red"]}, {"field": "shade", "op": "gte", "value": 2}]}

    everything, some = ids(upload(client).json()), ids(upload(client, filter=json.dumps(where)).json())

    assert [each for each in everything if each.startswith(("red", "blue")) or each.endswith("2")] == some
    captions = upload(client, filter='{"colour": "red"}', target="texts").json()
    assert 6 == len(captions["hits"])
    assert {"red-0", "red-1", "red-2"} == set(ids(captions))


@pytest.mark.parametrize(
    ("sent", "kind", "field", "said"),
    [
        ("colour = 'red'", "request-invalid", "filter", "not JSON"),
        ("3", "filter-invalid", "filter", "a filter is an object like"),
        ('{"shade": {"lt": NaN}}', "filter-invalid", "filter.shade.lt", "NaN"),
        ('{"price": 5}', "field-unknown", "filter.price", "there is no field 'price'"),
        ('{"not":' * 5_000, "request-invalid", "filter", "not JSON"),
        (json.dumps({"not": {"not": {"shade": "x"}}}), "filter-invalid", "filter.not.not.shade", "a number"),
    ],
)  # fmt: skip
def test_an_uploads_filter_is_judged_as_a_bodys(
    client: TestClient, sent: str, kind: str, field: str, said: str
) -> None:
    """What is no JSON, or breaks the grammar, is a problem that names the place."""
    answer = upload(client, filter=sent)

    assert (422, f"/problems/{kind}") == (answer.status_code, answer.json()["type"])
    assert [field] == [each["field"] for each in answer.json()["errors"]]
    assert said in answer.json()["detail"]


def test_pages_of_a_filtered_search_are_slices(client: TestClient) -> None:
    """Offset and limit cut the filtered order; a filter is part of what the cache knows a page by."""
    where = {"field": "shade", "op": "lt", "value": 2}
    whole = ids(ask(client, filter=where))

    parts = [each for start in range(0, 16, 4) for each in ids(ask(client, filter=where, offset=start, limit=4))]

    assert whole == parts
    assert ids(ask(client)) != whole


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"filter": {"field": "price", "op": "lt", "value": 5}}, 422, "field-unknown"),
        ({"filter": {"field": "shade", "op": "like", "value": 5}}, 422, "filter-invalid"),
        ({"filter": {"and": []}}, 422, "filter-invalid"),
        ({"filter": "colour = 'red'"}, 422, "filter-invalid"),
        ({"filter": {"field": "shade", "op": "lt", "value": "' OR 1=1 --"}}, 422, "filter-invalid"),
        ({"facets": ["price"]}, 422, "field-unknown"),
        ({"facets": ["colour"], "facet_limit": 0}, 422, "request-invalid"),
        ({"cursor": "nonsense"}, 422, "query-invalid"),
        ({"cursor": "*", "offset": 5}, 422, "request-invalid"),
        ({"collapse": "everything"}, 422, "request-invalid"),
        ({"collapse": "duplicates", "target": "texts"}, 422, "request-invalid"),
        ({"hybrid": {"weight": 2}}, 422, "request-invalid"),
        ({"hybrid": {"text": " "}}, 422, "request-invalid"),
        ({"hybrid": {}, "rerank": "proofread"}, 422, "request-invalid"),
    ],
)
def test_what_cannot_be_asked_is_refused(client: TestClient, body: dict, status: int, kind: str) -> None:
    """A clear problem for each, and the next request is served."""
    assert (status, kind) == problem(client, **body)
    assert ids(ask(client))


def test_words_find_what_vectors_do_not(client: TestClient) -> None:
    """With all weight on the words the order is BM25's: only captions that have them."""
    answer = ask(client, "photo of green", hybrid={"operator": "and", "weight": 1.0})

    assert {"green-0", "green-1", "green-2"} == set(ids(answer))
    assert 24 == len(ask(client, "photo of green", hybrid={"weight": 0.0})["hits"])


@pytest.mark.parametrize("method", ["rrf", "weighted"])
def test_two_rankings_are_fused(client: TestClient, method: str) -> None:
    """What both find stands first; scores fall; pages are slices of one order."""
    answer = ask(client, "a photo of blue", hybrid={"method": method})
    parts = [
        each
        for start in (0, 5, 10)
        for each in ids(ask(client, "a photo of blue", hybrid={"method": method}, offset=start, limit=5))
    ]
    scores = [hit["score"] for hit in answer["hits"]]

    assert {"blue-0", "blue-1", "blue-2"} == set(ids(answer)[:3])
    assert sorted(scores, reverse=True) == scores
    assert ids(answer)[:15] == parts


def test_words_are_looked_for_in_fields_of_text(writable: TestClient, tmp_path: Path) -> None:
    """A field that was made ready is searched beside captions or without them; what was written since is found too."""
    index_texts(Collection.open(tmp_path / "collections", NAME), columns=["field:colour"])
    writable.app.state.runtime.advance(NAME)  # type: ignore[attr-defined]
    picture = base64.b64encode(colour_picture("red", 9)).decode()
    item = {"id": "new", "image": picture, "captions": ["crossing"], "metadata": {"colour": "zebra"}}
    assert 200 == writable.put(ITEMS, json={"items": [item]}).status_code

    def found(words: str, *fields: str) -> set[str]:
        return set(ids(ask(writable, words, hybrid={"weight": 1.0, "fields": fields})))

    assert {"green-0", "green-1", "green-2"} == found("green", "colour")
    assert {"new"} == found("zebra", "colour") == found("zebra", "captions", "colour")
    assert set() == found("zebra", "captions") == found("crossing", "colour")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"hybrid": {"fields": ["shade"]}}, 422, "field-unknown"),
        ({"hybrid": {"fields": ["plaid"]}}, 422, "field-unknown"),
        ({"hybrid": {"fields": []}}, 422, "request-invalid"),
        ({"hybrid": {"fields": ["colour"]}, "target": "texts"}, 422, "request-invalid"),
        ({"hybrid": {"fields": ["colour"]}}, 409, "text-index-missing"),
    ],
)
def test_words_of_what_holds_none_are_refused(client: TestClient, body: dict, status: int, kind: str) -> None:
    """A field of numbers or an unknown one, none at all, one for captions, one without an index of words: each is told."""
    assert (status, kind) == problem(client, **body)


def test_a_picture_may_be_asked_with_words(client: TestClient) -> None:
    """The words come from the option; without them such a search is refused."""
    picture = base64.b64encode(colour_picture("red", 1)).decode()
    body = {"query": {"image": picture}, "limit": 3, "hybrid": {"text": "green", "weight": 1.0}}

    assert {"green-0", "green-1", "green-2"} == set(ids(client.post(SEARCH, json=body).json()))
    refused = client.post(SEARCH, json={**body, "hybrid": {}})
    assert "hybrid.text" in refused.json()["detail"]


def test_words_and_filters_go_together(client: TestClient) -> None:
    """Both rankings are of the items that match."""
    found = ids(ask(client, "a photo of blue", hybrid={}, filter={"field": "shade", "op": "eq", "value": 1}))

    assert "blue-1" == found[0]
    assert all(each.endswith("-1") for each in found)


def test_duplicates_are_shown_once(client: TestClient) -> None:
    """Of each group the best alone, with the number of the others; the limit is filled from what follows."""
    whole = ask(client, collapse="duplicates")
    groups = {hit["id"]: hit["duplicates"] for hit in whole["hits"]}
    first = ask(client, collapse="duplicates", limit=4)

    assert 24 == sum(1 + others for others in groups.values())
    assert len(groups) < 24
    assert ids(whole)[:4] == ids(first)
    assert "duplicates" in ask(client)["hits"][0]
    assert ask(client)["hits"][0]["duplicates"] is None


@pytest.mark.parametrize("extra", [{}, {"hybrid": {}}, {"diversify": {}}], ids=["vector", "words", "diverse"])
def test_duplicates_are_of_what_is_there(writable: TestClient, extra: dict) -> None:
    """A copy that is removed, or has another picture now, counts no more from the next search on; the filter's alone count under one."""

    def red(**options: object) -> int:
        (hit,) = [
            hit for hit in ask(writable, collapse="duplicates", **extra, **options)["hits"] if hit["id"][:3] == "red"
        ]
        return hit["duplicates"]

    assert (2, 1) == (red(), red(filter={"shade": {"lt": 2}}))
    assert 200 == writable.delete(f"{ITEMS}/red-1").status_code
    assert (1, 0) == (red(), red(filter={"shade": {"lt": 2}}))
    other = base64.b64encode(colour_picture("blue", 9)).decode()
    assert 200 == writable.put(ITEMS, json={"items": [{"id": "red-2", "image": other}]}).status_code
    hits = ask(writable, collapse="duplicates", **extra)["hits"]
    assert {"red-0": 0, "red-2": 0} == {hit["id"]: hit["duplicates"] for hit in hits if hit["id"][:3] == "red"}
    assert 23 == sum(1 + hit["duplicates"] for hit in hits)


def test_pages_by_cursor_are_one_order(client: TestClient) -> None:
    """All hits, each once, in the order of one search; the last page has no next."""
    assert ids(ask(client)) == pages(client)
    assert ids(ask(client, hybrid={})) == pages(client, hybrid={})
    assert ids(ask(client, collapse="duplicates")) == pages(client, collapse="duplicates")
    assert ids(ask(client, filter=RED)) == pages(client, filter=RED, limit=2)


@pytest.mark.parametrize("shown", [0, 24, 10**9, 2**32 - 1])
def test_a_made_up_cursor_gets_the_page_that_it_names(client: TestClient, shown: int) -> None:
    """How many it says were shown changes nothing: hits follow the last one, and nothing is looked for deeper than there is."""
    body = {"query": {"text": "red"}, "limit": 5}
    begun = client.post(SEARCH, json={**body, "cursor": "*"}).json()
    made_up = replace(Cursor.decode(begun["next"]), shown=shown).encode()

    answer = client.post(SEARCH, json={**body, "cursor": made_up})

    assert 200 == answer.status_code, answer.text
    whole = client.post(SEARCH, json={**body, "limit": 10}).json()
    assert [hit["id"] for hit in whole["hits"][5:]] == [hit["id"] for hit in answer.json()["hits"]]


def test_words_are_no_longer_than_a_text_may_be(client: TestClient) -> None:
    """Words beside the vector keep the bound that the query's own text has."""
    body = {"query": {"id": "red-0"}, "hybrid": {"text": "red " * 5001}}

    answer = client.post(SEARCH, json=body)

    assert (422, ["hybrid.text"]) == (answer.status_code, [each["field"] for each in answer.json()["errors"]])


def test_a_cursor_belongs_to_its_question(client: TestClient) -> None:
    """With another question it is refused, with what to do."""
    cursor = ask(client, cursor="*", limit=5)["next"]

    answer = client.post(SEARCH, json={"query": {"text": "blue"}, "limit": 5, "cursor": cursor})

    assert 422 == answer.status_code
    assert "another question" in answer.json()["detail"]
    assert cursor is not None
    assert 422 == problem(client, cursor=cursor[:-2])[0]


@pytest.mark.parametrize("options", [{}, {"hybrid": {}}], ids=["by vector", "with words"])
def test_pages_hold_still_while_others_write(writable: TestClient, options: dict) -> None:
    """Items come and go between two pages: none that was there all the time is skipped, none comes twice."""
    before = ids(ask(writable, **options))

    def write() -> None:
        picture = base64.b64encode(colour_picture("red", 9)).decode()
        items = [{"id": f"new-{number}", "image": picture, "captions": ["red"]} for number in range(6)]
        writable.put(ITEMS, json={"items": items})
        writable.request("DELETE", ITEMS, json={"ids": [before[1], before[-2]]})

    found = pages(writable, between=write, **options)

    assert len(set(found)) == len(found)
    assert [each for each in before if each not in (before[1], before[-2])] == [
        each for each in found if each not in (before[1], before[-2]) and not each.startswith("new")
    ]
    assert before[-2] not in found


def test_facets_count_what_matches(client: TestClient) -> None:
    """Of all items that match the filter, whatever the query and the page."""
    answer = ask(
        client, facets=["colour", "shade"], filter={"field": "shade", "op": "lt", "value": 2}, limit=1, facet_limit=3
    )

    facets = answer["facets"]
    assert (8, 0, 3) == (facets["colour"]["distinct"], facets["colour"]["missing"], len(facets["colour"]["values"]))
    assert [{"value": 0, "count": 8}, {"value": 1, "count": 8}] == facets["shade"]["values"]
    assert ask(client)["facets"] is None


def test_what_was_not_made_ready_is_told(tmp_path: Path, tiny_bundle: Path) -> None:
    """Duplicates that were never looked for, captions without an index of words: 409, with the command to run."""
    make_colours(tmp_path, tiny_bundle)
    collection = Collection.open(tmp_path / "collections", NAME)
    for index in collection.captions.describe_indices():
        collection.captions.drop_index(index.name)
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)

        assert (409, "duplicates-unknown") == problem(client, collapse="duplicates")
        assert (409, "text-index-missing") == problem(client, hybrid={})


@pytest.mark.parametrize("extra", [{}, {"hybrid": {}}], ids=["vector", "words"])
def test_duplicates_that_are_found_anew_are_told(tmp_path: Path, tiny_bundle: Path, extra: dict) -> None:
    """A search that was answered before is answered by the new groups, and one that was refused without any is answered."""
    make_colours(tmp_path, tiny_bundle)
    root = tmp_path / "collections"
    index_texts(Collection.open(root, NAME))

    def find(threshold: float) -> None:
        found = find_duplicates(Searcher.open(root, NAME), Options(threshold=threshold))
        save_groups(Collection.open(root, NAME), found.found, items=24, threshold=threshold, bits=None, chains=False)
        # as the service does by itself every VILEM_POLL_S
        client.app.state.runtime.advance(NAME)  # type: ignore[attr-defined]

    def shown() -> int:
        return len(ask(client, collapse="duplicates", **extra)["hits"])

    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        assert (409, "duplicates-unknown") == problem(client, collapse="duplicates", **extra)
        find(0.98)
        before = shown()
        find(0.0)
        assert shown() < before < 24


def test_what_is_written_can_be_filtered_and_found_by_words_at_once(writable: TestClient) -> None:
    """Fields and words of a new item are those of its metadata and captions, in the next search."""
    picture = base64.b64encode(colour_picture("red", 9)).decode()
    item = {
        "id": "new",
        "image": picture,
        "captions": ["zebra crossing"],
        "metadata": {"colour": "striped", "shade": 40},
    }
    writable.put(ITEMS, json={"items": [item]})

    assert ["new"] == ids(ask(writable, filter={"field": "shade", "op": "gt", "value": 30}))
    assert ["new"] == ids(ask(writable, "zebra", hybrid={"weight": 1.0}))
    writable.request("DELETE", ITEMS, json={"ids": ["new"]})
    assert [] == ids(ask(writable, "zebra", hybrid={"weight": 1.0}))


def composed(client: TestClient, query: dict, **options: object) -> dict:
    """The answer to a query of several parts."""
    answer = client.post(SEARCH, json={"query": query, "limit": 100, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_parts_bring_no_words_of_their_own(client: TestClient) -> None:
    """With words a query of parts must say which; then both rankings are fused, as those of one text are."""
    parts, text = {"parts": [{"text": "red"}]}, "red"

    answer = client.post(SEARCH, json={"query": parts, "hybrid": {}})
    assert (422, "/problems/request-invalid") == (answer.status_code, answer.json()["type"])
    assert "hybrid.text" in answer.json()["detail"]

    assert ids(ask(client, text, hybrid={"weight": 0.4})) == ids(
        composed(client, parts, hybrid={"weight": 0.4, "text": text})
    )


def test_feedback_moves_the_vector_and_leaves_the_words(client: TestClient) -> None:
    """A text with feedback brings its words as before; with all the weight on words its order is that of the text alone."""
    feedback = {"liked": ["green-0"], "include_judged": True}
    query = {"text": "red", "feedback": feedback}

    assert ids(ask(client, hybrid={"weight": 1}))[:3] == ids(composed(client, query, hybrid={"weight": 1}))[:3]
    assert ids(ask(client)) != ids(composed(client, query))


@pytest.mark.parametrize("extra", [{}, {"hybrid": {"weight": 0.3}}, {"filter": {"not": RED}}], ids=str)
def test_duplicates_are_folded_before_the_others_are_chosen_from(client: TestClient, extra: dict) -> None:
    """Diverse hits of a collapsed search are its hits in another order, each with what it stands for; lambda 1 is its order."""
    plain = ask(client, collapse="duplicates", **extra)
    diverse = ask(client, collapse="duplicates", diversify={"lambda": 0.2}, **extra)

    assert sorted(ids(plain)) == sorted(ids(diverse))
    assert {hit["id"]: hit["duplicates"] for hit in plain["hits"]} == {
        hit["id"]: hit["duplicates"] for hit in diverse["hits"]
    }
    assert ids(plain) == ids(ask(client, collapse="duplicates", diversify={"lambda": 1}, **extra))
    pages_of = [
        ids(ask(client, collapse="duplicates", diversify={"lambda": 0.2, "candidates": 4}, limit=3, offset=at, **extra))
        for at in (0, 3, 6)
    ]
    whole = ids(ask(client, collapse="duplicates", diversify={"lambda": 0.2, "candidates": 4}, **extra))
    assert whole == [each for page in pages_of for each in page]


@pytest.mark.parametrize(
    "extra", [{}, {"hybrid": {"text": "red"}}, {"diversify": {}}], ids=["vector", "words", "diverse"]
)
@pytest.mark.parametrize(
    "query",
    [
        {"id": "red-0"},
        {"parts": [{"id": "red-0"}, {"text": "red"}]},
        {"text": "red", "feedback": {"liked": ["red-2"], "disliked": ["red-0"]}},
    ],
    ids=["item", "part", "judged"],
)
def test_what_is_no_hit_is_no_groups_best(client: TestClient, query: dict, extra: dict) -> None:
    """Of the duplicates of an item that was asked with, or judged, the next best is shown, and counts the others that may be."""
    gone = {"red-0", "red-2"} if "feedback" in query else {"red-0"}
    hits = composed(client, query, collapse="duplicates", **extra)["hits"]
    (best,) = [hit for hit in hits if hit["id"].startswith("red")]

    assert best["id"] not in gone
    assert 2 - len(gone) == best["duplicates"]


def test_facets_count_what_matches_whatever_the_query(client: TestClient) -> None:
    """Items that were asked with, or judged, count too: facets are of the filter alone."""
    query = {"parts": [{"id": "red-0"}, {"id": "blue-0"}], "feedback": {"disliked": ["red-1"]}}

    assert ask(client, facets=["colour"])["facets"] == composed(client, query, facets=["colour"])["facets"]


@pytest.mark.parametrize(
    ("query", "options", "said"),
    [
        ({"text": "red"}, {"hybrid": {}, "min_score": 0.5}, "leave hybrid or min_score out"),
        ({"text": "red", "feedback": {"liked": ["red-0"]}}, {"rerank": "proofread"}, "leave feedback or rerank out"),
        ({"parts": [{"text": "red"}]}, {"rerank": "proofread"}, "query.text and"),
        ({"feedback": {"disliked": ["red-0"]}}, {}, "leads nowhere"),
        ({"text": "red", "feedback": {}}, {}, "leave feedback out"),
        ({"text": "red", "feedback": {"liked": ["a"], "disliked": ["a"]}}, {}, "both liked and disliked"),
        ({"parts": []}, {}, "at least 1 item"),
        ({"parts": [{"text": "a"}] * 17}, {}, "at most 16 items"),
        ({"parts": [{"text": "a", "weight": 0}]}, {}, "leave it out"),
        ({"parts": [{"text": "a", "weight": 1001}]}, {}, "less than or equal to 1000"),
        ({"parts": [{"text": "a", "id": "red-0"}]}, {}, "exactly one"),
        ({"parts": [{"change": {"from": "a"}}]}, {}, "Field required"),
        ({"parts": [{"change": {"before": "a", "after": "b"}}]}, {}, "Field required"),
        ({"text": "red", "parts": [{"text": "a"}]}, {}, "parts take several"),
    ],
)
def test_parts_that_make_no_sense_are_refused(client: TestClient, query: dict, options: dict, said: str) -> None:
    """Each is 422, and says what is wrong and what to do."""
    answer = client.post(SEARCH, json={"query": query, **options})

    assert 422 == answer.status_code, answer.text
    assert said in answer.json()["detail"]
