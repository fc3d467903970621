"""Whether something that fails is to be asked: a circuit breaker. Pure: it is told the time, and neither waits nor asks."""

import random
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Closed: all may ask. Open: none may, until a pause is over. Half-open: one probe is under way, and decides.

    Pauses grow with "decorrelated jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS 2015), so that processes
    which lost the same server do not come back to it together. What opens anew before calls have worked again goes on from
    the pause it had: a server that answers probes and little else is asked less and less often.

    Args:
        failures: in a row, that open it. Those of calls that were under way together count once.
        first_pause_s: before the first probe.
        longest_pause_s: before any probe.
        trusted: calls that must work after it closed until the first pause comes again.
        draw: a number between two.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        first_pause_s: float = 0.1,
        longest_pause_s: float = 2.0,
        trusted: int = 50,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._failures = failures
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._trusted = trusted
        self._draw = draw
        self._state: State = "closed"
        self._in_a_row = 0
        self._worked = 0
        # calls that began before this moment tell nothing new
        self._news = float("-inf")
        self._pause_s = 0.0
        self._until = 0.0

    @property
    def state(self) -> State:
        """What it is now."""
        return self._state

    @property
    def pause_s(self) -> float:
        """The pause that it makes, or made last."""
        return self._pause_s

    def worked(self) -> None:
        """A call was answered."""
        if self._state == "closed":
            self._in_a_row = 0
            self._worked += 1

    def failed(self, began: float, now: float) -> bool:
        """A call that *began* then failed *now*; whether that opened it."""
        if self._state != "closed" or began < self._news:
            return False
        self._in_a_row += 1
        self._news = now
        if self._in_a_row < self._failures:
            return False
        if self._worked >= self._trusted:
            self._pause_s = 0.0
        self._open(now)
        return True

    def probe_due(self, now: float) -> bool:
        """Whether the caller is to probe; who is told so must tell the outcome."""
        if self._state != "open" or now < self._until:
            return False
        self._state = "half-open"
        return True

    def probed(self, *, worked: bool, now: float) -> None:
        """The outcome of the probe."""
        if self._state != "half-open":
            raise ValueError("no probe is under way: ask probe_due first")
        if not worked:
            self._open(now)
            return
        self._state, self._in_a_row, self._worked = "closed", 0, 0
        self._news = now

    def _open(self, now: float) -> None:
        self._state = "open"
        grown = self._draw(self._first_pause_s, 3 * self._pause_s) if self._pause_s else self._first_pause_s
        self._pause_s = min(self._longest_pause_s, grown)
        self._until = now + self._pause_s
