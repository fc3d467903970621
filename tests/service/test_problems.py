"""Errors as RFC 9457 problems."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from index import errors as index_errors
from models import errors as model_errors
from service import errors, problems
from service.operations.metrics import Metrics
from service.schemas.query import SearchRequest

KNOWN = [
    (errors.CollectionUnknown("no such"), 404, "collection-unknown"),
    (errors.ItemUnknown("no such"), 404, "item-unknown"),
    (errors.ModelUnknown("no such"), 404, "model-unknown"),
    (errors.QueryInvalid("query.vector", "too short"), 422, "query-invalid"),
    (errors.HostUnknown("evil"), 421, "host-unknown"),
    (errors.KeyMissing("none"), 401, "key-missing"),
    (errors.KeyUnknown("nobody's"), 401, "key-unknown"),
    (errors.ScopeMissing("write", "not for this"), 403, "scope-missing"),
    (errors.KeysUnreadable("damaged"), 503, "keys-unreadable"),
    (errors.OverRate("too often", 2.5), 429, "rate-limited"),
    (errors.OverConcurrency("too much"), 429, "concurrency-limited"),
    (errors.BodyTooLarge("too much"), 413, "body-too-large"),
    (errors.BodyPacked("gzip"), 415, "body-packed"),
    (errors.BodyTooSlow("stalled"), 408, "body-too-slow"),
    (errors.QueueFull("busy"), 429, "queue-full"),
    (errors.DeadlineExceeded("late"), 503, "deadline-exceeded"),
    (errors.NotReady("loading"), 503, "not-ready"),
    (errors.CollectionUnavailable("new", "/srv/data is full"), 503, "not-ready"),
    (model_errors.ImageTooLarge("huge"), 413, "image-too-large"),
    (model_errors.ImageUnreadable("cut"), 422, "image-unreadable"),
    (model_errors.TextInvalid("surrogate"), 422, "text-invalid"),
    (errors.PictureMissing("gone"), 404, "image-missing"),
    (errors.PictureUnreachable("down"), 502, "image-unreachable"),
    (index_errors.MilvusUnreachable("away"), 503, "milvus-unreachable"),
    (index_errors.MilvusMismatch("emptied"), 502, "milvus-failed"),
]


class Inner(BaseModel):
    """An object in a body."""


class Body(BaseModel):
    """A body with one bounded field."""

    model_config = ConfigDict(extra="forbid")

    size: int = Field(le=10)
    inner: Inner = Inner()


def app_raising(error: Exception, metrics: Metrics | None = None) -> FastAPI:
    """An app whose GET / raises *error*, and whose POST / takes a `Body`."""
    app = FastAPI()
    problems.install(app, metrics or Metrics())

    @app.get("/")
    async def fail() -> None:
        raise error

    @app.post("/")
    async def take(body: Body) -> int:
        return body.size

    return app


def ask(app: FastAPI, method: str = "GET", path: str = "/", **options: object) -> Response:
    """One request to *app* in this process."""

    async def send() -> Response:
        transport = ASGITransport(app, raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.mark.parametrize(("error", "status", "slug"), KNOWN, ids=[slug for _, _, slug in KNOWN])
def test_each_known_error_has_its_type_and_status(error: Exception, status: int, slug: str) -> None:
    """Every error that is raised on purpose answers its status, a stable type, a title and its own words."""
    answer = ask(app_raising(error))

    assert status == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
    body = answer.json()
    assert (f"/problems/{slug}", status, str(error)) == (body["type"], body["status"], body["detail"])
    assert body["title"]


def test_types_are_unique() -> None:
    """One type stands for one kind of error."""
    slugs = [slug for _, _, slug, _ in problems.TABLE]

    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize(("wait_s", "expected"), [(0.2, "1"), (1.0, "1"), (1.01, "2"), (7.5, "8")])
def test_a_refusal_says_how_long_to_stay_away(wait_s: float, expected: str) -> None:
    """Retry-After is the wait that is expected, in whole seconds and never none; the text says the same."""
    answer = ask(app_raising(errors.QueueFull("too many", wait_s)))

    assert (429, expected) == (answer.status_code, answer.headers["retry-after"])
    assert f"send it again in {expected} s" in answer.json()["detail"]


@pytest.mark.parametrize("error", [errors.QueueFull("busy"), errors.NotReady("loading"), errors.DeadlineExceeded("x")])
def test_what_may_pass_says_when_to_come_back(error: Exception) -> None:
    """429 and 503 carry Retry-After in whole seconds."""
    assert int(ask(app_raising(error)).headers["retry-after"]) >= 1


def test_a_query_error_names_its_field() -> None:
    """QueryInvalid answers the field at fault beside the words."""
    body = ask(app_raising(errors.QueryInvalid("query.vector", "3 numbers, 4 wanted"))).json()

    assert [{"field": "query.vector", "message": "3 numbers, 4 wanted"}] == body["errors"]


@pytest.mark.parametrize(
    ("content", "field"),
    [({"size": 11}, "size"), ({"size": "x"}, "size"), ({}, "size"), ({"size": 1, "more": 2}, "more"), ([], "body")],
)
def test_an_invalid_body_names_its_field(content: object, field: str) -> None:
    """A body that breaks the schema is 422 and names the field, unknown fields included."""
    answer = ask(app_raising(ValueError()), "POST", json=content)

    assert 422 == answer.status_code
    assert "/problems/request-invalid" == answer.json()["type"]
    assert [field] == [each["field"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ([{"text": "a"}, {"text": "b", "weight": 0}], ["query.parts.1.weight"]),
        ([{"text": "a", "weight": 0}], ["query.parts.0.weight"]),
        ([], ["query.parts"]),
    ],
)
def test_a_part_at_fault_is_told_alone(parts: list[object], named: list[str]) -> None:
    """A list of bad elements is not called too short besides; one of none is."""
    with pytest.raises(ValidationError) as caught:
        SearchRequest.model_validate({"query": {"parts": parts}})

    assert named == [each.field for each in problems.problem_of_invalid(caught.value.errors()).errors]


def test_the_input_is_not_echoed() -> None:
    """A validation error does not send back what the client sent: it may be megabytes, or a secret."""
    answer = ask(app_raising(ValueError()), "POST", json={"size": "s3cret" * 1000})

    assert "s3cret" not in answer.text


def test_the_answer_does_not_grow_with_the_question() -> None:
    """A field's name is a client's own when it is unknown: however long, little of it comes back."""
    answer = ask(app_raising(ValueError()), "POST", json={"size": 1, "x" * 1_000_000: 2})

    assert 422 == answer.status_code
    assert len(answer.content) < 1000


@pytest.mark.parametrize("name", ["\ud800", "größe", "a\udfff" * 1000])
def test_any_name_of_a_field_can_be_told(name: str) -> None:
    """A name that is no Unicode (half a surrogate pair, as JSON may hold it) is escaped, and is no fault of ours."""
    content = json.dumps({"size": 1, name: 2}).encode()
    answer = ask(app_raising(ValueError()), "POST", content=content, headers={"content-type": "application/json"})
    known = ask(app_raising(errors.QueryInvalid(name, "no such field")))

    assert [422, 422] == [answer.status_code, known.status_code]
    assert name[:100].encode(errors="backslashreplace").decode() == known.json()["errors"][0]["field"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"size": NaN}', b"\xff\xfe", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    """A body that is not JSON is a 4xx problem, whatever is wrong with it."""
    answer = ask(app_raising(ValueError()), "POST", content=content, headers={"content-type": "application/json"})

    assert answer.status_code in (400, 422)
    assert "application/problem+json" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [("GET", "/none", 404, "not-found"), ("PUT", "/", 405, "method-not-allowed")],
)
def test_routing_errors_are_problems(method: str, path: str, status: int, slug: str) -> None:
    """A path or method that does not exist is a problem like all others."""
    answer = ask(app_raising(ValueError()), method, path)

    assert (status, f"/problems/{slug}") == (answer.status_code, answer.json()["type"])


def test_an_http_exception_keeps_its_headers() -> None:
    """Headers of a raised HTTPException reach the client."""
    answer = ask(app_raising(HTTPException(413, "too much", {"x-extra": "1"})))

    assert (413, "1", "/problems/body-too-large") == (
        answer.status_code,
        answer.headers["x-extra"],
        answer.json()["type"],
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/serach", 404, "there is nothing at /v1/serach"),
        ("GET", "/" + "x" * 5000, 404, "x" * 90),
        ("PATCH", "/", 405, "/ does not take PATCH"),
    ],
)
def test_where_there_is_nothing_the_way_is_shown(method: str, path: str, status: int, said: str) -> None:
    """A path or method that there is not is named, in few words, and so is the list of those there are."""
    detail = (answer := ask(app_raising(ValueError()), method, path)).json()["detail"]

    assert status == answer.status_code
    assert said in detail and "/openapi.json" in detail and len(detail) < 300


def test_a_404_with_words_of_its_own_keeps_them() -> None:
    """What a route says itself is passed on."""
    assert "no such moon" == ask(app_raising(HTTPException(404, "no such moon"))).json()["detail"]


def test_refusals_are_counted_by_type() -> None:
    """Each problem counts under its own type."""
    metrics = Metrics()
    app = app_raising(errors.QueueFull("busy"), metrics)
    ask(app)
    ask(app)

    assert 2 == metrics.registry.get_sample_value("vilem_rejected_total", {"problem": "queue-full"})


def test_an_error_of_ours_tells_nothing_of_our_insides() -> None:
    """An exception that nobody expected is a 500 problem without its words."""
    answer = ask(app_raising(KeyError("s3cret")))

    assert (500, "/problems/internal") == (answer.status_code, answer.json()["type"])
    assert "s3cret" not in answer.text


def test_broken_json_is_a_fault_of_the_body() -> None:
    """Of what is no JSON the body is named, not a place in it as if that were a field."""
    answer = ask(app_raising(ValueError()), "POST", content=b'{"size": ', headers={"content-type": "application/json"})

    assert ["body"] == [each["field"] for each in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"content": b"{bad", "headers": {"content-type": "application/json"}}, "check its quotes"),
        ({"content": b'{"size": 1}'}, "content-type: application/json"),
        ({"json": []}, "content-type: application/json"),
        ({"json": {"size": 1, "inner": None}}, "inner: send a JSON object"),
        ({"json": {"size": 1, "siez": 2}}, "check its spelling"),
        ({"content": b'{"size": NaN}', "headers": {"content-type": "application/json"}}, "not NaN or Infinity"),
    ],
)
def test_messages_are_for_who_sends_requests(sent: dict[str, object], said: str) -> None:
    """A fault that a library noticed is told in words that say what to send instead."""
    answer = ask(app_raising(ValueError()), "POST", **sent)

    assert 422 == answer.status_code
    assert said in answer.json()["detail"]
    # of a field's object the request's header is no fault
    assert ("content-type" in said) == ("content-type" in answer.json()["detail"])


def test_problem_of_passes_on_what_it_does_not_know() -> None:
    """An error outside the table is raised again: it is a fault of ours, not a client's."""
    with pytest.raises(KeyError):
        problems.problem_of(KeyError("x"))


def test_a_problem_is_json_with_its_own_status() -> None:
    """The status in the body is the status of the answer."""
    problem = problems.problem_of(errors.NotReady("loading"))

    assert 503 == json.loads(problem.model_dump_json())["status"]
