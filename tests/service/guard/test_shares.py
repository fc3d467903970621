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


@given(sizes=st.lists(st.integers(0, 100), max_size=30), kept=st.integers(0, 100))
def test_a_room_holds_no_more_than_it_has(sizes: list[int], kept: int) -> None:
    """Whatever is wanted at the same time, no more is held than there is; all get theirs in turn, and all of it is free again."""

    async def ask() -> None:
        room, held_now, done = Room(100), 0, list[int]()

        async def one(size: int) -> None:
            nonlocal held_now
            with room.held() as held:
                await held.take(size, asyncio.get_running_loop().time() + 60)
                held_now += size
                assert held_now <= 100
                await asyncio.sleep(0)
                held.keep(min(size, kept))
                held_now -= size - held.size
                await asyncio.sleep(0)
                held_now -= held.size
            done.append(size)

        await asyncio.gather(*(one(size) for size in sizes))
        assert sorted(sizes) == sorted(done)
        await room.take(100, asyncio.get_running_loop().time())

    asyncio.run(ask())


def test_who_came_first_is_served_first() -> None:
    """A large picture gets room though small ones keep coming: they wait behind it."""

    async def ask() -> list[int]:
        room, until, served = Room(100), asyncio.get_running_loop().time() + 60, list[int]()

        async def one(size: int) -> None:
            with room.held() as held:
                await held.take(size, until)
                served.append(size)
                await asyncio.sleep(0)

        await asyncio.gather(*(one(size) for size in [50, 100, 1, 2, 3]))
        return served

    assert [50, 100, 1, 2, 3] == asyncio.run(ask())


def test_who_gets_no_room_is_told_and_takes_none() -> None:
    """In time or not at all: who waited in vain, or went meanwhile, leaves the room as it was."""

    async def ask() -> None:
        room, now = Room(100), asyncio.get_running_loop().time
        with room.held() as held:
            await held.take(60, now() + 60)
            with pytest.raises(QueueFull, match="fill the 100 bytes"):
                await room.take(41, now() + 0.02)
            gone = asyncio.create_task(room.take(41, now() + 60))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait([gone])
            await room.take(40, now() + 60)
        await room.take(60, now() + 60)

    asyncio.run(ask())
