"""JSON bodies, bounded in what they unfold to, and read off the event loop when they are large."""

import asyncio
import json

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
# Looked at at a time: what looks has the interpreter to itself for a few milliseconds. Even, so that a piece of nothing but
# backslashes ends no escape in its middle.
_PIECE_BYTES = 2**20
_QUOTE = ord('"')
# by how much each octet goes deeper
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1
_MARKS = _STEPS != 0
_MARKS[_QUOTE] = True


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
    encoding = json.detect_encoding(body)
    if not encoding.startswith("utf-8"):
        # the octets of other characters look like brackets, quotes and escapes there
        body = body.decode(encoding, "surrogatepass").encode(errors="surrogatepass")
    if len(body) >= _LARGE_BYTES and _count(body, b",[{") > MAX_VALUES:
        raise HTTPException(413, f"the JSON has more than {MAX_VALUES:,} values: send fewer inputs")
    # there are no more, and they go no deeper, than it has brackets and quotes
    if _count(body, b"[{") > MAX_DEPTH or (len(body) >= _LARGE_BYTES and _count(body, b'[{"') > MAX_PARTS):
        _check_shape(body)
    try:
        # pydantic's reader takes a fifth of the time, for which nobody else has the interpreter
        return pydantic_core.from_json(body)
    except ValueError:
        # halves of characters, or a mark of the order of octets; or it is no JSON, and this says so as FastAPI understands it
        return json.loads(body)


def _count(body: bytes, signs: bytes) -> int:
    """How many of the signs are in the body; NumPy lets others go on meanwhile, and is five times as fast as `bytes.count`."""
    if len(body) < _LARGE_BYTES:
        return sum(body.count(sign) for sign in signs)
    octets = np.frombuffer(body, np.uint8)
    return sum(int(np.count_nonzero(octets == sign)) for sign in signs)


def _check_shape(body: bytes) -> None:
    parts = depth = begin = 0
    in_string = False
    while begin < len(body):
        piece = body[begin : begin + _PIECE_BYTES]
        # an escape is not cut in two; at the body's end it is no JSON
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and len(piece) > 1:
            piece = piece[:-1]
        begin += len(piece)
        octets = np.frombuffer(piece.replace(b"\\\\", b"  ").replace(b'\\"', b"  "), np.uint8)
        marks = octets[_MARKS[octets]]
        quotes = marks == _QUOTE
        in_strings = (np.cumsum(quotes) + in_string) % 2 == 1
        # brackets in strings, of which a text may be full, are no lists
        steps = np.where(in_strings, 0, _STEPS[marks])
        depths = depth + np.cumsum(steps)
        parts += int(np.count_nonzero(quotes & in_strings)) + int(np.count_nonzero(steps == 1))
        if parts > MAX_PARTS:
            raise HTTPException(
                413, f"the JSON has more than {MAX_PARTS:,} lists, objects, names and strings: send fewer inputs"
            )
        # what closes more than it opened is no JSON, and is told so by who reads it
        if np.max(depths, initial=0) > MAX_DEPTH:
            raise HTTPException(400, f"the JSON is more than {MAX_DEPTH} lists and objects deep: send it flatter")
        if len(marks):
            depth, in_string = int(depths[-1]), bool(in_strings[-1])
