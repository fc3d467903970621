"""Shares of what fetching takes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import QueueFull
from service.guard.shares import Places, Room


@given(names=st.lists(st.sampled_from("abc"), max_size=40))
def test_no_host_has_more_than_its_share(names: list[str]) -> None:
    """Whoever asks for whatever, at no time are there more of one host, or of all, than may be; and all get their turn."""

    async def ask() -> None:
        places, under_way, done = Places(5, 2, 100), list[str](), list[str]()

        async def one(name: str) -> None:
            async with places.one(name, asyncio.get_running_loop().time() + 60):
                under_way.append(name)
                assert len(under_way) <= 5
                assert under_way.count(name) <= 2
                await asyncio.sleep(0)
                under_way.remove(name)
                done.append(name)

        await asyncio.gather(*(one(name) for name in names))
        assert sorted(names) == sorted(done)
        assert 0 == places.known

    asyncio.run(ask())


def test_all_places_may_be_taken() -> None:
    """Where hosts together have all of them, who gets none in time is told that, and another time gets one."""

    async def ask() -> None:
        places = Places(1, 1, 10)
        now = asyncio.get_running_loop().time
        async with places.one("a", now() + 60):
            with pytest.raises(QueueFull, match="1 pictures are being fetched, and this one's turn"):
                async with places.one("b", now() + 0.05):
                    raise AssertionError("there was none")
        async with places.one("b", now()):
            pass

    asyncio.run(ask())


@given(sizes=st.lists(st.integers(0, 60), max_size=20))
def test_a_room_holds_no_more_than_it_has(sizes: list[int]) -> None:
    """What does not fit is refused and takes nothing; what is let go can be taken again."""
    room = Room(100)
    for _ in range(2):
        with room.held() as held:
            for size in sizes:
                before = held.size
                try:
                    held.add(size)
                except QueueFull:
                    assert before + size > 100
                    assert before == held.size
            assert held.size <= 100


def test_half_of_a_room_is_for_those_that_have_begun() -> None:
    """From half of it on nobody new begins, until enough was let go; who has begun goes on."""

    async def ask() -> None:
        room, now = Room(100), asyncio.get_running_loop().time
        with room.held() as held:
            held.add(50)
            with pytest.raises(QueueFull, match="wait to be embedded"):
                await room.begin(now() + 0.02)
            held.add(50)
            late = asyncio.create_task(room.begin(now() + 60))
            await asyncio.sleep(0)
            assert not late.done()
        await late

    asyncio.run(ask())
