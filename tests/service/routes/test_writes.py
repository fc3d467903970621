"""Items written and removed through the API: the manual of live writes."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from index.collection import Collection
from index.fields.change import add_fields
from index.fields.types import parse_declaration
from index.publish import publish
from service.app import create_app
from service.guard.keys import add_key, make_key
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import colour_picture, make_colours

NAME = "colours"
ITEMS = f"/v1/collections/{NAME}/items"
SEARCH = f"/v1/collections/{NAME}/search"


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Path:
    """A home whose collection a test may change."""
    make_colours(tmp_path, tiny_bundle)
    return tmp_path


@pytest.fixture
def client(home: Path) -> Iterator[TestClient]:
    """The app over it."""
    with TestClient(
        create_app(Settings(home=home, poll_s=0.05)), base_url=ADDRESS, raise_server_exceptions=False
    ) as made:
        wait_until_ready(made)
        yield made


def picture(colour: str, shade: int = 7) -> str:
    """A picture as a request has it."""
    return base64.b64encode(colour_picture(colour, shade)).decode()


def put(client: TestClient, *items: object) -> Response:
    """Write items."""
    return client.put(ITEMS, json={"items": list(items)})


def remove(client: TestClient, *ids: str) -> Response:
    """Remove items."""
    return client.request("DELETE", ITEMS, json={"ids": list(ids)})


def statuses(answer: Response) -> list[str]:
    """What became of each item."""
    assert 200 == answer.status_code, answer.text
    return [each["status"] for each in answer.json()["results"]]


def found(client: TestClient, limit: int = 5, **query: object) -> list[str]:
    """Ids of the best hits."""
    answer = client.post(SEARCH, json={"query": query, "limit": limit})
    assert 200 == answer.status_code, answer.text
    return [hit["id"] for hit in answer.json()["hits"]]


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait for what comes with time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_written_item_is_found_at_once(client: TestClient) -> None:
    """The next search after the answer finds the item, by picture, by its text and by id, and names its version."""
    written = put(client, {"id": "new/one", "image": picture("red"), "captions": ["a new red"], "metadata": {"n": 1}})

    assert ["created"] == statuses(written)
    assert "new/one" == found(client, 1, image=picture("red"))[0]
    answer = client.post(SEARCH, json={"query": {"id": "new/one"}, "target": "texts", "limit": 30}).json()
    assert "a new red" in [hit["caption"] for hit in answer["hits"]]
    assert answer["version"] >= written.json()["version"] > 1
    assert (48, 40, {"n": 1}) == tuple(
        client.get(f"{ITEMS}/new/one").json()[key] for key in ("width", "height", "metadata")
    )


def test_an_uploaded_picture_is_served(client: TestClient, home: Path) -> None:
    """Its bytes come back as they were sent, also after the service was started anew."""
    put(client, {"id": "up", "image": picture("blue")})
    assert colour_picture("blue", 7) == client.get(f"{ITEMS}/up/image").content

    with TestClient(create_app(Settings(home=home)), base_url=ADDRESS) as again:
        wait_until_ready(again)
        assert colour_picture("blue", 7) == again.get(f"{ITEMS}/up/image").content
        assert 200 == again.get(f"{ITEMS}/up/thumbnail").status_code


def test_a_removed_item_is_found_no_more(client: TestClient) -> None:
    """Neither by picture nor by caption, and its record is gone; removing it again is no error."""
    before = found(client, 3, image=picture("red"))

    assert ["removed", "absent"] == statuses(remove(client, before[0], "never there"))
    assert before[0] not in found(client, 50, image=picture("red"))
    texts = client.post(SEARCH, json={"query": {"text": "red"}, "target": "texts", "limit": 100}).json()["hits"]
    assert before[0] not in [hit["id"] for hit in texts]
    assert 404 == client.get(f"{ITEMS}/{before[0]}").status_code
    assert ["absent"] == statuses(client.delete(f"{ITEMS}/{before[0]}"))


def test_a_replaced_item_has_nothing_of_what_it_was(client: TestClient) -> None:
    """A new picture and new captions under a known id: the old ones are found no more."""
    assert ["updated"] == statuses(put(client, {"id": "red-0", "image": picture("green"), "captions": ["quite green"]}))

    assert "red-0" in found(client, 4, image=picture("green"))
    texts = client.post(SEARCH, json={"query": {"text": "red"}, "target": "texts", "limit": 100}).json()["hits"]
    assert ["quite green"] == [hit["caption"] for hit in texts if hit["id"] == "red-0"]


def test_captions_change_without_the_picture(client: TestClient) -> None:
    """Without image and vector the picture stays; an item that is not there has none to keep."""
    answer = put(
        client, {"id": "red-0", "captions": ["renamed"], "metadata": {"a": None}}, {"id": "nowhere", "captions": ["x"]}
    )

    assert ["updated", "rejected"] == statuses(answer)
    assert "/problems/item-unknown" == answer.json()["results"][1]["problem"]["type"]
    item = client.get(f"{ITEMS}/red-0").json()
    assert (["renamed"], {"a": None}, 48) == (item["captions"], item["metadata"], item["width"])
    assert colour_picture("red", 0) == client.get(f"{ITEMS}/red-0/image").content


def test_a_vector_takes_the_place_of_a_picture(client: TestClient) -> None:
    """An embedding of the collection's model is found like a picture; there is no picture to show."""
    model = client.get(f"/v1/collections/{NAME}").json()["model"]
    vector = client.post("/v1/embeddings", json={"model": model, "input": {"image": picture("green")}}).json()["data"][
        0
    ]["embedding"]

    assert ["created"] == statuses(put(client, {"id": "bare", "vector": vector}))
    assert "bare" in found(client, 4, image=picture("green"))
    assert (404, "/problems/image-missing") == (
        (answer := client.get(f"{ITEMS}/bare/image")).status_code,
        answer.json()["type"],
    )


BAD: list[tuple[object, str]] = [
    ({"id": "x", "image": "!!!"}, "query-invalid"),
    ({"id": "x", "image": base64.b64encode(b"no picture").decode()}, "image-unreadable"),
    ({"id": "x", "vector": [1.0]}, "query-invalid"),
    ({"id": "x", "vector": [0.0] * 8, "image": "eA=="}, "request-invalid"),
    ({"id": "", "image": picture("red")}, "item-invalid"),
    ({"id": "a/image", "image": picture("red")}, "item-invalid"),
    ({"id": "bad\nline", "image": picture("red")}, "item-invalid"),
    ({"id": "x" * 600, "image": picture("red")}, "item-invalid"),
    ({"id": 5, "image": picture("red")}, "request-invalid"),
    ({"image": picture("red")}, "request-invalid"),
    ({"id": "x", "image": picture("red"), "colour": "red"}, "request-invalid"),
    ({"id": "x", "image": picture("red"), "captions": ["y"] * 1001 + [str(n) for n in range(1001)]}, "item-invalid"),
    ({"id": "x", "image": picture("red"), "metadata": {"a": "b" * 70_000}}, "item-invalid"),
    ("not an object", "request-invalid"),
    (None, "request-invalid"),
]


@pytest.mark.parametrize(
    ("item", "problem"), BAD, ids=[f"{number}-{problem}" for number, (_, problem) in enumerate(BAD)]
)
def test_what_is_wrong_with_one_keeps_no_other_out(client: TestClient, item: object, problem: str) -> None:
    """A wrong item is rejected by itself, with a problem as a request of its own would get; the others are written."""
    answer = put(client, {"id": "good-1", "image": picture("red")}, item, {"id": "good-2", "image": picture("blue")})

    assert ["created", "rejected", "created"] == statuses(answer)
    assert f"/problems/{problem}" == answer.json()["results"][1]["problem"]["type"]
    assert {"good-1", "good-2"} <= set(found(client, 100, text="red"))


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"image": base64.b64encode(b"no picture").decode()}, "image"),
        ({"image": "!!!"}, "image"),
        ({"vector": [1.0]}, "vector"),
        ({"captions": ["fine", "x" * 20_001]}, "captions.1"),
        ({"colour": "red"}, "colour"),
        ({"vector": ["red"]}, "vector.0"),
        ({"id": 5}, "id"),
    ],
)
def test_the_field_at_fault_is_told(client: TestClient, fields: dict[str, object], at_fault: str) -> None:
    """A problem of one item names the field as it stands in the request, the item's place in front, and the request."""
    answer = put(client, {"id": "good", "image": picture("red")}, {"id": "x", **fields})
    (_, result) = answer.json()["results"]

    assert answer.headers["x-request-id"] == result["problem"]["request_id"]
    assert [f"items.1.{at_fault}"] == [each["field"] for each in result["problem"]["errors"]]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('"metadata": {"sizes": [1, NaN]}', "metadata.sizes[1] is NaN, which is no number in JSON"),
        ('"metadata": {"\\ud800": NaN}', "metadata.\\ud800 is NaN, which is no number in JSON"),
        ('"metadata": {"price": 1e999}', "metadata.price is Infinity, which is no number in JSON"),
        ('"vector": [0.5, -Infinity]', "vector.1: send a finite number, not NaN or Infinity"),
    ],
)
def test_numbers_that_are_none_are_told(client: TestClient, fields: str, said: str) -> None:
    """What writers of JSON make of NaN and infinity is refused in words that say where it stands and what to do."""
    content = f'{{"items": [{{"id": "red-0", {fields}}}]}}'
    answer = client.put(ITEMS, content=content, headers={"content-type": "application/json"})

    assert ["rejected"] == statuses(answer)
    assert said in answer.json()["results"][0]["problem"]["detail"]


def test_what_no_filter_sees_is_told(client: TestClient, home: Path) -> None:
    """A value that does not fit its field is written, and the result warns; what fits, is null or is no field does not."""
    add_fields(
        Collection.open(home / "collections", NAME),
        [parse_declaration(each) for each in ("shade:int", "price:float", "tags:strings")],
    )
    wait_until(lambda: "price" in str(client.get(f"/v1/collections/{NAME}").json()["fields"]), seconds=10)

    answer = put(
        client,
        {"id": "red-0", "metadata": {"shade": 1.5, "price": "cheap", "tags": ["a", 1], "other": "x" * 100}},
        {"id": "red-1", "metadata": {"shade": "3", "price": None, "tags": "a"}},
        {"id": "nowhere", "metadata": {"price": "cheap"}},
    )

    assert ["updated", "updated", "rejected"] == statuses(answer)
    told = [
        "metadata.shade: 1.5 is no value of shade:int: it is stored, and filters and facets do not see it",
        "metadata.price: 'cheap' is no value of price:float: it is stored, and filters and facets do not see it",
        'metadata.tags: ["a", 1] is no value of tags:strings: it is stored, and filters and facets do not see it',
    ]
    assert [told, [], []] == [each["warnings"] for each in answer.json()["results"]]
    assert "cheap" == client.get(f"{ITEMS}/red-0").json()["metadata"]["price"]
    body = {"query": {"text": "red"}, "filter": {"price": {"exists": True}}}
    assert [] == client.post(SEARCH, json=body).json()["hits"]


def test_one_id_twice_is_refused_twice(client: TestClient) -> None:
    """Which of the two would count is not ours to choose."""
    twice = {"id": "twice", "image": picture("red")}

    assert ["rejected", "created", "rejected"] == statuses(
        put(client, twice, {"id": "once", "image": picture("red")}, twice)
    )


def test_no_stage_takes_longer_than_the_whole(client: TestClient) -> None:
    """Items are embedded and written side by side: what they wait for together counts once."""
    items = [{"id": f"n-{number}", "image": picture("red", number), "captions": ["red"]} for number in range(12)]
    for answer in (put(client, *items), remove(client, *(f"n-{number}" for number in range(12)))):
        took_ms = answer.json()["took_ms"]
        assert 0 < took_ms["write"] <= took_ms["total"] == max(took_ms.values())


BAD_IDS: list[tuple[object, str]] = [
    ("", "item-invalid"),
    ("bad\nline", "item-invalid"),
    ("x" * 600, "item-invalid"),
    ("a/image", "item-invalid"),
    ("\ud800", "item-invalid"),
    (5, "request-invalid"),
    (None, "request-invalid"),
    ({"id": "x"}, "request-invalid"),
]


@pytest.mark.parametrize(
    ("bad", "problem"), BAD_IDS, ids=[f"{number}-{problem}" for number, (_, problem) in enumerate(BAD_IDS)]
)
def test_what_is_no_id_keeps_no_other_in(client: TestClient, bad: object, problem: str) -> None:
    """A wrong id is rejected by itself, with the problem that an item with it would be put with; the others are removed."""
    body = json.dumps({"ids": ["red-0", bad, "red-1"]})
    answer = client.request("DELETE", ITEMS, content=body, headers={"content-type": "application/json"})
    item = json.dumps({"items": [{"id": bad, "image": picture("red")}]})
    told = client.put(ITEMS, content=item, headers={"content-type": "application/json"}).json()["results"][0]

    assert ["removed", "rejected", "removed"] == statuses(answer)
    assert f"/problems/{problem}" == told["problem"]["type"]
    rejected = answer.json()["results"][1]
    assert [told[key] for key in ("id", "status")] == [rejected[key] for key in ("id", "status")]
    assert [told["problem"][key] for key in ("type", "title", "status")] == [
        rejected["problem"][key] for key in ("type", "title", "status")
    ]
    assert answer.headers["x-request-id"] == rejected["problem"]["request_id"]
    assert all(each["field"].startswith("ids.1") for each in rejected["problem"]["errors"])
    assert all(each["field"].startswith("items.0.") for each in told["problem"]["errors"])
    assert {"red-0", "red-1"}.isdisjoint(found(client, 100, text="red"))


def test_one_id_twice_is_not_removed(client: TestClient) -> None:
    """As it is not put: it is rejected at each of its places, which are told; the others are removed."""
    answer = remove(client, "red-0", "red-1", "red-0")

    assert ["rejected", "removed", "rejected"] == statuses(answer)
    told = [each["problem"]["errors"][0]["field"] for each in answer.json()["results"] if each["problem"]]
    assert ["ids.0", "ids.2"] == told
    assert "red-0" in found(client, 100, text="red")


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": "x"}, {"ids": ["x"] * 300}, {"ids": [5] * 300}, {"items": ["x"]}]
)
def test_what_is_no_removal_is_refused_whole(client: TestClient, body: object) -> None:
    """As what is put: none, too many, or misspelt is a 422 that names the field."""
    answer = client.request("DELETE", ITEMS, json=body)

    assert 422 == answer.status_code
    assert answer.json()["errors"]


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": 5}, {"items": [{"id": "x"}] * 300}, {"ids": ["x"]}, []])
def test_what_is_no_request_is_refused_whole(client: TestClient, body: object) -> None:
    """An empty, an oversized or a misspelt request is a 422 that names the field; nothing is written."""
    answer = client.put(ITEMS, json=body)

    assert 422 == answer.status_code
    assert answer.json()["errors"]


def test_unknown_collections_take_nothing(client: TestClient) -> None:
    """404, as for a search."""
    answer = client.put("/v1/collections/none/items", json={"items": [{"id": "x"}]})

    assert (404, "/problems/collection-unknown") == (answer.status_code, answer.json()["type"])


def test_many_clients_write_at_once(client: TestClient) -> None:
    """Forty writers side by side: each item is there once, each answer's version shows it, and few commits were needed."""
    before = client.get(f"/v1/collections/{NAME}").json()

    def write(number: int) -> str:
        return statuses(put(client, {"id": f"many-{number}", "image": picture("purple", number % 12)}))[0]

    with ThreadPoolExecutor(40) as pool:
        told = list(pool.map(write, range(40)))

    after = client.get(f"/v1/collections/{NAME}").json()
    assert ["created"] * 40 == told
    assert before["count"] + 40 == after["count"]
    assert after["version"] - before["version"] < 40


def test_another_process_sees_it_soon(client: TestClient, home: Path) -> None:
    """A replica over the same folder finds what was written here within its polling time, and the other way round."""
    with TestClient(create_app(Settings(home=home, poll_s=0.05)), base_url=ADDRESS) as replica:
        wait_until_ready(replica)
        put(client, {"id": "here", "image": picture("red")})
        wait_until(lambda: "here" in found(replica, 50, image=picture("red")), seconds=10)
        remove(replica, "here")
        wait_until(lambda: "here" not in found(client, 50, image=picture("red")), seconds=10)


def test_publishing_takes_what_was_written_into_the_snapshot(client: TestClient, home: Path) -> None:
    """What was written is counted until it is published; then nothing is left over, and the same is found."""
    put(client, {"id": "soon", "image": picture("red")})
    remove(client, "red-1")
    assert 0 < client.get(f"/v1/collections/{NAME}").json()["unpublished"]
    before = found(client, 50, image=picture("red"))

    publish(Collection.open(home / "collections", NAME))

    wait_until(lambda: client.get(f"/v1/collections/{NAME}").json()["unpublished"] == 0, seconds=10)
    assert before == found(client, 50, image=picture("red"))
    assert ["created"] == statuses(put(client, {"id": "later", "image": picture("red")}))
    assert "later" in found(client, 50, image=picture("red"))


def test_too_much_for_the_tail_is_told(home: Path) -> None:
    """Beyond the limit a collection is shown as it was, and says why and what to do; it is served on."""
    with TestClient(create_app(Settings(home=home, max_tail=1)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        put(client, {"id": "one", "image": picture("red")}, {"id": "two", "image": picture("red")})

        told = client.get(f"/v1/collections/{NAME}").json()

        assert "vilem index publish colours" in told["behind"]
        assert 25 >= told["count"] == len(found(client, 100, text="red"))


@pytest.mark.parametrize(
    ("host", "writes", "status"), [("0.0.0.0", None, 403), ("0.0.0.0", True, 200), ("127.0.0.1", False, 403)]
)
def test_writes_are_for_those_who_may(home: Path, host: str, writes: bool | None, status: int) -> None:
    """Bound to an address that others reach, a service takes writes only when told to; and it can be told not to."""
    settings = Settings(home=home, host=host, writes=writes, open=True)
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)

        assert status == put(client, {"id": "x", "image": picture("red")}).status_code
        assert status == remove(client, "x").status_code


def test_with_keys_the_scope_decides(home: Path) -> None:
    """On an address that others reach, a key with the scope write may write, one that may search may not; unless writes are off."""
    writer, may_write = make_key("writer", ["write"])
    reader, may_read = make_key("reader", ["search"])
    for kept in (may_write, may_read):
        add_key(home / "keys.json", kept)

    def asked(key: str, writes: bool | None) -> tuple[int, str]:
        settings = Settings(home=home, host="0.0.0.0", writes=writes)
        with TestClient(create_app(settings), base_url=ADDRESS, headers={"authorization": f"Bearer {key}"}) as client:
            wait_until_ready(client)
            answer = put(client, {"id": "x", "image": picture("red")})
            return answer.status_code, answer.json().get("type", "")

    assert (200, "") == asked(writer, None)
    assert (403, "/problems/scope-missing") == asked(reader, None)
    assert (403, "/problems/writes-off") == asked(writer, False)
