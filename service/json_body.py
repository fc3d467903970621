"""JSON bodies, bounded in what they unfold to, and read off the event loop when they are large."""

import asyncio
import json

from fastapi import Request
from starlette.exceptions import HTTPException

# Below this, reading takes less than handing it to a thread.
_LARGE_BYTES = 64 * 1024
# 30 MB of "[]," are 10 million lists: 800 MB. A picture is one string, and no request needs a million values.
MAX_VALUES = 1_000_000


class JsonRequest(Request):
    """A request whose JSON is bounded."""

    async def json(self) -> object:
        """The body's value.

        Raises:
            JSONDecodeError: it is no JSON.
            HTTPException: 413, it has more values than any request needs.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            self._json = _loads(body) if len(body) < _LARGE_BYTES else await asyncio.to_thread(_loads, body)
        return self._json


def _loads(body: bytes) -> object:
    if len(body) >= _LARGE_BYTES and sum(body.count(sign) for sign in (b",", b"[", b"{")) > MAX_VALUES:
        raise HTTPException(413, f"the JSON has more than {MAX_VALUES:,} values: send fewer inputs")
    return json.loads(body)
