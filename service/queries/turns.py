"""Large JSON, a piece at each turn of the event loop: to read or write it holds the interpreter, in a thread as on the loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

# Half a millisecond of reading and checking.
_SMALL_BYTES = 32 * 1024
# About what a hit takes with its captions and metadata.
_HIT_BYTES = 2 * 1024


class Turns:
    """What all requests of one loop do one after the other, so that others get their turn in between."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()

    async def take(self, work: Callable[[], Made], *, size: int = 0, hits: int = 0) -> Made:
        """What *work* makes: at once if it is small, else alone in a turn of the loop.

        Args:
            work: is not to be parted.
            size: bytes that it reads or writes, as far as they are known.
            hits: how many it reads or writes.
        """
        if size + hits * _HIT_BYTES <= _SMALL_BYTES:
            return work()
        async with self._one:
            made = work()
            # whoever comes next does so in the next turn: what is ready meanwhile goes before
            await asyncio.sleep(0)
        return made
