"""Large JSON, a piece at each turn of the loop."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from service.queries.turns import Turns

_TURNS = 20


def order(sizes: list[int]) -> list[str]:
    """In which order pieces of these sizes are done, by tasks that are ready at one time, and what another is ready for meanwhile."""
    done: list[str] = []

    def noting(name: str) -> Callable[[], None]:
        return lambda: done.append(name)

    async def other() -> None:
        for number in range(_TURNS):
            done.append(f"other {number}")
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        turns = Turns()
        pieces = [turns.take(noting(f"piece {number}"), size=size) for number, size in enumerate(sizes)]
        await asyncio.gather(*pieces, other())

    asyncio.run(all_of_them())
    return done


def test_others_come_between_large_pieces() -> None:
    """Whoever is ready gets a turn after each of them, however many wait."""
    done = order([10**6] * 4)

    places = [place for place, name in enumerate(done) if name.startswith("piece")]
    assert all(after - before > 1 for before, after in itertools.pairwise(places))
    assert [f"piece {number}" for number in range(4)] == [done[place] for place in places]


def test_small_ones_wait_for_nobody() -> None:
    """What takes no time is done at once, beside large ones too."""
    assert ["piece 0", "piece 1", "piece 2", "piece 3"] == order([10, 10**6, 10, 10])[:4]


def test_hits_count_as_bytes() -> None:
    """What is not written yet is judged by its hits: a page of ten is small, one of a hundred is not."""
    seen: list[bool] = []

    async def use(hits: int) -> None:
        turns = Turns()
        await turns.take(lambda: seen.append(turns._one.locked()), hits=hits)

    for hits in (10, 100):
        asyncio.run(use(hits))

    assert [False, True] == seen


def test_an_error_lets_the_next_one_in() -> None:
    """What fails is raised where it was asked for, and holds up nothing behind it."""

    async def use() -> str:
        turns = Turns()

        def fail() -> None:
            raise KeyError("a")

        with pytest.raises(KeyError):
            await turns.take(fail, size=10**6)
        return await turns.take(lambda: "made", size=10**6)

    assert "made" == asyncio.run(use())
