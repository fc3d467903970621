"""Several things at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.queries.together import in_turn, together


def test_results_stand_in_their_order() -> None:
    """Whoever ends first, results are in the order they were asked in."""

    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return turns

    asked = [5, 1, 9, 0, 3]
    makers: list[Callable[[], Awaitable[int]]] = [lambda turns=turns: after(turns) for turns in asked]

    assert asked == asyncio.run(together(makers, 3))
    assert [] == asyncio.run(together([], 3))


@pytest.mark.parametrize("most", [1, 2, 7])
def test_no_more_than_allowed_are_under_way(most: int) -> None:
    """At each moment at most so many have begun and not ended, and so many do where there are enough."""
    under_way, seen = 0, 0

    async def one() -> None:
        nonlocal under_way, seen
        under_way += 1
        seen = max(seen, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    asyncio.run(together([one] * 20, most))

    assert most == seen


def test_the_first_that_fails_ends_the_others() -> None:
    """Its error comes as it is, not in a group, and nobody goes on for nobody."""
    ended: list[bool] = []

    async def fail() -> None:
        raise KeyError("no")

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(True)
            raise

    with pytest.raises(KeyError, match="no"):
        asyncio.run(together([wait, fail], 2))

    assert [True] == ended


@pytest.mark.parametrize(("most", "outer", "inner"), [(1, 3, 3), (4, 5, 6), (7, 2, 2)])
def test_what_is_done_in_turn_is_bounded_however_it_is_nested(most: int, outer: int, inner: int) -> None:
    """Within several things of which each does several, no more work is under way than the outermost allows; none waits for ever."""
    under_way, seen, done = 0, 0, 0

    async def leaf() -> None:
        nonlocal under_way, seen, done
        under_way += 1
        seen = max(seen, under_way)
        await asyncio.sleep(0)
        under_way, done = under_way - 1, done + 1

    async def nested() -> None:
        await together([lambda: in_turn(leaf)] * inner, 100)

    asyncio.run(asyncio.wait_for(together([nested] * outer, most), 10))

    assert (outer * inner, min(most, outer * inner)) == (done, seen)


def test_outside_of_all_that_nothing_waits() -> None:
    """What one request does has no turn to wait for, nor has the next when it is done."""

    async def one() -> int:
        return 1

    async def use() -> list[int]:
        first = await together([lambda: in_turn(one)], 1)
        return [*first, *await asyncio.gather(*(in_turn(one) for _ in range(5)))]

    assert [1] * 6 == asyncio.run(use())
