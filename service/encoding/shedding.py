"""When requests come faster than the event loop can even refuse them, some are refused at the door, unread.

To read a request, tell what it asks and refuse it takes a millisecond; at the door it takes a fifth of that. Without it a
service that is asked for three times what it can do spends itself on refusals, and they come late.
"""

import asyncio
import math
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import QueueFull, ServiceError
from service.operations.metrics import Metrics
from service.problems import problem_of, response

# Lateness of the loop that is borne: a refusal takes two or three times as long.
LATE_S = 0.01
# The loop is looked at so often, while requests come.
_LOOK_S = 0.01
# Some are always let in, to see how it goes.
MOST = 0.95
# What tells how the service is must answer all the more when it is busy.
_SHED = "/v1/"
_SMALL_BYTES = 16 * 1024
# So many are under way on a service that is busy and well.
FEW = 64


class Shedding:
    """Which part of all requests is refused, by how late the loop was. Knows no clock."""

    def __init__(self) -> None:
        self.part = 0.0
        self._owed = 0.0

    def look(self, late_s: float) -> None:
        """The loop came so late to what was due: the part grows by each second beyond what is borne, and shrinks likewise.

        A burst is over before it amounts to anything; a loop that is a tenth of a second late refuses a tenth more with
        every look.
        """
        self.part = min(MOST, max(0.0, self.part + late_s - LATE_S))

    def lets_in(self) -> bool:
        """Whether the next request is let in: the refused part is spread evenly, no chance is in it."""
        self._owed += self.part
        if self._owed < 1:
            return True
        self._owed -= 1
        return False


class Door:
    """ASGI middleware: refuses what the loop has no time for.

    Args:
        app: what answers.
        metrics: where refusals are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._shedding = Shedding()
        self._inside = 0
        self._came = False
        self._looking = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(_SHED):
            await self._app(scope, receive, send)
            return
        self._came = True
        if not self._looking:
            self._look_again()
        # a loop that is late with few requests is late for another reason, which refusing them would not mend
        if self._inside < FEW or self._shedding.lets_in():
            self._inside += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._inside -= 1
            return
        if _size(scope) <= _SMALL_BYTES:
            # it is there already; a connection whose request was not read would have to be closed, and opened anew
            # or it is not, and then its connection is closed
            with suppress(ServiceError):
                while (await receive()).get("more_body", False):
                    pass
        problem = problem_of(QueueFull("more requests come than can be read"))
        await response(problem, self._metrics)(scope, receive, send)

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking, self._came = True, False
        due = loop.time() + _LOOK_S
        loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        self._shedding.look(max(0.0, asyncio.get_running_loop().time() - due))
        # where nothing comes there is nothing to look for
        self._looking = self._came or self._shedding.part > 0
        if self._looking:
            self._look_again()


def _size(scope: Scope) -> float:
    """Bytes of the request's body, as it says; infinite where it does not say."""
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() and b"transfer-encoding" not in headers else math.inf
