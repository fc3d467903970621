"""Equal requests at one time are computed once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import DeadlineExceeded, QueueFull

R = TypeVar("R")


@dataclass
class _Flight(Generic[R]):
    task: "asyncio.Future[R]"
    waiting: int = 0


class SingleFlight(Generic[R]):
    """Shares the result of a computation that is under way with whoever asks for the same key."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[R]] = {}

    async def run(self, key: str, compute: Callable[[], Awaitable[R]]) -> R:
        """Await *compute*, begun for this caller or for an earlier one.

        A caller that goes away does not take the result from the others; with the last one the work is cancelled. That an
        earlier one's time was up, or that it was refused, says nothing of who joined it: it asks once more, for itself.

        Raises:
            Exception: whatever *compute* raises.
        """
        joins = self._under_way(key) is not None
        try:
            return await self._share(key, compute)
        except (DeadlineExceeded, QueueFull):
            if not joins:
                raise
        # together with others who joined as late: all have as much time as the new computation gets, or end by themselves
        return await self._share(key, compute)

    def _under_way(self, key: str) -> _Flight[R] | None:
        flight = self._flights.get(key)
        # one that has failed is there until all have heard of it
        return None if flight is None or flight.task.done() else flight

    async def _share(self, key: str, compute: Callable[[], Awaitable[R]]) -> R:
        flight = self._under_way(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.ensure_future(compute()))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
                if self._flights.get(key) is flight:
                    del self._flights[key]
