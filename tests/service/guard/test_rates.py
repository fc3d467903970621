"""The token bucket: what it lets in, and when it says to come back."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from service.guard.rates import SECOND, Rate, spend

RATES = st.builds(Rate, step=st.integers(1, 5 * SECOND), burst=st.integers(1, 50))
PAUSES = st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=60)


@given(rate=RATES, pauses=PAUSES)
def test_it_is_a_token_bucket(rate: Rate, pauses: list[int]) -> None:
    """It admits what a bucket of *burst* tokens, filled by one each *step*, has a token for, and knows how many are left."""
    tokens, now, full_at = Fraction(rate.burst), 10**15, 0
    for pause in pauses:
        now += pause
        tokens = min(Fraction(rate.burst), tokens + Fraction(pause, rate.step))
        verdict = spend(full_at, now, rate)

        assert (tokens >= 1) == (verdict.wait == 0)
        if verdict.wait == 0:
            tokens -= 1
            assert tokens // 1 == verdict.remaining
        full_at = verdict.full_at


@given(rate=RATES, full_at=st.integers(10**15 - 300 * SECOND, 10**15 + 300 * SECOND), data=st.data())
def test_a_dear_one_is_as_many_cheap_ones(rate: Rate, full_at: int, data: st.DataObject) -> None:
    """What costs n is let in where n would be, one after the other at that moment, and leaves as much; its wait is true."""
    now, cost = 10**15, data.draw(st.integers(1, rate.burst))
    each = full_at
    singles = [each := verdict.full_at for _ in range(cost) if not (verdict := spend(each, now, rate)).wait]

    verdict = spend(full_at, now, rate, cost)

    assert (len(singles) == cost) == (verdict.wait == 0)
    if verdict.wait:
        assert 0 == spend(verdict.full_at, now + verdict.wait, rate, cost).wait
        assert 1 == spend(verdict.full_at, now + verdict.wait - 1, rate, cost).wait
    else:
        assert singles[-1] == verdict.full_at


@given(rate=RATES, pauses=PAUSES)
def test_the_wait_is_true(rate: Rate, pauses: list[int]) -> None:
    """Who comes back when told is let in, and a microsecond sooner is not."""
    now, full_at = 10**15, 0
    for pause in pauses:
        now += pause
        verdict = spend(full_at, now, rate)
        if verdict.wait:
            assert 0 == spend(verdict.full_at, now + verdict.wait, rate).wait
            assert 1 == spend(verdict.full_at, now + verdict.wait - 1, rate).wait
        full_at = verdict.full_at


@given(rate=RATES, count=st.integers(1, 100), full_at=st.integers(0, 2**53))
def test_a_refusal_costs_nothing(rate: Rate, count: int, full_at: int) -> None:
    """However often one is refused at a moment, the wait stays the same."""
    now = 10**15
    first = spend(now + rate.burst * rate.step, now, rate)
    again = first
    for _ in range(count):
        again = spend(again.full_at, now, rate)

    assert first == again


@given(rate=RATES, full_at=st.integers(0, 2**53))
def test_a_clock_that_jumps_shuts_nobody_out(rate: Rate, full_at: int) -> None:
    """Whatever was noted, by a clock years ahead too, no wait is longer than one step."""
    assert spend(full_at, 10**15, rate).wait <= rate.step


@given(per_s=st.floats(0.001, 1_000_000))
def test_a_rate_is_what_was_asked_for(per_s: float) -> None:
    """In an hour from an empty bucket as many are let in as were asked for, within a microsecond's rounding of a step."""
    rate = Rate.of(per_s)

    assert abs(rate.step - SECOND / per_s) <= 0.5
    assert max(1.0, per_s) <= rate.burst < max(1.0, per_s) + 1
