"""Several things at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from service.together import together


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
