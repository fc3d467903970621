"""JSON bodies, bounded in what they unfold to, and read off the event loop when they are large."""

import asyncio
import json
import re
from itertools import islice

import numpy as np
import pydantic_core
from fastapi import Request
from starlette.exceptions import HTTPException

# Below this, reading takes less than handing it to a thread.
_LARGE_BYTES = 64 * 1024
# 30 MB of "[]," are 10 million lists: 800 MB. A picture is one string, and no request needs a million values.
MAX_VALUES = 1_000_000
# Of these a list, an object or a string costs ten times as much as a number, of which vectors are made.
MAX_PARTS = 100_000
# More than any request of ours, and far from where Python's own reader ends with an error.
MAX_DEPTH = 100
# The next bracket that is in no string, or nothing at the end. It matches wherever it begins, and strings may lack their end,
# so that no byte is ever looked at twice.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]?)', re.DOTALL)
# A string, which may lack its end, or the beginning of a list or an object.
_PART = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]', re.DOTALL)


class JsonRequest(Request):
    """A request whose JSON is bounded."""

    async def json(self) -> object:
        """The body's value.

        Raises:
            JSONDecodeError: it is no JSON.
            HTTPException: 413, it has more values than any request needs; 400, it is deeper.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = _loads(body) if len(body) < _LARGE_BYTES else await asyncio.to_thread(_loads, body)
        return self._json


def _loads(body: bytes) -> object:
    if len(body) >= _LARGE_BYTES and _count(body, b",[{") > MAX_VALUES:
        raise HTTPException(413, f"the JSON has more than {MAX_VALUES:,} values: send fewer inputs")
    # no more than it has brackets and quotes
    if len(body) >= _LARGE_BYTES and _count(body, b'[{"') > MAX_PARTS and _has_many_parts(body):
        raise HTTPException(
            413, f"the JSON has more than {MAX_PARTS:,} lists, objects, names and strings: send fewer inputs"
        )
    # no deeper than it has brackets
    if _count(body, b"[{") > MAX_DEPTH and _is_deep(body):
        raise HTTPException(400, f"the JSON is more than {MAX_DEPTH} lists and objects deep: send it flatter")
    try:
        # pydantic's reader takes a fifth of the time, for which nobody else has the interpreter
        return pydantic_core.from_json(body)
    except ValueError:
        # halves of characters, and other encodings than UTF-8; or it is no JSON, and this says so as FastAPI understands it
        return json.loads(body)


def _count(body: bytes, signs: bytes) -> int:
    """How many of the signs are in the body; NumPy lets others go on meanwhile, and is five times as fast as `bytes.count`."""
    if len(body) < _LARGE_BYTES:
        return sum(body.count(sign) for sign in signs)
    octets = np.frombuffer(body, np.uint8)
    return sum(int(np.count_nonzero(octets == sign)) for sign in signs)


def _has_many_parts(body: bytes) -> bool:
    # quotes in strings are no strings: a text may be full of them
    return next(islice(_PART.finditer(body), MAX_PARTS, None), None) is not None


def _is_deep(body: bytes) -> bool:
    depth = 0
    for found in _BRACKET.finditer(body):
        bracket = found[1]
        if not bracket:
            break
        depth += 1 if bracket in b"[{" else -1
        # what closes more than it opened is no JSON, and is told so by who reads it
        if not 0 <= depth <= MAX_DEPTH:
            return depth > MAX_DEPTH
    return False
