"""Errors as RFC 9457 problem JSON: one table from exception to status and type.

`type` is stable and relative to the service: clients may switch on it. Nothing that a client sends answers 500.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from index import errors as index_errors
from models import errors as model_errors
from service import errors
from service.operations import request_ids
from service.operations.metrics import Metrics

MEDIA_TYPE = "application/problem+json"

# (exception, status, type, title); the first that fits wins
TABLE: tuple[tuple[type[Exception], int, str, str], ...] = (
    (model_errors.ImageTooLarge, 413, "image-too-large", "The image is too large"),
    (model_errors.ImageUnreadable, 422, "image-unreadable", "The image cannot be read"),
    (model_errors.TextInvalid, 422, "text-invalid", "The text is not Unicode"),
    (errors.CollectionUnknown, 404, "collection-unknown", "No such collection"),
    (errors.ItemUnknown, 404, "item-unknown", "No such item"),
    (errors.ModelUnknown, 404, "model-unknown", "No such model"),
    (errors.CannotProofread, 409, "proofreader-missing", "The model cannot proofread"),
    (errors.CalibrationMissing, 409, "calibration-missing", "The model is not calibrated"),
    (errors.DuplicatesUnknown, 409, "duplicates-unknown", "Duplicates were not looked for"),
    (index_errors.TextIndexMissing, 409, "text-index-missing", "The captions cannot be searched by words yet"),
    (index_errors.FilterInvalid, 422, "filter-invalid", "The filter cannot be understood"),
    (index_errors.FieldUnknown, 422, "field-unknown", "No such field"),
    (index_errors.FieldInvalid, 422, "field-invalid", "The field cannot be used so"),
    (index_errors.PatchesMissing, 409, "patches-missing", "Nothing is stored to proofread"),
    (model_errors.StoredImageInvalid, 409, "patches-invalid", "What is stored to proofread is damaged"),
    (errors.PictureMissing, 404, "image-missing", "The picture is not where it was indexed"),
    (errors.PictureUnreachable, 502, "image-unreachable", "The picture's storage does not answer"),
    (errors.QueryInvalid, 422, "query-invalid", "The query cannot be answered"),
    (errors.RangeInvalid, 416, "range-invalid", "There is no such part"),
    (errors.WritesOff, 403, "writes-off", "Writing is off"),
    (index_errors.ItemInvalid, 422, "item-invalid", "The item breaks a rule"),
    (index_errors.StorageFull, 507, "storage-full", "The disk is full"),
    (index_errors.LeaseHeld, 503, "collection-busy", "The collection is being written by others"),
    (index_errors.MilvusUnreachable, 503, "milvus-unreachable", "The collection's Milvus does not answer"),
    (index_errors.MilvusError, 502, "milvus-failed", "The collection's Milvus did not do what it was asked for"),
    (index_errors.BundleMismatch, 503, "model-changed", "The collection has another model now"),
    (errors.UrlRefused, 422, "url-refused", "The address is not fetched"),
    (errors.UrlUnreachable, 502, "url-unreachable", "The address does not answer"),
    (errors.HostUnknown, 421, "host-unknown", "Not a name of this service"),
    (errors.KeyMissing, 401, "key-missing", "A key is needed"),
    (errors.KeyUnknown, 401, "key-unknown", "Not a key of this service"),
    (errors.ScopeMissing, 403, "scope-missing", "The key is not for this"),
    (errors.KeysUnreadable, 503, "keys-unreadable", "The keys cannot be read"),
    (errors.AsksTooMuch, 413, "asks-too-much", "The request asks for too much at a time"),
    (errors.OverRate, 429, "rate-limited", "The key asks too often"),
    (errors.OverConcurrency, 429, "concurrency-limited", "The key asks for too much at a time"),
    (errors.BodyTooLarge, 413, "body-too-large", "The request is too large"),
    (errors.BodyPacked, 415, "body-packed", "The request is packed"),
    (errors.BodyTooSlow, 408, "body-too-slow", "The request does not come to its end"),
    (errors.QueueFull, 429, "queue-full", "Too many requests"),
    (errors.DeadlineExceeded, 503, "deadline-exceeded", "The request waited too long"),
    (errors.NotReady, 503, "not-ready", "Not ready"),
)
# what a search can meet of a collection's errors; others are faults of ours
_OF_SEARCHES = (
    index_errors.PatchesMissing,
    index_errors.TextIndexMissing,
    index_errors.FilterInvalid,
    index_errors.FieldUnknown,
    index_errors.FieldInvalid,
    index_errors.MilvusError,
)
# what a client's request may meet, and is told of
EXPECTED = (errors.ServiceError, *_OF_SEARCHES, model_errors.InputError, model_errors.StoredImageInvalid)
RETRY_AFTER_S = 1
# Of a field's name, which may be a client's own: an answer must not grow with what is sent.
_MAX_NAME_CHARS = 100


class FieldError(BaseModel):
    """One field at fault."""

    field: str = Field(examples=["query.text"])
    message: str = Field(examples=["Field required"])


# what is named where the fault is in no field
_WHOLE = "body"

# By pydantic's type of fault, where its own words help nobody who sends a request.
_PLAIN = {
    "json_invalid": "this is not JSON: check its quotes, commas and brackets",
    "model_attributes_type": "send a JSON object",
    "model_type": "send a JSON object",
    "finite_number": "send a finite number, not NaN or Infinity",
    "string_pattern_mismatch": "the text is blank: write at least one character",
    "string_unicode": "the text has half of a surrogate pair (\\ud800 to \\udfff): send whole characters",
    "extra_forbidden": "there is no such field: remove it, or check its spelling against /openapi.json",
}


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(examples=["/problems/collection-unknown"])
    title: str = Field(examples=["No such collection"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no collection 'cats' is served: GET /v1/collections lists them"])
    errors: list[FieldError] = Field(default=[], description="The fields at fault.")
    request_id: str | None = Field(default=None, description="The answer's X-Request-Id, which the log has too.")


def install(app: FastAPI, metrics: Metrics) -> None:
    """Make *app* answer every error as a problem."""

    def answer(problem: Problem, headers: dict[str, str] | None = None) -> Response:
        return response(problem, metrics, headers)

    async def known(_: Request, error: Exception) -> Response:
        return answer(problem_of(error), _may_pass(error))

    async def unavailable(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.CollectionUnavailable)
        problem = problem_of(error)
        if "admin" in request.scope.get("granted", ()):
            problem = problem.model_copy(
                update={"detail": f"collection {error.name!r} cannot be served: {error.reason}"}
            )
        return response(problem, metrics, passes=False)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(problem_of_invalid(error.errors()))

    async def plain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        slug = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}.get(
            error.status_code, "bad-request"
        )
        title = slug.replace("-", " ").capitalize()
        detail = _in_words(error, request)
        problem = Problem(type=f"/problems/{slug}", title=title, status=error.status_code, detail=detail)
        return answer(problem, dict(error.headers or {}))

    async def unexpected(_: Request, __: Exception) -> Response:
        return answer(internal())

    for exception in EXPECTED:
        app.add_exception_handler(exception, known)
    app.add_exception_handler(errors.CollectionUnavailable, unavailable)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)


def response(
    problem: Problem, metrics: Metrics, headers: dict[str, str] | None = None, *, passes: bool = True
) -> Response:
    """The answer that carries *problem*, counted; of what *passes* it says when to come again."""
    noted(problem, metrics)
    may_pass = {"Retry-After": str(RETRY_AFTER_S)} if passes and problem.status in (429, 503) else {}
    return Response(named(problem).model_dump_json(), problem.status, may_pass | (headers or {}), media_type=MEDIA_TYPE)


def named(problem: Problem) -> Problem:
    """The same problem, by the request's id."""
    return problem.model_copy(update={"request_id": request_ids.current()})


def noted(problem: Problem, metrics: Metrics) -> Problem:
    """The same problem, counted."""
    metrics.rejected.labels(problem.type.rpartition("/")[2]).inc()
    return problem


def _may_pass(error: Exception) -> dict[str, str] | None:
    """When to come again, where the error knows."""
    wait_s: float | None = getattr(error, "wait_s", None)
    return None if wait_s is None else {"Retry-After": str(max(RETRY_AFTER_S, math.ceil(wait_s)))}


def _in_words(error: HTTPException, request: Request) -> str:
    """What is wrong, and what to do, where a library says little more than the status."""
    asked = _shown(request.scope["path"])
    if error.status_code == 404 and error.detail == HTTPStatus.NOT_FOUND.phrase:
        return f"there is nothing at {asked}: /openapi.json lists every path"
    if error.status_code == 405:
        return f"{asked} does not take {request.method[:20]}: /openapi.json lists what each path takes"
    why = error.__cause__
    if isinstance(why, UnicodeDecodeError):
        return "the body is not UTF-8: send it encoded so"
    if isinstance(why, ValueError) and "integer string conversion" in str(why):
        return f"the JSON has a number of more than {sys.get_int_max_str_digits():,} digits: send fewer, or a string"
    return str(error.detail)


def within(problem: Problem, where: str) -> Problem:
    """The same problem of a part of a request: its fields are told from the request's top."""
    fields = [
        each.model_copy(update={"field": _shown(where if each.field == _WHOLE else f"{where}.{each.field}")})
        for each in problem.errors
    ]
    return problem.model_copy(update={"errors": fields})


def internal() -> Problem:
    """The problem that stands for a fault of ours: the client is told nothing of our insides."""
    detail = "the service met an error of its own: its log has it under this request's id"
    return Problem(type="/problems/internal", title="Internal error", status=500, detail=detail)


def problem_of(error: Exception) -> Problem:
    """The problem that stands for a known error."""
    for exception, status, slug, title in TABLE:
        if isinstance(error, exception):
            # filters and facets name their place as a path, queries as a field
            at_fault = getattr(error, "field", "") or getattr(error, "path", "")
            fields = [FieldError(field=_shown(at_fault), message=str(error))] if at_fault else []
            return Problem(type=f"/problems/{slug}", title=title, status=status, detail=str(error), errors=fields)
    if isinstance(error, index_errors.CollectionError):
        # of a write: what is wrong with a collection is its operator's business, and is said by `unavailable`
        return Problem(
            type="/problems/not-ready", title="Not ready", status=503, detail="the collection cannot be written now"
        )
    raise error


def problem_of_invalid(found: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem that stands for what pydantic found wrong."""
    # never the input itself: it may be megabytes, or not JSON at all (NaN)
    told = found[:20]
    fields = [FieldError(field=_field(each), message=_message(each)) for each in told if not _follows(each, told)]
    detail = "; ".join(f"{each.field}: {each.message}" for each in fields[:3])
    return Problem(
        type="/problems/request-invalid", title="The request is not valid", status=422, detail=detail, errors=fields
    )


def _follows(fault: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a list is said to be too short because elements of it, of which only the good ones count, are at fault."""
    place = fault["loc"]
    inside = (each["loc"] for each in found if len(each["loc"]) > len(place))
    return fault["type"] == "too_short" and any(each[: len(place)] == place for each in inside)


def _field(found: Mapping[str, Any]) -> str:
    # of broken JSON the place is a character, not a field; in a form it stands in one
    broken = found["type"] == "json_invalid"
    parts = [each for each in found["loc"] if not (broken and isinstance(each, int))]
    return _shown(".".join(str(part) for part in parts if part != "body") or _WHOLE)


def _message(found: Mapping[str, Any]) -> str:
    """What is wrong, for someone who does not know the library that noticed it."""
    if found["type"] == "value_error":
        # what our own validators raise, after a prefix; the other is what a form's text in a file's place gives
        said = found["msg"].removeprefix("Value error, ")
        return "send the picture as a file of the form, not as text" if said.startswith("Expected UploadFile") else said
    if found["type"] == "model_attributes_type" and tuple(found["loc"]) == (_WHOLE,):
        # what is sent as something else is read as a text
        return "send a JSON object, with the header content-type: application/json"
    return _PLAIN.get(found["type"]) or str(found["msg"])


def _shown(name: str) -> str:
    # half a surrogate pair, as JSON may hold it, cannot be written
    return name[:_MAX_NAME_CHARS].encode(errors="backslashreplace").decode()
