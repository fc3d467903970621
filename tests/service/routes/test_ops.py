"""/healthz, /readyz, /metrics."""

from pathlib import Path

from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_colours


def test_health_answers_before_anything_is_loaded(tmp_path: Path, tiny_bundle: Path) -> None:
    """/healthz is 200 from the first request; /readyz is 503 with Retry-After until loading is done, then 200."""
    make_colours(tmp_path, tiny_bundle)
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        first = client.get("/readyz")
        health = client.get("/healthz")
        wait_until_ready(client)
        ready = client.get("/readyz")

    assert (503, "/problems/not-ready", "1") == (
        first.status_code,
        first.json()["type"],
        first.headers["retry-after"],
    )
    assert (200, {"status": "ok"}) == (health.status_code, health.json())
    assert (200, {"status": "ready", "failed": {}, "collections": 1}) == (ready.status_code, ready.json())


def test_before_the_first_collection_it_is_ready_and_says_so(tmp_path: Path) -> None:
    """A service that nothing was published for yet is healthy, 200, and tells whoever wants to know that it serves none."""
    with TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        ready = client.get("/readyz")

    assert (200, {"status": "ready", "failed": {}, "collections": 0}) == (ready.status_code, ready.json())


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    """/metrics answers every metric of the app in Prometheus' format, after a search with numbers in it."""
    client.post("/v1/collections/colours/search", json={"query": {"text": "red square"}})

    answer = client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    for line in (
        'vilem_stage_seconds_count{stage="encode"}',
        'vilem_batch_size_count{queue="text"}',
        'vilem_queue_wait_seconds_count{queue="search"}',
        'vilem_cache_total{layer="memory",result="miss"}',
        'vilem_collection_rows{collection="colours"} 24.0',
        'vilem_requests_total{route="/v1/collections/{name}/search",status="200"}',
    ):
        assert line in answer.text


def test_labels_do_not_grow_with_what_clients_send(client: TestClient) -> None:
    """Requests to a hundred other paths and items count under the routes' patterns, not under a hundred labels."""
    for number in range(100):
        client.get(f"/v1/collections/colours/items/none-{number}")
        client.get(f"/none-{number}")

    text = client.get("/metrics").text

    assert "none-7" not in text


def test_two_apps_have_their_own_metrics(tmp_path: Path) -> None:
    """Two apps in one process count apart."""
    first, second = (TestClient(create_app(Settings(home=tmp_path)), base_url=ADDRESS) for _ in range(2))
    with first as one, second as two:
        one.get("/healthz")

        assert 'route="/healthz"' in one.get("/metrics").text
        assert 'route="/healthz"' not in two.get("/metrics").text


def test_the_description_is_written_once(client: TestClient) -> None:
    """The OpenAPI document is the app's, and the same bytes for everybody: thousands may ask without cost."""
    first, second = client.get("/openapi.json"), client.get("/openapi.json")

    assert client.app.openapi() == first.json()  # type: ignore[attr-defined]
    assert first.content == second.content
    assert "application/json" == first.headers["content-type"]


def test_a_service_that_is_being_stopped_is_not_ready(client: TestClient) -> None:
    """From the moment on that it is told to stop, /readyz is 503 and says so; /healthz and searches go on."""
    draining = client.app.state.draining  # type: ignore[attr-defined]
    draining.set()
    try:
        told, alive = client.get("/readyz"), client.get("/healthz")
        found = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}})
    finally:
        draining.clear()

    assert (503, "/problems/not-ready") == (told.status_code, told.json()["type"])
    assert "being stopped" in told.json()["detail"]
    assert (200, 200) == (alive.status_code, found.status_code)
    assert 200 == client.get("/readyz").status_code
