"""Several things of one request at a time, but not so many that they fill the queues for others."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Made = TypeVar("Made")


async def together(makers: Sequence[Callable[[], Awaitable[Made]]], at_a_time: int) -> list[Made]:
    """What each of *makers* makes, in their order; with the first that fails the others end, and its error is raised.

    Args:
        makers: begin nothing before they are called.
        at_a_time: most that are under way.
    """
    turn = asyncio.Semaphore(at_a_time)

    async def one(make: Callable[[], Awaitable[Made]]) -> Made:
        async with turn:
            return await make()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(make)) for make in makers]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
