"""JSON bodies are bounded in what they unfold to."""

import asyncio
import json
import time
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.guard.json_body import MAX_DEPTH, MAX_PARTS, MAX_VALUES, JsonRequest


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


@pytest.mark.parametrize("part", [b"[],", b"{},", b'"a",', b'{"a":0},'])
def test_a_body_of_too_many_parts_is_refused_unread(part: bytes) -> None:
    """Lists, objects and strings are fewer than numbers may be: beyond their bound the body is 413 before it is unfolded."""
    each = part.count(b'"') // 2 + part.count(b"[") + part.count(b"{")
    few, many = ((MAX_PARTS - 2) // each, MAX_PARTS // each)

    assert few + 1 == len(cast("list[object]", read(b"[" + part * few + b"0]")))
    with pytest.raises(HTTPException) as caught:
        read(b"[" + part * many + b"0]")
    assert 413 == caught.value.status_code


def test_quotes_in_a_text_are_no_strings() -> None:
    """A text full of quotes, brackets and backslashes is one string."""
    text = '"[{\\' * MAX_PARTS

    assert [text] == read(json.dumps([text]).encode())


def test_vectors_may_be_long() -> None:
    """Numbers are cheap: of them there may be ten times as many."""
    assert [0.5] * 200_000 == read(json.dumps([0.5] * 200_000).encode())


def test_a_large_string_is_one_value() -> None:
    """A picture of many megabytes in base64 is within the bound."""
    assert {"image": "A" * 5_000_000} == read(b'{"image": "' + b"A" * 5_000_000 + b'"}')


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_depth_is_bounded(opening: str) -> None:
    """As deep as is allowed is read; one deeper is 400, also 20,000 deep, and however it is written."""
    closing = "".join({"[": "]", "{": "}"}[sign] for sign in reversed(opening) if sign in "[{")
    times = MAX_DEPTH // len(closing)
    allowed = opening * times + "1" + closing * times

    assert json.loads(allowed) == read(allowed.encode())
    for deeper in (f"[{allowed}]", opening * 20_000, f"[{'[],' * 200}{allowed}]"):
        with pytest.raises(HTTPException) as caught:
            read(deeper.encode())
        assert 400 == caught.value.status_code


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("sign", ["\u5c41", "\u415c", "\u2241", "\u4122"])
def test_depth_is_bounded_in_other_encodings(code: str, sign: str) -> None:
    """Characters that have the octets of a quote or a backslash hide no brackets."""
    with pytest.raises(HTTPException) as caught:
        read((f'["{sign}",' + "[" * 20_000).encode(code))

    assert 400 == caught.value.status_code


@pytest.mark.parametrize("escapes", [b"", b'\\"', b"\\\\", b'\\\\\\"', b"\\n"])
@pytest.mark.parametrize("more", range(6))
def test_a_text_may_end_wherever(escapes: bytes, more: int) -> None:
    """However its escapes fall where large bodies are cut into pieces, a text is one string, and what follows it is counted."""
    text = b"a" * more + escapes * (2**21 // max(1, len(escapes)))
    deep, deeper = (b"[" * depth + b"]" * depth for depth in (MAX_DEPTH - 1, MAX_DEPTH))

    assert isinstance(read(b'["[' + text + b'",' + deep + b"]"), list)
    with pytest.raises(HTTPException, match="deep"):
        read(b'["[' + text + b'",' + deeper + b"]")


@settings(max_examples=30)
@given(texts=st.lists(st.text('[]{}"\\a,:', max_size=30)))
def test_brackets_in_texts_are_no_depth(texts: list[str]) -> None:
    """What is allowed is read as it is, whatever brackets, quotes and backslashes its texts hold."""
    body = json.dumps([*texts, '[{"' * 200, "\\" * 7, '\\"[' * 200], ensure_ascii=False).encode(errors="surrogatepass")

    assert json.loads(body) == read(body)


@pytest.mark.parametrize("part", [b'\\"', b'"[', b'["', b"[]", b'"\\', b'""', b"]", b"a"])
def test_no_text_is_looked_at_twice(part: bytes) -> None:
    """Megabytes of whatever take a fraction of a second to refuse or to find wrong, closed or not."""
    body = b"[" + b"[]," * MAX_DEPTH + part * (3_000_000 // len(part))

    began = time.process_time()
    with pytest.raises((HTTPException, json.JSONDecodeError)):
        read(body)
    assert time.process_time() - began < 2


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=100)
@given(value=_ANY, escaped=st.booleans(), code=st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_it_is_read_as_the_standard_library_reads_it(value: object, escaped: bool, code: str) -> None:
    """Any JSON, halves of characters, not-a-numbers and huge integers among it, in any encoding that JSON may have."""
    body = json.dumps(value, ensure_ascii=escaped).encode(code, errors="surrogatepass")

    assert repr(json.loads(body)) == repr(read(body))
