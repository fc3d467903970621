"""A token bucket in one number: the generic cell rate algorithm (ITU-T I.371). Pure: it is told the time.

The number is when the bucket will be full again, in microseconds, whole ones: what is added up a million times stays exact,
in Redis too, whose numbers are doubles.
"""

import math
from typing import NamedTuple

SECOND = 1_000_000


class Rate(NamedTuple):
    """How fast: one request each *step* microseconds, of which *burst* may come at once."""

    step: int
    burst: int

    @classmethod
    def of(cls, per_s: float) -> "Rate":
        """So many a second, and as many at once as a second has."""
        return cls(max(1, round(SECOND / per_s)), max(1, math.ceil(per_s)))


class Verdict(NamedTuple):
    """What becomes of one request.

    Attributes:
        full_at: the number to keep, microseconds.
        wait: until this one may come, microseconds; 0 = now.
        remaining: requests that may still come at once.
    """

    full_at: int
    wait: int
    remaining: int


def spend(full_at: int, now: int, rate: Rate, cost: int = 1) -> Verdict:
    """Take *cost*, at most a whole burst, from the bucket that is full at *full_at*; 0 = it was never used.

    Both times are in microseconds of one clock.
    """
    room = rate.burst * rate.step
    # a clock that was set back must not close the bucket for longer than it takes to fill
    begun = min(max(full_at, now), now + room)
    wait = begun + cost * rate.step - room - now
    if wait > 0:
        return Verdict(begun, wait, 0)
    return Verdict(begun + cost * rate.step, 0, -wait // rate.step)
