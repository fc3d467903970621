"""What surrounds every request."""

import asyncio
import logging
import threading
from collections.abc import Mapping

import pytest
from fastapi import FastAPI, Request, Response
from httpx import ASGITransport, AsyncClient
from httpx import Response as Answer

from service.operations import request_ids
from service.operations.metrics import Metrics
from service.operations.observe import Observe


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service logs reaches pytest, whatever an app of another test has made of its loggers."""
    for name in ("vilem", "vilem.service", "vilem.access"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)


def ask(
    path: str, headers: Mapping[str, str] | None = None, draining: threading.Event | None = None
) -> tuple[Answer | None, Metrics, float]:
    """The answer (None when the app raised), the metrics, and the requests in flight while it was made."""
    metrics, seen = Metrics(), [0.0]
    app = FastAPI()
    app.add_middleware(Observe, metrics=metrics, draining=draining)

    @app.get("/items/{number}")
    async def item(number: int, request: Request) -> int:
        request.scope.setdefault("state", {})["key_id"] = "k1"
        seen[0] = metrics.registry.get_sample_value("vilem_requests_in_flight") or 0
        return number

    @app.get("/own")
    async def own() -> Response:
        return Response("x", headers={"Content-Security-Policy": "default-src 'none'"})

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("secret")

    @app.get("/told")
    async def told() -> None:
        request_ids.note_text("a red kite")

    async def send() -> Answer | None:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            try:
                return await client.get(path, headers=headers)
            except KeyError:
                return None

    return asyncio.run(send()), metrics, seen[0]


def test_requests_count_by_their_routes_pattern() -> None:
    """The label is the pattern, never the path that was sent."""
    _, metrics, _ = ask("/items/7")

    labels = {"route": "/items/{number}", "status": "200"}
    assert 1 == metrics.registry.get_sample_value("vilem_requests_total", labels)


def test_paths_without_a_route_share_a_label() -> None:
    """What leads nowhere counts as one."""
    _, metrics, _ = ask("/nowhere/1")

    assert 1 == metrics.registry.get_sample_value("vilem_requests_total", {"route": "none", "status": "404"})


def test_requests_in_flight_go_up_and_down() -> None:
    """While a request is answered it is in flight; afterwards, and after an exception too, it is not."""
    for path, during in (("/items/1", 1), ("/broken", 0)):
        _, metrics, seen = ask(path)
        assert during == seen
        assert 0 == metrics.registry.get_sample_value("vilem_requests_in_flight")


def test_an_exception_counts_as_500() -> None:
    """A request that ended in an exception is counted with the status the client gets."""
    _, metrics, _ = ask("/broken")

    assert 1 == metrics.registry.get_sample_value("vilem_requests_total", {"route": "/broken", "status": "500"})


@pytest.mark.parametrize("path", ["/items/1", "/items/x", "/nowhere"])
def test_answers_are_guarded(path: str) -> None:
    """Each answer forbids sniffing and has a policy."""
    answer, _, _ = ask(path)

    assert answer is not None
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_a_routes_own_policy_stays() -> None:
    """A stricter policy of a route is not replaced."""
    answer, _, _ = ask("/own")

    assert answer is not None
    assert "default-src 'none'" == answer.headers["content-security-policy"]


def test_an_answer_has_the_requests_name() -> None:
    """A sane X-Request-Id comes back; without one the answer has a new one, each time another."""
    answer, _, _ = ask("/items/1", {"x-request-id": "mine-1"})
    first, second = (ask("/nowhere")[0] for _ in range(2))

    assert answer is not None and first is not None and second is not None
    assert "mine-1" == answer.headers["x-request-id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def noted(caplog: pytest.LogCaptureFixture, path: str) -> dict[str, object]:
    """The fields of the request's line in the log."""
    with caplog.at_level(logging.INFO, logger="vilem.access"):
        ask(path)
    (record,) = [each for each in caplog.records if each.name == "vilem.access"]
    return vars(record)["fields"]


def test_a_request_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """At info: method, the route's pattern, status, milliseconds, bytes and the key's id; nothing that the client wrote."""
    fields = noted(caplog, "/items/7?token=secret")

    assert ("GET", "/items/{number}", 200, 1) == (fields["method"], fields["route"], fields["status"], fields["bytes"])
    assert isinstance(fields["ms"], float)
    assert "k1" == fields["key"]
    assert "secret" not in str(fields)
    assert "texts" not in fields


def test_texts_are_logged_where_they_were_noted(caplog: pytest.LogCaptureFixture) -> None:
    """What was noted for the log stands in the request's line."""
    assert ["a red kite"] == noted(caplog, "/told")["texts"]


def test_above_info_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """By default no line is written for a request."""
    with caplog.at_level(logging.WARNING, logger="vilem"):
        ask("/items/1")

    assert [] == caplog.records


@pytest.mark.parametrize("path", ["/items/1", "/nowhere"])
def test_answers_of_a_service_that_is_being_stopped_close_their_connections(path: str) -> None:
    """From the moment on that it is told to stop, each answer says so; before, none does."""
    draining = threading.Event()
    before, _, _ = ask(path, draining=draining)
    draining.set()
    after, _, _ = ask(path, draining=draining)

    assert before is not None and after is not None
    assert "connection" not in before.headers
    assert "close" == after.headers["connection"]
