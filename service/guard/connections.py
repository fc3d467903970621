"""Connections that cost little and end: uvicorn has no time limit on a request's head, no size limit on it, and none on who reads.

One that says nothing, or whose head does not come to its end, is closed in time; one whose head is too large gets 431; one that does not read
its answer is cut; and when there are too many, the one that has been idle the longest makes room.
"""

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.guard.body_limit import SLOWEST_BYTES_PER_S

# As nginx and Node allow, and more than any browser sends. What is read at once (256 KiB) comes on top.
MAX_HEAD_BYTES = 64 * 1024
# How often it is looked whether a client that is slow to read has read: so long may nothing happen at all.
STALL_S = 10.0
# Requests that may wait on one connection for the answers before them: each is 2 KB here, and 18 bytes on the line.
MAX_PIPELINED = 16
_NO_LINGER = struct.pack("ii", 1, 0)
# For a connection that rests when the server is going.
LAST_WORD_S = 0.2
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Bounds:
    """What the connections of one server may take.

    Attributes:
        most: connections at a time.
        head_s: time for the head of a request, from its first byte, or from the connection's beginning.
        stall_s: time in which a client must read what a slow line can carry.
    """

    most: int
    head_s: float
    stall_s: float = STALL_S
    idle: "dict[GuardedProtocol, None]" = field(default_factory=dict["GuardedProtocol", None], repr=False)

    def protocol(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> asyncio.Protocol:
        """One connection's, as uvicorn asks for it."""
        return GuardedProtocol(self, config, server_state, app_state, _loop)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol within `Bounds`."""

    def __init__(
        self,
        bounds: Bounds,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        # bytes of a head that has not come to its end, and of what else was read and is no body: trailers, chunks' lengths
        self._unclaimed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; another connection may have to make room."""
        super().connection_made(transport)
        if len(self.connections) > self._bounds.most:
            # the longest idle; where all are at work it is the new one that finds no room
            leaving = next(iter(self._bounds.idle), self)
            # it ends only after this turn of the loop, in which others may come: for each another must leave
            self._bounds.idle.pop(leaving, None)
            leaving.transport.abort()
        self._rest()
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with all that was waited for."""
        super().connection_lost(exc)
        self._bounds.idle.pop(self, None)
        self._head_timer = _ended(self._head_timer)
        self._stall_timer = _ended(self._stall_timer)

    def data_received(self, data: bytes) -> None:
        """Take what has come, if it may still come."""
        self._unclaimed += len(data)
        super().data_received(data)
        if self._unclaimed > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self._head_timer is not None:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= MAX_PIPELINED:
            # the parser takes it for a fault of the client's, which it is: 400, and the connection ends
            raise ValueError("too many requests are sent ahead of their answers")
        super().on_message_begin()
        if self._head_timer is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._head_timer = _ended(self._head_timer)
        self._bounds.idle.pop(self, None)
        self._unclaimed = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of its body; what frames it may be as long again, many times over, for chunks may be small."""
        self._unclaimed = max(0, self._unclaimed - 16 * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is here as a whole."""
        self._unclaimed = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered."""
        super().on_response_complete()
        if not self.pipeline:
            self._rest()

    def shutdown(self) -> None:
        """The server is going. Who has just connected is about to ask: closing now would break that request."""
        if self in self._bounds.idle:
            self.loop.call_later(LAST_WORD_S, super().shutdown)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        if self._stall_timer is None:
            self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._stall_timer = _ended(self._stall_timer)

    def _rest(self) -> None:
        if not self.transport.is_closing():
            self._bounds.idle[self] = None

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self._bounds.head_s, self.transport.abort)

    def _watch(self, before: int) -> None:
        self._stall_timer = self.loop.call_later(self._bounds.stall_s, self._look, before)

    def _look(self, before: int) -> None:
        """Cut a client that has read less than a slow line carries; what waits for it is memory."""
        now = self.transport.get_write_buffer_size()
        if before - now < self._bounds.stall_s * SLOWEST_BYTES_PER_S:
            # what the kernel holds for it goes too: megabytes, for as long as the client likes
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.transport.abort()
        else:
            self._watch(now)


def _ended(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
