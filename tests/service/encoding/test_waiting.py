"""What a batch is expected to cost, and who is refused for it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding.waiting import Ahead, BatchCost, is_refused

seconds = st.floats(0.0, 10.0)
sizes = st.integers(0, 2500)
seen = st.lists(st.tuples(sizes, seconds), max_size=40)


def learned(batches: list[tuple[int, float]]) -> BatchCost:
    """What is known after these batches."""
    cost = BatchCost()
    for size, took in batches:
        cost.observe(size, took)
    return cost


@given(size=sizes)
def test_before_any_batch_nothing_is_expected(size: int) -> None:
    """What is not known is 0: nobody is refused for a guess."""
    assert 0.0 == BatchCost().of(size)


@given(overhead=st.floats(0.001, 1.0), each=st.floats(0.0001, 0.1), some=st.lists(sizes, min_size=2, max_size=40))
def test_a_machine_that_keeps_to_a_line_is_known(overhead: float, each: float, some: list[int]) -> None:
    """When batches of two sizes or more cost a + b x, any size is foretold, also one that never ran."""
    some = [*some, 1, 1000]
    cost = learned([(size, overhead + each * size) for size in some])

    assert cost.overhead == pytest.approx(overhead, rel=1e-3, abs=1e-6)
    assert cost.of(777) == pytest.approx(overhead + each * 777, rel=1e-3)


@given(batches=seen, small=sizes, more=sizes)
def test_a_larger_batch_is_never_cheaper(batches: list[tuple[int, float]], small: int, more: int) -> None:
    """Whatever was seen, what is expected is no less than 0, finite, and grows with the size."""
    cost = learned(batches)

    assert 0.0 <= cost.of(small) <= cost.of(small + more) + 1e-9
    assert math.isfinite(cost.of(small + more))


@given(batches=st.lists(st.tuples(st.integers(1, 2500), seconds), min_size=1, max_size=40))
def test_expectations_stay_within_what_was_seen(batches: list[tuple[int, float]]) -> None:
    """A batch of the average size is expected to take no longer than the longest, nor less than the shortest."""
    cost = learned(batches)
    usual = (min(took for _, took in batches), max(took for _, took in batches))
    average = BatchCost()
    for size, _ in batches:
        average.observe(1, size)

    assert usual[0] - 1e-6 <= cost.of(average.of(1)) <= usual[1] + 1e-6


@given(size=st.integers(1, 2000), took=st.floats(0.001, 1.0), factor=st.floats(0.1, 10.0))
def test_batches_of_one_size_are_foretold(size: int, took: float, factor: float) -> None:
    """Where all batches are alike the next one is too; another size is expected in proportion."""
    cost = learned([(size, took)] * 5)

    assert cost.of(size) == pytest.approx(took)
    assert cost.of(factor * size) == pytest.approx(factor * took)


@given(before=st.floats(0.001, 10.0), after=st.floats(0.001, 10.0), count=st.integers(1, 200))
def test_a_machine_that_changes_is_known_anew(before: float, after: float, count: int) -> None:
    """However many batches ran before, sixty at another speed make up for a factor of ten thousand."""
    cost = learned([(10, before)] * count + [(10, after)] * 60)

    assert cost.of(10) == pytest.approx(after, rel=0.01, abs=0.002 * before)


def ahead(items: int, *, counted: int = 0, running_s: float = 0.0, workers: int = 1, each: int = 10) -> Ahead:
    """That many items of size *each*, batches of 8."""
    return Ahead(items, items * each, counted, running_s, workers, max_batch=8)


@given(batches=seen, items=st.integers(0, 500), more=st.integers(0, 500), running_s=seconds, longer_s=seconds)
def test_more_ahead_is_a_longer_wait(
    batches: list[tuple[int, float]], items: int, more: int, running_s: float, longer_s: float
) -> None:
    """An item waits no less when more is ahead of it, or when what runs takes longer."""
    cost = learned(batches)
    wait_s = ahead(items, running_s=running_s).wait_s(cost, 10)

    assert running_s <= wait_s
    assert wait_s <= ahead(items + more, running_s=running_s).wait_s(cost, 10) + 1e-9
    assert wait_s <= ahead(items, running_s=running_s + longer_s).wait_s(cost, 10) + 1e-9


@given(batches=seen, items=st.integers(0, 500), workers=st.integers(1, 8))
def test_more_workers_are_a_shorter_wait(batches: list[tuple[int, float]], items: int, workers: int) -> None:
    """What several workers share is done no later; an item's own batch is not done sooner."""
    cost = learned(batches)
    wait_s = ahead(items, workers=workers).wait_s(cost, 10)

    assert cost.of(10) <= wait_s <= ahead(items).wait_s(cost, 10) + 1e-9


def test_the_wait_is_that_of_the_batches_ahead() -> None:
    """20 items of 10 ahead, batches of 8, 1 s a batch and 0.01 s a unit: two batches, 200 units, and its own."""
    cost = learned([(100, 2.0), (200, 3.0)] * 20)

    assert 0.5 + 2 + 2.0 + 1.1 == pytest.approx(ahead(20, running_s=0.5).wait_s(cost, 10), rel=1e-3)


def test_who_shares_a_batch_waits_for_all_of_it() -> None:
    """7 items ahead fill its batch of 8: one worker computes that whole, and it takes no less for others that are free."""
    cost = learned([(100, 2.0), (200, 3.0)] * 20)

    for workers in (1, 2, 5):
        assert 1.8 == pytest.approx(ahead(7, workers=workers).wait_s(cost, 10), rel=1e-3)
    # an eighth begins a batch of its own, before it
    assert 1.1 / 2 + 1.8 == pytest.approx(ahead(8, workers=2).wait_s(cost, 10), rel=1e-3)


@given(own_s=seconds, others_s=seconds, longer_s=seconds, limit_s=seconds, deadline_s=seconds, is_near=st.booleans())
def test_whoever_would_wait_longer_is_refused_too(
    own_s: float, others_s: float, longer_s: float, limit_s: float, deadline_s: float, *, is_near: bool
) -> None:
    """A refusal holds for every longer wait; past the deadline nobody is let wait, who is near waits, and for itself who will."""

    def refuses(longer_s: float) -> bool:
        waits_s = others_s + longer_s
        return is_refused(waits_s + own_s, others_s=waits_s, limit_s=limit_s, deadline_s=deadline_s, is_near=is_near)

    refused, wait_s = refuses(0.0), others_s + own_s
    assert not refused or refuses(longer_s)
    assert refused or wait_s <= deadline_s
    assert not (refused and is_near) or wait_s > deadline_s
    assert refused or is_near or others_s <= limit_s
    assert not refused or wait_s > deadline_s or others_s > limit_s


@given(items=st.integers(0, 40), counted=st.integers(0, 40), workers=st.integers(1, 4))
def test_two_batches_are_near(items: int, counted: int, workers: int) -> None:
    """An item is near so long as two batches hold it and all that count, however many workers there are."""
    assert (counted + 1 <= 16) is ahead(items, counted=counted, workers=workers).is_near


@given(counted=st.integers(0, 40), workers=st.integers(1, 8))
def test_who_works_one_by_one_has_two_each(counted: int, workers: int) -> None:
    """Where a batch holds one item, each worker has one at hand and one that waits for it, whatever that takes."""
    assert (counted + 1 <= 2 * workers) is Ahead(0, 0, counted, 0.0, workers, max_batch=1).is_near
