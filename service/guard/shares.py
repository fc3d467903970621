"""What pictures that are fetched may take: places to be fetched in, of which one host has few, and memory until they are embedded."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from service.errors import QueueFull


class _Host:
    def __init__(self, share: int) -> None:
        self.turn = asyncio.Semaphore(share)
        self.asking = 0


class Places:
    """Places for downloads: a host that hangs fills its own share, and whoever asks another goes past it.

    Args:
        most: of all hosts together.
        share: of one host.
        queue: that ask for one host's at a time, those that have one included.
    """

    def __init__(self, most: int, share: int, queue: int) -> None:
        self._most = most
        self._share = share
        self._queue = queue
        self._all = asyncio.Semaphore(most)
        self._hosts: dict[str, _Host] = {}

    @property
    def known(self) -> int:
        """Hosts that anything is asked of: others are forgotten."""
        return len(self._hosts)

    @asynccontextmanager
    async def one(self, name: str, until: float) -> AsyncGenerator[None]:
        """A place for a download from the host *name*, for the time of the block.

        Args:
            name: the host's.
            until: when there must be one, in the event loop's time.

        Raises:
            QueueFull: there is none in time; says whose.
        """
        host = self._hosts.setdefault(name, _Host(self._share))
        shown = name[:100]
        if host.asking >= self._queue:
            raise QueueFull(f"{host.asking} pictures are asked of {shown} already")
        others = host.asking
        host.asking += 1
        try:
            # the host's first: who waits for a slow one has nothing that others wait for
            why = f"{others} other pictures are asked of {shown}, {self._share} at a time"
            async with (
                _turn(host.turn, until, why),
                _turn(self._all, until, f"{self._most} pictures are being fetched"),
            ):
                yield
        finally:
            host.asking -= 1
            if not host.asking:
                del self._hosts[name]


@asynccontextmanager
async def _turn(turn: asyncio.Semaphore, until: float, why: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout_at(until):
            await turn.acquire()
    except TimeoutError as error:
        raise QueueFull(f"{why}, and this one's turn did not come in time") from error
    try:
        yield
    finally:
        turn.release()


class Held:
    """What one picture holds of a room."""

    def __init__(self, room: "Room") -> None:
        self.size = 0
        self._room = room

    async def take(self, size: int, until: float) -> None:
        """Wait for so many bytes more; no longer than *until*, in the event loop's time.

        Raises:
            QueueFull: they do not become free in time.
        """
        await self._room.take(size, until)
        self.size += size

    def keep(self, size: int) -> None:
        """Give back what is held beyond so many bytes."""
        self._room.give_back(self.size - size)
        self.size = size


class Room:
    """Memory for pictures that are being fetched, and that were and wait to be embedded.

    Who takes of it has all that it needs before it begins: of those that began none waits for another that waits for it.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        # who came first is served first: a large picture would else wait for as long as small ones come
        self._turn = asyncio.Lock()
        self._given_back = asyncio.Event()

    @contextmanager
    def held(self) -> Generator[Held]:
        """Count what one picture holds, until the block is left."""
        one = Held(self)
        try:
            yield one
        finally:
            one.keep(0)

    async def take(self, size: int, until: float) -> None:
        """Wait for so many bytes; raises QueueFull as `Held.take`."""
        try:
            async with asyncio.timeout_at(until), self._turn:
                while self._free < size:
                    self._given_back.clear()
                    await self._given_back.wait()
                self._free -= size
        except TimeoutError as error:
            raise QueueFull(
                f"pictures that are being fetched, or wait to be embedded, fill the {self._most:,} bytes for them"
            ) from error

    def give_back(self, size: int) -> None:
        """So many bytes are free again."""
        self._free += size
        self._given_back.set()
