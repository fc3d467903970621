"""Equal requests at one time are computed once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

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

        A caller that goes away does not take the result from the others; with the last one the work is cancelled.
        """
        flight = self._flights.get(key)
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
