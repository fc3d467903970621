"""Several things of one request at a time, but not so many that they fill the queues: for others, and for itself."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Made = TypeVar("Made")

_turns: ContextVar[asyncio.Semaphore | None] = ContextVar("turns", default=None)


async def together(makers: Sequence[Callable[[], Awaitable[Made]]], at_a_time: int) -> list[Made]:
    """What each of *makers* makes, in their order; with the first that fails the others end, and its error is raised.

    Args:
        makers: begin nothing before they are called.
        at_a_time: most that are under way; and of what they do `in_turn`, however they are nested, all of them together.
    """
    begin = asyncio.Semaphore(at_a_time)

    async def one(make: Callable[[], Awaitable[Made]]) -> Made:
        async with begin:
            return await make()

    with _shared(at_a_time):
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(make)) for make in makers]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def in_turn(make: Callable[[], Awaitable[Made]]) -> Made:
    """What *make* makes, when it is its turn within the outermost `together`; it must not do anything in turn itself."""
    turns = _turns.get()
    if turns is None:
        return await make()
    async with turns:
        return await make()


@contextmanager
def _shared(at_a_time: int) -> Generator[None]:
    if _turns.get() is not None:
        yield
        return
    token = _turns.set(asyncio.Semaphore(at_a_time))
    try:
        yield
    finally:
        _turns.reset(token)
