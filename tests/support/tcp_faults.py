"""A TCP proxy between a service and what it talks to, which breaks as networks do."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# A piece that is passed on at a time; of a trickle a byte.
_PIECE = 64 * 1024


class TcpFaults:
    """Passes bytes on both ways. Faults are set from any thread, hold for what comes from then on, and may be put together.

    Attributes:
        port: to connect to.
        latency_s: before each piece of the answers.
        trickle_s: before each byte of the answers; 0 = whole pieces.
        silent: nothing is passed on, and nothing is closed: a peer that vanished, as a cable that was pulled.
        refusing: new connections are closed at once.
    """

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.latency_s = 0.0
        self.trickle_s = 0.0
        self.silent = False
        self.refusing = False
        self._target = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    def cut(self) -> int:
        """Break every connection, in the middle of whatever it carries; returns how many ends were cut."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def heal(self) -> None:
        """No fault from now on. What a silent peer swallowed is lost: its connections are cut."""
        self.latency_s = self.trickle_s = 0.0
        was_silent, self.silent, self.refusing = self.silent, False, False
        if was_silent:
            self.cut()

    async def _cut(self) -> int:
        cut = list(self._writers)
        for writer in cut:
            writer.transport.abort()
        return len(cut)

    async def _serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(
                self._pass(reader, back, slow=False), self._pass(onward, writer, slow=True), return_exceptions=True
            )
        finally:
            self._writers -= {writer, back}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if slow:
                    await asyncio.sleep(self.latency_s)
                step = 1 if slow and self.trickle_s else len(data)
                for start in range(0, len(data), step):
                    if slow and self.trickle_s:
                        await asyncio.sleep(self.trickle_s)
                    if self.silent:
                        break
                    writer.write(data[start : start + step])
                    await writer.drain()
        if not self.silent:
            writer.close()


@contextmanager
def faults_to(port: int) -> Iterator[TcpFaults]:
    """A proxy in front of a port of this machine, as long as the block lives."""
    proxy = TcpFaults(port)
    thread = threading.Thread(target=proxy._loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(proxy._serve(), proxy._loop).result(10)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(server.close)
        proxy.cut()
        proxy._loop.call_soon_threadsafe(proxy._loop.stop)
        thread.join(10)
