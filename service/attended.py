"""Routes whose work ends when its client has gone, or when its time is up: nothing is computed for nobody."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.encoding import urgency
from service.errors import DeadlineExceeded, QueueFull, ServiceError
from service.guard.json_body import JsonRequest

# Nobody reads it; the metrics of requests count it. The number is nginx's.
CLIENT_GONE = 499
# Most are answered sooner: to watch them would cost more than they do.
_UNWATCHED_S = 0.25

Handler = Callable[[Request], Awaitable[Response]]


class AttendedRoute(APIRoute):
    """A route with one deadline for the whole of a request, from the end of its body to its answer."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, attended."""
        handle = super().get_route_handler()
        bodyless = self.body_field is None

        async def attended(request: Request) -> Response:
            urgency.begin(request.headers.get("priority"))
            deadline_s = request.app.state.runtime.settings.deadline_s
            try:
                return await _attend(request, handle, deadline_s, bodyless=bodyless)
            except HTTPException as error:
                # FastAPI takes whatever goes wrong while it reads a body for the client's fault
                if isinstance(error.__cause__, ServiceError):
                    raise error.__cause__ from None
                if isinstance(error.__cause__, OSError):
                    raise QueueFull("there is no room for the upload now") from error
                raise

        return attended


async def _attend(request: Request, handle: Handler, deadline_s: float, *, bodyless: bool) -> Response:
    """The handler's answer; it is cancelled when the client goes or the deadline passes."""
    attendance = _Attendance(request, deadline_s)
    if bodyless:
        attendance.begin()
    try:
        async with attendance.limit:
            return await handle(JsonRequest(request.scope, attendance.receive))
    except TimeoutError:
        if attendance.gone:
            return Response(status_code=CLIENT_GONE)
        if attendance.limit.expired():
            raise DeadlineExceeded(
                f"there was no answer in {deadline_s:g} s: send the request again, or ask for less at a time"
            ) from None
        raise
    finally:
        attendance.end()


class _Attendance:
    """Looks at one request's client and clock while its handler runs in the server's own task.

    Who waits for the client costs a second task, so that begins late.

    Attributes:
        limit: what ends the handler.
        gone: whether the client has left.
    """

    def __init__(self, request: Request, deadline_s: float) -> None:
        self.limit = asyncio.timeout(None)
        self.gone = False
        self._receive = request.receive
        self._deadline_s = deadline_s
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the clock: the request has been read."""
        self._timer = asyncio.get_running_loop().call_later(min(_UNWATCHED_S, self._deadline_s), self._watch)

    async def receive(self) -> Message:
        """The next part of the body."""
        message = await self._receive()
        if self._timer is None and not message.get("more_body", False):
            self.begin()
        return message

    def end(self) -> None:
        """Look no more."""
        for each in (self._timer, self._watcher):
            if each is not None:
                each.cancel()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self.limit.reschedule(loop.time() + max(0, self._deadline_s - _UNWATCHED_S))
        self._watcher = loop.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except ServiceError:
            # a body that no one reads, and that is too large
            return
        self.gone = True
        self.limit.reschedule(0)
