"""Request bodies are bounded: each in its size and in the time it may take, and all of them together in their memory."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyPacked, BodyTooLarge, BodyTooSlow, QueueFull

# Bodies of the largest size that may be held at a time. Unfolded, one takes three times its size: at the default limit
# that is 600 MB of the two gigabytes, and as spooled uploads 192 of the 256 MB, that docker-compose.yml grants.
HELD_AT_A_TIME = 6
# What asks by words is read even then: 10,000 connections send no more than 160 MB of it.
SMALL_BYTES = 16 * 1024
# A client that sends more slowly holds memory that others need: a megabit a second.
SLOWEST_BYTES_PER_S = 128 * 1024


class BodyLimit:
    """ASGI middleware: what a body breaks is raised where the body is read, and answered like every other error.

    Args:
        app: what reads the bodies.
        max_bytes: of one body, by Content-Length and by what really comes.
        patience_s: time for a body of no bytes, and the longest that nothing may come; each `SLOWEST_BYTES_PER_S` that have
            come give one second more.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, patience_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._patience_s = patience_s
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        refused = not declared.isdigit() or int(declared) > self._max_bytes
        encoding = headers.get(b"content-encoding", b"").strip().decode("latin-1")
        read, more, unread = 0, True, b"transfer-encoding" in headers or declared != b"0"
        packed = unread and encoding.lower() not in ("", "identity")
        now = asyncio.get_running_loop().time
        until = now() + self._patience_s

        async def bounded() -> Message:
            nonlocal read, more, unread, until
            if not more:
                return await receive()
            if refused:
                raise self._too_large()
            if packed:
                # what is unpacked may be of any size; and what nobody unpacks reads as something else that is wrong with it
                raise BodyPacked(
                    f"the body is packed (content-encoding: {encoding[:40]}): send it as it is, without that header"
                )
            message = await _in_time(receive, until)
            size = len(message.get("body", b""))
            # who was fast has no leave to stall for longer: what it sent is memory that others wait for
            until = min(until + size / SLOWEST_BYTES_PER_S, now() + self._patience_s)
            read += size
            self._held += size
            more = unread = message.get("more_body", False)
            if read > self._max_bytes:
                raise self._too_large()
            if self._held > HELD_AT_A_TIME * self._max_bytes and read > SMALL_BYTES:
                raise QueueFull("other requests fill the memory for bodies")
            return message

        async def ended(message: Message) -> None:
            # else the server would go on reading what nobody wants, for as long as a client likes to send
            if unread and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, bounded, ended)
        finally:
            self._held -= read

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the request has more than {self._max_bytes:,} bytes: send smaller images, or fewer")


async def _in_time(receive: Receive, until: float) -> Message:
    try:
        async with asyncio.timeout_at(until):
            return await receive()
    except TimeoutError:
        raise BodyTooSlow(
            f"the body comes at less than {SLOWEST_BYTES_PER_S:,} bytes a second: send it over a faster line"
        ) from None
