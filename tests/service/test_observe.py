"""What surrounds every request."""

import asyncio

import pytest
from fastapi import FastAPI, Response
from httpx import ASGITransport, AsyncClient

from service.metrics import Metrics
from service.observe import Observe


def ask(path: str) -> tuple[Response | None, Metrics, float]:
    """The answer (None when the app raised), the metrics, and the requests in flight while it was made."""
    metrics, seen = Metrics(), [0.0]
    app = FastAPI()
    app.add_middleware(Observe, metrics=metrics)

    @app.get("/items/{number}")
    async def item(number: int) -> int:
        seen[0] = metrics.registry.get_sample_value("vilem_requests_in_flight") or 0
        return number

    @app.get("/own")
    async def own() -> Response:
        return Response("x", headers={"Content-Security-Policy": "default-src 'none'"})

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError

    async def send() -> Response | None:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            try:
                return await client.get(path)  # type: ignore[return-value]
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
