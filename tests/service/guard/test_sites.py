"""Pages of other sites that are named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS

SITE = "https://shop.example"
READ = ("Authorization", "If-None-Match", "If-Range", "Priority", "Range", "X-Request-Id", "traceparent", "tracestate")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A service without collections that pages of `SITE` may ask."""
    home: Path = tmp_path_factory.mktemp("sites")
    with TestClient(create_app(Settings(home=home, cors_origins=(SITE,))), base_url=ADDRESS) as made:
        yield made


def asked_before(client: TestClient, method: str = "POST", headers: str = "", origin: str = SITE) -> Response:
    """A browser's question whether a page may ask so."""
    asking = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    return client.options("/v1/embeddings", headers=asking)


@pytest.mark.parametrize("header", READ)
def test_what_is_read_of_a_request_may_be_sent(client: TestClient, header: str) -> None:
    """Each header that changes an answer may be sent by a page, as a browser writes it: in lower case, among others."""
    assert 200 == asked_before(client, headers=f"content-type, {header.lower()}").status_code


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_every_method_of_ours_may_be_used(client: TestClient, method: str) -> None:
    """A page asks with each method that some path takes."""
    assert 200 == asked_before(client, method, "authorization").status_code


def test_what_a_client_goes_by_may_be_read(client: TestClient) -> None:
    """A page reads an answer's id, when to come again, what is left of a rate, and what it needs for parts and for 304."""
    told = client.get("/v1/collections", headers={"origin": SITE}).headers["access-control-expose-headers"].split(", ")

    assert {"X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "ETag", "Content-Range"} <= {*told}


@pytest.mark.parametrize(
    "asking", [{"origin": "https://evil.example"}, {"method": "PATCH"}, {"headers": "x-anything"}], ids=str
)
def test_a_refusal_is_a_problem_like_any_other(client: TestClient, asking: dict[str, str]) -> None:
    """What a page may not do is told as problem JSON that says where it is decided, with the request's id, and counted."""
    answer = asked_before(client, **asking)

    assert (400, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    body = answer.json()
    assert ("/problems/bad-request", answer.headers["x-request-id"]) == (body["type"], body["request_id"])
    assert "VILEM_CORS_ORIGINS" in body["detail"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert 'problem="bad-request"' in client.get("/metrics").text


def test_who_may_not_ask_is_not_told_that_it_may(client: TestClient) -> None:
    """A refused preflight of another site names no origin."""
    assert "access-control-allow-origin" not in asked_before(client, origin="https://evil.example").headers
