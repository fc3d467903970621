"""JSON bodies are bounded in what they unfold to."""

import asyncio
import json

import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.json_body import MAX_VALUES, JsonRequest


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
