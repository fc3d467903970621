"""How urgent a request is: RFC 9218's `Priority: u=0…7`, where 0 is first, 3 is usual, and from 5 on nobody watches.

That, and which request it is, travels with the request's task, not through every signature: `MicroBatcher.submit` reads it.
"""

import re
from contextvars import ContextVar

USUAL, BATCH, LAST = 3, 5, 7
# Of the service's own look at itself, which no client can say: before all others, and in nobody's place.
PROBE = -1
# Somebody who waits passes by who does not, but for no more than this many seconds a step: what waits gets its turn.
STEP_S = 0.5

_said: ContextVar[int | None] = ContextVar("urgency", default=None)
_asker: ContextVar[object] = ContextVar("asker")
# a dictionary of structured fields (RFC 8941): members are parted by commas, and of equal names the last one counts
_MEMBER = re.compile(r"[ \t]*u=([0-7])[ \t]*(?:;.*)?")


def urgency_of(header: str | None) -> int | None:
    """What a `Priority` header says; None when it says nothing that can be understood, as RFC 9218 wants it."""
    members = [_MEMBER.fullmatch(member) for member in (header or "").split(",")]
    found = [int(member.group(1)) for member in members if member]
    return found[-1] if found else None


def begin(header: str | None) -> None:
    """A request begins: what was said before is another one's."""
    _said.set(urgency_of(header))
    _asker.set(object())


def prefer(urgency: int) -> None:
    """What this request is when its client did not say."""
    if _said.get() is None:
        _said.set(urgency)


def urgency() -> int:
    """Of the request that asks."""
    said = _said.get()
    return USUAL if said is None else said


def asker() -> object:
    """The request that asks: itself in all of its tasks, another one in each other; outside of requests everything is."""
    return _asker.get(None) or object()


def handicap_s(urgency: int) -> float:
    """Seconds that a request is served later than one of usual urgency that came with it; negative: sooner."""
    return STEP_S * (urgency - USUAL)
