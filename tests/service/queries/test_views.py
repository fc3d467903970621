"""Hits as the API shows them: their addresses, and what their scores mean."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from index.collection import Collection
from index.schema import Record
from index.searcher import Hit
from models.manifest import read_manifest
from models.matching import MATCHING_NAME, Matching, write_matching
from service.queries.views import Views, item_view, only
from service.runtime import Runtime
from tests.service.conftest import matching
from tests.service.test_runtime import is_served, until, with_runtime
from tests.support.collections import make_colours

SEARCH = "/v1/collections/sure/search"
ALL = 24


def record(item_id: str = "a") -> Record:
    """An item."""
    return Record(id=item_id, uri="file:///x", sha256="0" * 64, width=1, height=2, captions=("c",), metadata={"k": 1})


def ask(client: TestClient, query: dict[str, Any], name: str = "sure", **options: object) -> list[dict[str, Any]]:
    """The hits of a search that succeeds."""
    answer = client.post(f"/v1/collections/{name}/search", json={"query": query, "limit": 100, **options})
    assert 200 == answer.status_code, answer.text
    return answer.json()["hits"]


def test_a_text_among_pictures_has_probabilities(calibrated: TestClient) -> None:
    """Each hit has the probability of its cosine, and falls with it; from the cache the same."""
    for hits in (ask(calibrated, {"text": "red"}), ask(calibrated, {"text": "red"})):
        for hit in hits:
            assert matching().probability(hit["score"]) == pytest.approx(hit["probability"], abs=2e-4)


def test_a_picture_among_captions_has_them_too(calibrated: TestClient) -> None:
    """The same pairs, asked from the other side."""
    assert all(hit["probability"] is not None for hit in ask(calibrated, {"id": "red-0"}, target="texts"))


def test_a_collections_own_pairs_count_before_the_bundles(calibrated: TestClient) -> None:
    """What was fitted on a collection is believed there; elsewhere what lies in the bundle's folder; another bundle's nowhere."""
    (hit,) = ask(calibrated, {"text": "red"}, "bundled", limit=1)
    assert matching(slope=5.0).probability(hit["score"]) == pytest.approx(hit["probability"], abs=2e-4)
    (hit,) = ask(calibrated, {"text": "red"}, "other", limit=1)
    assert matching(slope=5.0).probability(hit["score"]) == pytest.approx(hit["probability"], abs=2e-4)


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({"id": "red-0"}, {}),
        ({"vector": [1.0] * 16}, {}),
        ({"text": "red"}, {"target": "texts"}),
        ({"parts": [{"text": "red"}]}, {}),
        ({"text": "red", "feedback": {"liked": ["red-0"]}}, {}),
        ({"text": "red " * 100}, {}),
    ],
    ids=["item", "vector", "captions", "parts", "feedback", "long"],
)
def test_what_is_no_text_and_image_has_none(
    calibrated: TestClient, query: dict[str, Any], options: dict[str, Any]
) -> None:
    """Other cosines mean something else: no probability is told, and one that is asked for is refused with what to do."""
    assert all(hit["probability"] is None for hit in ask(calibrated, query, **options))

    answer = calibrated.post(SEARCH, json={"query": query, "min_score": 0.5, **options})

    assert 422 == answer.status_code
    assert "min_score" == answer.json()["errors"][0]["field"]
    assert "leave min_score out" in answer.json()["detail"]


@pytest.mark.parametrize(("query", "status"), [({"id": "red-0"}, 422), ({"text": "red"}, 409)])
def test_who_cannot_be_helped_by_a_calibration_is_not_sent_to_make_one(
    client: TestClient, query: dict[str, Any], status: int
) -> None:
    """Where there is none, only a text among images, or the other way round, is answered by the command that makes one."""
    answer = client.post("/v1/collections/colours/search", json={"query": query, "min_score": 0.5})

    assert status == answer.status_code
    assert (409 == status) == ("vilem model calibrate" in answer.json()["detail"])


@pytest.mark.parametrize("extra", [{}, {"cursor": "*"}, {"diversify": {"lambda": 0.3, "candidates": 200}}])
@pytest.mark.parametrize("least", [0.0, 0.3, 0.9, 1.0])
def test_hits_below_the_least_are_left_out(calibrated: TestClient, least: float, extra: dict[str, Any]) -> None:
    """The hits are those of the search without it whose probability is as high; no page leads beyond them."""
    plain = ask(calibrated, {"text": "green"})

    answer = calibrated.post(SEARCH, json={"query": {"text": "green"}, "limit": 100, "min_score": least, **extra})

    assert 200 == answer.status_code, answer.text
    expected = {hit["id"] for hit in plain if hit["probability"] >= least}
    assert expected == {hit["id"] for hit in answer.json()["hits"]}
    assert len(expected) == len(answer.json()["hits"])
    assert answer.json()["next"] is None


def test_a_cursor_ends_where_hits_are_too_far(calibrated: TestClient) -> None:
    """Pages by cursor, or by offset, laid end to end are the hits that are near enough, and there is no page behind them."""
    expected = [hit["id"] for hit in ask(calibrated, {"text": "green"}, min_score=0.2)]
    assert 2 < len(expected) < ALL
    found: list[str] = []
    cursor: str | None = "*"
    while cursor is not None:
        body = {"query": {"text": "green"}, "limit": 2, "min_score": 0.2, "cursor": cursor}
        page = calibrated.post(SEARCH, json=body).json()
        found, cursor = found + [hit["id"] for hit in page["hits"]], page["next"]
    pages = [ask(calibrated, {"text": "green"}, min_score=0.2, limit=2, offset=at) for at in range(0, ALL, 2)]

    assert expected == found
    assert expected == [hit["id"] for page in pages for hit in page]


def test_a_model_that_is_not_calibrated_says_how_to(client: TestClient) -> None:
    """409, with the command; without min_score its hits come, and claim nothing."""
    answer = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}, "min_score": 0.5})

    assert (409, "/problems/calibration-missing") == (answer.status_code, answer.json()["type"])
    assert "vilem model calibrate --collection colours" in answer.json()["detail"]
    assert (
        client.post("/v1/collections/colours/search", json={"query": {"text": "red"}}).json()["hits"][0]["probability"]
        is None
    )


def test_a_calibration_takes_effect_while_the_collection_is_served(tmp_path: Path, tiny_bundle: Path) -> None:
    """Made, made anew and damaged: what is served next has it, has the new one, and goes on without."""
    make_colours(tmp_path, tiny_bundle, shades=1)
    folder, digest = Collection.open(tmp_path / "collections", "colours").path, read_manifest(tiny_bundle).digest()

    async def use(runtime: Runtime) -> None:
        def slope() -> float | None:
            known = runtime.served("colours").matching
            return None if known is None else known.slope

        await until(lambda: is_served(runtime, "colours"))
        assert slope() is None
        for wanted in (3.0, 7.0):
            write_matching(folder, matching(digest, slope=wanted))
            await until(lambda wanted=wanted: slope() == wanted)
        (folder / MATCHING_NAME).write_text("{}")
        await until(lambda: slope() is None)

    with_runtime(use, tmp_path)


@given(
    scores=st.lists(st.floats(-1, 1), max_size=10),
    least=st.none() | st.floats(0, 1),
    known=st.none() | st.builds(matching, slope=st.floats(0.1, 500), intercept=st.floats(-200, 200)),
)
def test_what_is_kept_is_near_enough(scores: list[float], least: float | None, known: Matching | None) -> None:
    """Hits keep their order, and of them those whose probability is high enough; without one all or, where asked, those at 0."""
    views = Views("things", known, least)
    hits = [views.hit(Hit("a", score, record())) for score in scores]

    kept = views.kept(hits)

    assert [hit for hit in hits if least is None or (hit.probability or 0) >= least] == kept
    assert all((hit.probability is None) == (known is None) for hit in hits)


@given(included=st.sets(st.sampled_from(["captions", "metadata"])))
def test_only_what_is_included_is_shown(included: set[str]) -> None:
    """Of captions and metadata those that were asked for are there, the others null; all else stays."""
    hit = Views("things").hit(Hit("a", 0.5, record()))

    shown = only(hit, tuple(included))

    assert included == {part for part in ("captions", "metadata") if getattr(shown, part) is not None}
    assert hit == shown.model_copy(update={"captions": hit.captions, "metadata": hit.metadata})


def test_urls_of_an_item_are_escaped() -> None:
    """An id with slashes, spaces and marks gives URLs that lead back to it, and no query or fragment of them."""
    record = Record(id="a b/ü?#%/c", uri="file:///x", sha256="0" * 64, width=1, height=2)

    item = item_view("things", record)

    assert "/v1/collections/things/items/a%20b/%C3%BC%3F%23%25/c/image" == item.image_url
    assert item.thumbnail_url.endswith("/c/thumbnail")


def test_dots_of_an_id_are_not_resolved() -> None:
    """An id with segments that a browser would resolve away stands in its URLs as one segment."""
    record = Record(id="../a/./b", uri="file:///x", sha256="0" * 64, width=1, height=2)

    item = item_view("things", record)

    assert "/v1/collections/things/items/..%2Fa%2F.%2Fb/image" == item.image_url
