"""Equal computations at one time are one."""

import asyncio

import pytest

from service.singleflight import SingleFlight


class Work:
    """A computation that counts its runs and waits to be let through."""

    def __init__(self) -> None:
        self.runs = 0
        self.cancelled = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.runs += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return 7


def test_equal_keys_share_one_computation() -> None:
    """Callers that ask for one key while it is being computed all get that result, from one run."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        work = Work()
        callers = [asyncio.ensure_future(flights.run("a", work)) for _ in range(5)]
        await asyncio.sleep(0)
        work.go.set()
        assert [7] * 5 == await asyncio.gather(*callers)
        assert 1 == work.runs

    asyncio.run(ask())


def test_other_keys_do_not_share() -> None:
    """Two keys are two computations."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        work = Work()
        work.go.set()
        await asyncio.gather(flights.run("a", work), flights.run("b", work))
        assert 2 == work.runs

    asyncio.run(ask())


def test_nothing_is_kept_afterwards() -> None:
    """A finished key is computed anew: this is no cache, and errors are not remembered."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        work = Work()
        work.go.set()
        await flights.run("a", work)
        await flights.run("a", work)
        assert 2 == work.runs

        async def broken() -> int:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await flights.run("a", broken)
        assert 7 == await flights.run("a", work)

    asyncio.run(ask())


def test_an_error_reaches_every_caller() -> None:
    """When the computation fails, all who wait for it get its error."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()

        async def broken() -> int:
            await asyncio.sleep(0)
            raise ValueError("no")

        results = await asyncio.gather(*(flights.run("a", broken) for _ in range(3)), return_exceptions=True)
        assert ["no"] * 3 == [str(each) for each in results]

    asyncio.run(ask())


def test_a_caller_that_leaves_takes_nothing_from_the_others() -> None:
    """The first caller's cancellation does not cancel what others wait for."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        work = Work()
        first, second = (asyncio.ensure_future(flights.run("a", work)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert 7 == await second
        assert 0 == work.cancelled

    asyncio.run(ask())


def test_the_last_caller_to_leave_ends_the_work() -> None:
    """When all who waited have gone, the computation is cancelled, and the key is free."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        work = Work()
        callers = [asyncio.ensure_future(flights.run("a", work)) for _ in range(2)]
        await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await asyncio.sleep(0)
        assert 1 == work.cancelled
        work.go.set()
        assert 7 == await flights.run("a", work)

    asyncio.run(ask())
