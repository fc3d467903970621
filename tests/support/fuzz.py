"""Bytes made to find a way: pictures and JSON bodies are read or refused, and nothing else happens.

    python -m tests.support.fuzz SECONDS [TARGET]

With atheris, where it is installed, bytes are led by the coverage of our code (pictures' codecs are C, and are not seen); else pictures
and bodies that are right are damaged at random, many times a second.
"""

import asyncio
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastapi import Request
from pydantic import ValidationError

from models.decode import DecodeLimits, decode, decode_sized
from models.errors import InputError
from service.errors import ServiceError
from service.guard import json_body
from service.guard.json_body import JsonRequest
from service.schemas.query import SearchRequest
from tests.support.images import encoded, picture

LIMITS = DecodeLimits(max_bytes=2**20, max_pixels=10**6)
BODIES = (
    {"query": {"text": "a red kite"}, "limit": 3, "filter": {"field": "price", "op": "lt", "value": 50}},
    {"query": {"vector": [0.5] * 16}, "target": "texts", "offset": 10, "facets": ["colour"]},
)


def picture_of(data: bytes) -> None:
    """Decode, as a request's picture is."""
    try:
        decode(data, LIMITS)
    except InputError:
        return


def body_of(data: bytes) -> None:
    """Unfold and validate, as a search's body is."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": data, "more_body": False}

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")], "method": "POST", "path": "/"}
    try:
        request: Request = JsonRequest(scope, receive)  # type: ignore[arg-type]
        SearchRequest.model_validate(asyncio.run(request.json()))
    except (json.JSONDecodeError, ValidationError, ServiceError, UnicodeDecodeError, RecursionError):
        return


TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[bytes, ...]]] = {
    "picture": (
        picture_of,
        tuple(encoded(picture(40, 30), kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")),
    ),
    "body": (body_of, tuple(json.dumps(body).encode() for body in BODIES)),
}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, cut out, doubled or added."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place, length = chance.randrange(len(made) + 1), chance.randint(0, 16)
        kind = chance.randrange(4)
        if kind == 0 and place < len(made):
            made[place] = chance.randrange(256)
        elif kind == 1:
            del made[place : place + length]
        elif kind == 2:
            made[place:place] = made[place : place + length]
        else:
            made[place:place] = chance.randbytes(length)
    return bytes(made)


def blindly(name: str, seconds: float) -> int:
    """Try damaged inputs of one target for so long; returns how many."""
    target, seeds = TARGETS[name]
    chance, tried, until = random.Random(name), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        target(damaged(chance.choice(seeds), chance))
        tried += 1
    return tried


def led(name: str, seconds: float) -> None:
    """Try one target for so long with atheris, which ends the process; what it finds is an error."""
    import atheris

    target, seeds = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        # what is ours; codecs and pydantic's core are C and Rust, and are not seen
        for function in (decode_sized, json_body._loads, SearchRequest.reranking):
            atheris.instrument_func(function)
        atheris.Setup([sys.argv[0], f"-max_total_time={max(1, round(seconds))}", "-rss_limit_mb=4096", folder], target)
        atheris.Fuzz()


def main() -> None:
    """Try each target, or with atheris the one that is named, for so many seconds."""
    seconds, named = float(sys.argv[1]), sys.argv[2:]
    if named:
        led(named[0], seconds)
    told = [f"{name}: {blindly(name, seconds)} damaged" for name in TARGETS]
    for name in TARGETS if importlib.util.find_spec("atheris") else ():
        command = [sys.executable, "-m", "tests.support.fuzz", str(seconds), name]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        told.append(f"{name} with atheris: {next(line for line in done.stderr.splitlines() if 'DONE' in line)}")
    sys.stdout.write("; ".join(told) + "\n")


if __name__ == "__main__":
    main()
