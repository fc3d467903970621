"""What is served, and why not."""

from pathlib import Path

from fastapi.testclient import TestClient

from index.collection import Collection
from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready

FIELDS = {
    "name", "count", "captions", "moments", "dim", "generation", "version", "engine", "snapshot", "published_at", "unpublished",
    "behind", "model", "bundle_digest", "proofread",
}  # fmt: skip


def test_the_list_names_what_is_served(client: TestClient) -> None:
    """Each collection is listed with its size, version, snapshot and model."""
    body = client.get("/v1/collections").json()

    assert {} == body["unavailable"]
    (found,) = body["collections"]
    assert FIELDS == set(found)
    assert ("colours", 24, 48, 16, "tiny") == tuple(
        found[name] for name in ("name", "count", "captions", "dim", "model")
    )


def test_a_collection_says_whether_it_can_be_proofread(reader: TestClient) -> None:
    """Each collection says so; one that cannot says why, and what to do: the model has no proofreader, or no patches are stored."""
    found = {each["name"]: each["proofread"] for each in reader.get("/v1/collections").json()["collections"]}

    assert {"available": True, "reason": None} == found["painted"]
    assert "vilem index build bare" in found["bare"]["reason"]
    assert "has no proofreader" in found["colours"]["reason"]
    assert [False, False] == [found[name]["available"] for name in ("bare", "colours")]


def test_one_collection_has_a_sample(client: TestClient) -> None:
    """A collection answers some of its items, with captions, for a page without a query."""
    body = client.get("/v1/collections/colours").json()

    assert {*FIELDS, "fields", "sample"} == set(body)
    assert 12 == len(body["sample"])
    assert all(item["captions"] and item["thumbnail_url"] for item in body["sample"])


def test_an_unknown_collection_is_404(client: TestClient) -> None:
    """A name that is not served is 404."""
    answer = client.get("/v1/collections/none")

    assert (404, "/problems/collection-unknown") == (answer.status_code, answer.json()["type"])


def test_a_name_that_can_be_none_is_refused(client: TestClient) -> None:
    """A name longer than any can be is 422."""
    assert 422 == client.get(f"/v1/collections/{'x' * 65}").status_code


def test_what_cannot_be_served_has_its_reason(tmp_path: Path) -> None:
    """A collection without a snapshot is listed under `unavailable` with what to do, and asking for it is 503, which says it too."""
    Collection.create(tmp_path / "collections", "new", dim=16, bundle_digest="0" * 64, bundle_name="tiny")
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        while not (body := client.get("/v1/collections").json())["unavailable"]:
            pass
        answer = client.get("/v1/collections/new")

    assert [] == body["collections"]
    assert "vilem index" in body["unavailable"]["new"]
    assert (503, "/problems/not-ready") == (answer.status_code, answer.json()["type"])
    # it will not be there in a second
    assert (False, True) == ("retry-after" in answer.headers, body["unavailable"]["new"] in answer.json()["detail"])


def test_an_empty_home_lists_nothing(tmp_path: Path) -> None:
    """Without collections the list is empty, and the service is ready."""
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        assert {"collections": [], "unavailable": {}} == client.get("/v1/collections").json()
