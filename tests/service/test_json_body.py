"""JSON bodies are bounded in what they unfold to."""

import asyncio
import json

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.json_body import MAX_VALUES, JsonRequest, JsonRoute

JSON = {"content-type": "application/json"}


def read(body: bytes) -> object:
    """What a request with that body holds."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return asyncio.run(JsonRequest({"type": "http", "method": "POST", "headers": []}, receive).json())


@pytest.mark.parametrize("value", [None, 1, "a", [1, 2], {"a": [{}]}, "x" * 200_000, list(range(50_000))])
def test_values_are_read(value: object) -> None:
    """Small and large bodies are read to the same value, on the loop or in a thread."""
    assert value == read(json.dumps(value).encode())


@pytest.mark.parametrize("body", [b"", b"{", b"nothing", b"[" + b"1," * 100_000])
def test_what_is_no_json_is_a_json_error(body: bytes) -> None:
    """A body that is no JSON raises JSONDecodeError, however large."""
    with pytest.raises(json.JSONDecodeError):
        read(body)


@pytest.mark.parametrize("value", [b"[],", b"1,", b"{},", b'"",'])
def test_a_body_of_too_many_values_is_refused_unread(value: bytes) -> None:
    """More values than any request needs are 413, before they are unfolded."""
    with pytest.raises(HTTPException) as caught:
        read(b"[" + value * MAX_VALUES + b"0]")

    assert 413 == caught.value.status_code


def test_a_large_string_is_one_value() -> None:
    """A picture of many megabytes in base64 is within the bound."""
    assert {"image": "A" * 5_000_000} == read(b'{"image": "' + b"A" * 5_000_000 + b'"}')


def test_a_router_may_use_it() -> None:
    """A router of this route class reads bodies so, and FastAPI validates them as ever."""
    router = APIRouter(route_class=JsonRoute)

    @router.post("/")
    async def double(numbers: list[int]) -> list[int]:
        return [2 * number for number in numbers]

    app = FastAPI()
    app.include_router(router)
    client = TestClient(app)

    assert [2, 4] == client.post("/", json=[1, 2]).json()
    assert 422 == client.post("/", json=["x"]).status_code
    assert 413 == client.post("/", content=b"[" + b"1," * MAX_VALUES + b"1]", headers=JSON).status_code
