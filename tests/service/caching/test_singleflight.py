"""Equal computations at one time are one."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.caching.singleflight import SingleFlight
from service.errors import DeadlineExceeded, QueueFull


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


@pytest.mark.parametrize("error", [DeadlineExceeded("its time is up"), QueueFull("busy")])
def test_who_joined_asks_once_for_itself(error: Exception) -> None:
    """The end of the first one's time, or its refusal, is its own: those who joined share another run, and what that gives."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        go = asyncio.Event()
        runs: list[int] = []

        async def fails(until: int) -> int:
            runs.append(len(runs))
            await go.wait()
            if len(runs) <= until:
                raise error
            return 7

        async def three(until: int) -> list[int | BaseException]:
            runs.clear()
            go.clear()
            callers = [asyncio.ensure_future(flights.run("a", lambda: fails(until))) for _ in range(3)]
            await asyncio.sleep(0)
            go.set()
            return await asyncio.gather(*callers, return_exceptions=True)

        assert [error, 7, 7] == await three(1)
        assert [0, 1] == runs
        # once, and no more
        assert [error, error, error] == await three(9)
        assert [0, 1] == runs

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


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("asks"), st.sampled_from("ab")),
            st.tuples(st.just("leaves"), st.integers(0, 20)),
            st.tuples(st.just("done"), st.sampled_from("ab")),
            st.tuples(st.just("fails"), st.sampled_from("ab")),
        ),
        max_size=30,
    )
)
@settings(max_examples=60, deadline=None)
def test_whoever_comes_and_goes_in_whatever_order(steps: list[tuple[str, str | int]]) -> None:
    """Of each key at most one computation is under way, and none that nobody waits for; who stays gets what it gave."""

    async def ask() -> None:
        flights: SingleFlight[int] = SingleFlight()
        under_way: dict[str, list[asyncio.Future[int]]] = {"a": [], "b": []}
        waiting: list[tuple[str, asyncio.Task[int]]] = []

        async def compute(key: str) -> int:
            result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            under_way[key].append(result)
            try:
                return await result
            finally:
                under_way[key].remove(result)

        for number, (what, which) in enumerate(steps):
            if what == "asks":
                key = str(which)
                waiting.append((key, asyncio.create_task(flights.run(key, lambda key=key: compute(key)))))
            elif what == "leaves" and waiting:
                key, left = waiting.pop(int(which) % len(waiting))
                left.cancel()
            elif what in ("done", "fails") and under_way[str(which)]:
                ending = under_way[str(which)][0]
                ending.set_exception(ValueError(number)) if what == "fails" else ending.set_result(number)
                ended = [task for key, task in waiting if key == which]
                waiting = [(key, task) for key, task in waiting if key != which]
                told = await asyncio.gather(*ended, return_exceptions=True)
                assert [number] * len(ended) == [
                    each.args[0] if isinstance(each, ValueError) else each for each in told
                ]
            for _ in range(4):
                await asyncio.sleep(0)
            assert {key: int(key in [each for each, _ in waiting]) for key in "ab"} == {
                key: len(runs) for key, runs in under_way.items()
            }
        for _, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)

    asyncio.run(ask())
