"""The circuit breaker: whatever happens in whatever order, few calls fail of it and few probes are made."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.caching.breaker import Breaker

FIRST_S, LONGEST_S = 0.1, 2.0
MOMENTS = st.floats(0, 8, allow_nan=False)


class BreakerMachine(RuleBasedStateMachine):
    """A breaker whose clock, calls and probes hypothesis moves; beside it, what it must do in the plainest words."""

    @initialize(failures=st.integers(1, 4), chance=st.randoms(use_true_random=False))
    def begin(self, failures: int, chance: Random) -> None:
        """A closed breaker at moment 100."""
        self.drawn: list[tuple[float, float]] = []

        def draw(low: float, high: float) -> float:
            self.drawn.append((low, high))
            return chance.uniform(low, high)

        self.breaker = Breaker(failures=failures, first_pause_s=FIRST_S, longest_pause_s=LONGEST_S, draw=draw)
        self.failures = failures
        self.now = 100.0
        self.under_way: list[float] = []
        self.rounds: list[float] = []
        self.opened_at: float | None = None

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        """The clock goes on."""
        self.now += seconds

    @precondition(lambda self: self.breaker.state == "closed")
    @rule()
    def a_call_begins(self) -> None:
        """Whoever finds it closed calls."""
        self.under_way.append(self.now)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 10))
    def a_call_works(self, which: int) -> None:
        """An answer ends what failed before it, whenever its call began; it never closes what is open."""
        self.under_way.pop(which % len(self.under_way))
        before = self.breaker.state
        self.breaker.worked()
        self.rounds = []

        assert before == self.breaker.state

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 10))
    def a_call_fails(self, which: int) -> None:
        """It opens exactly when as many rounds of calls as it was told failed in a row."""
        began = self.under_way.pop(which % len(self.under_way))
        was_closed = self.breaker.state == "closed"
        if was_closed and (not self.rounds or began >= self.rounds[-1]) and not self._is_stale(began):
            self.rounds.append(self.now)
        opened = self.breaker.failed(began, self.now)

        assert opened == (was_closed and len(self.rounds) == self.failures)
        if opened:
            self.opened_at, self.rounds = self.now, []

    @rule()
    def a_probe_is_asked_for(self) -> None:
        """One is due only when open for its pause; then no second one."""
        due = self.breaker.probe_due(self.now)

        if due:
            assert self.opened_at is not None
            assert self.now >= self.opened_at + self.breaker.pause_s
            assert "half-open" == self.breaker.state
        assert not self.breaker.probe_due(self.now)

    @precondition(lambda self: self.breaker.state == "half-open")
    @rule(worked=st.booleans())
    def the_probe_ends(self, worked: bool) -> None:
        """Its outcome alone decides whether it closes or stays open."""
        self.breaker.probed(worked=worked, now=self.now)

        assert ("closed" if worked else "open") == self.breaker.state
        if worked:
            self.closed_at = self.now
        else:
            self.opened_at = self.now

    @invariant()
    def pauses_are_bounded(self) -> None:
        """A pause is never shorter than the first nor longer than the longest, nor thrice the one before."""
        if self.breaker.state != "closed":
            assert FIRST_S <= self.breaker.pause_s <= LONGEST_S
        assert all(low == FIRST_S and FIRST_S <= high / 3 <= LONGEST_S + 1e-9 for low, high in self.drawn)

    closed_at = float("-inf")

    def _is_stale(self, began: float) -> bool:
        # a call from before the last round that was counted, or from before it closed
        return began < max(self.closed_at, self.opened_at or float("-inf"), *self.rounds, float("-inf"))


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def opened(breaker: Breaker, now: float) -> None:
    """Let calls fail until it opens."""
    while not breaker.failed(now, now):
        now += 0.001


def test_calls_that_were_under_way_together_count_once() -> None:
    """A hundred requests that waited for one stop of Redis are one failure, not a hundred."""
    breaker = Breaker(failures=2)

    assert not any(breaker.failed(began=1.0, now=1.02 + number / 1e6) for number in range(100))
    assert breaker.failed(began=1.03, now=1.05)


def test_a_call_from_before_it_closed_opens_nothing() -> None:
    """A failure that comes late, of a call from before the outage, says nothing of Redis now."""
    breaker = Breaker(failures=1)
    opened(breaker, 1.0)
    assert breaker.probe_due(2.0)
    breaker.probed(worked=True, now=2.1)

    assert not breaker.failed(began=0.9, now=2.2)
    assert "closed" == breaker.state


@given(st.lists(st.floats(0, 1), min_size=20, max_size=20))
@settings(max_examples=25, deadline=None)
def test_pauses_grow_to_the_longest_and_begin_anew(chances: list[float]) -> None:
    """While probes fail, pauses stay within their bounds; after calls that worked the first one comes again."""
    given_chances = iter(chances * 3)
    breaker = Breaker(failures=1, draw=lambda low, high: low + (high - low) * next(given_chances))
    now = 10.0
    opened(breaker, now)
    pauses = [breaker.pause_s]
    for _ in range(10):
        now += breaker.pause_s
        assert breaker.probe_due(now)
        breaker.probed(worked=False, now=now)
        pauses.append(breaker.pause_s)
    now += breaker.pause_s
    assert breaker.probe_due(now)
    breaker.probed(worked=True, now=now)

    assert all(FIRST_S <= after <= min(LONGEST_S, 3 * before) for before, after in pairwise(pauses))
    for _ in range(50):
        breaker.worked()
    opened(breaker, now + 0.1)
    assert FIRST_S == breaker.pause_s


def test_trouble_that_comes_back_at_once_does_not_begin_anew() -> None:
    """A server that answers probes and little else is asked less and less often, however seldom there are calls."""
    breaker = Breaker(failures=1, draw=lambda _, high: high)
    now, pauses = 1.0, list[float]()
    for _ in range(5):
        assert breaker.failed(now, now)
        pauses.append(round(breaker.pause_s, 6))
        now += breaker.pause_s
        assert breaker.probe_due(now)
        breaker.probed(worked=True, now=now)
        for _ in range(49):
            breaker.worked()
        now += 3600

    assert [0.1, 0.3, 0.9, 2.0, 2.0] == pauses


def test_an_outcome_that_nobody_asked_for_is_refused() -> None:
    """Only a probe that is under way has an outcome."""
    with pytest.raises(ValueError, match="probe_due"):
        Breaker().probed(worked=True, now=1.0)
