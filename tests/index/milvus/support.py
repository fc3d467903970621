"""A milvus-lite in this process: behind a file, or behind a port as a server is."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from index.milvus.connection import Connection
from index.milvus.target import Target, target_of


def opened(path: Path) -> Connection:
    """A connection to the milvus-lite in that file."""
    return Connection.open(target_of(str(path)))


class Server:
    """A milvus-lite that listens on a port, and can be stopped and started again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: tuple[Any, Any] | None = None
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen; the second time on the same port."""
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        server, database, self.port = start_server_in_thread(str(self._path), port=self.port)
        self._running = server, database

    def stop(self) -> None:
        """Hang up on everybody."""
        if self._running is not None:
            server, database = self._running
            server.stop(0).wait()
            database.close()
            self._running = None

    @property
    def target(self) -> Target:
        """Where it is."""
        return target_of(f"milvus://127.0.0.1:{self.port}")


@contextmanager
def serving(path: Path) -> Generator[Server]:
    """A server for as long as the block lasts."""
    server = Server(path)
    try:
        yield server
    finally:
        server.stop()
