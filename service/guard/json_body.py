"""JSON bodies, bounded in what they unfold to, and read off the event loop when they are large."""

import asyncio
import json
import re

from fastapi import Request
from starlette.exceptions import HTTPException

# Below this, reading takes less than handing it to a thread.
_LARGE_BYTES = 64 * 1024
# 30 MB of "[]," are 10 million lists: 800 MB. A picture is one string, and no request needs a million values.
MAX_VALUES = 1_000_000
# More than any request of ours, and far from where Python's own reader ends with an error.
MAX_DEPTH = 100
# The next bracket that is in no string, or nothing at the end. It matches wherever it begins, and strings may lack their end,
# so that no byte is ever looked at twice.
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]?)', re.DOTALL)


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
    if len(body) >= _LARGE_BYTES and sum(body.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise HTTPException(413, f"the JSON has more than {MAX_VALUES:,} values: send fewer inputs")
    # no deeper than it has brackets
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deep(body):
        raise HTTPException(400, f"the JSON is more than {MAX_DEPTH} lists and objects deep: send it flatter")
    return json.loads(body)


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
