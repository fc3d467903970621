"""The name of one request: the caller's own if it is sane, else a new one. It is in the answer, in problems and in log lines."""

import random
import re
from collections.abc import Iterable
from contextvars import ContextVar

HEADER = b"x-request-id"
# What proxies and tracers send. Nothing that a log, a shell or a page could take for something else.
_SANE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:=+/@-]{0,127}")

# A name is no secret, and to ask the kernel for each costs as much as to parse its request. The seed is the kernel's.
_numbers = random.Random()

# Set once by the task that answers a request, which nobody else has: it needs no undoing.
_current: ContextVar[str | None] = ContextVar("request_id", default=None)
_texts: ContextVar[list[str]] = ContextVar("texts")
# Of the texts of one request, for its line in the log.
_MOST_TEXTS, _MOST_CHARS = 16, 500


def begin(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Name the request that the running task answers; returns the name."""
    given = next((value for name, value in headers if name == HEADER), b"")
    chosen = given.decode() if _SANE.fullmatch(given) else f"{_numbers.getrandbits(64):016x}"
    _current.set(chosen)
    _texts.set([])
    return chosen


def current() -> str | None:
    """The name of the request that is being answered; None outside of one."""
    return _current.get()


def note_text(text: str) -> None:
    """Keep what a client wrote for its request's line in the log; only for operators who asked for that."""
    noted = _texts.get([])
    if len(noted) < _MOST_TEXTS:
        noted.append(text[:_MOST_CHARS])


def texts() -> list[str]:
    """What was noted of the request that is being answered."""
    return _texts.get([])
