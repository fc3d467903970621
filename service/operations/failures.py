"""What no route expected becomes an answer, where the headers of all answers are still to be added."""

import asyncio
import logging
import threading

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import NotReady
from service.operations.metrics import Metrics
from service.operations.observe import route_of
from service.problems import Problem, internal, problem_of, response

STOPPING = "the service is being stopped: send the request again"

_log = logging.getLogger("vilem.service")


class Failures:
    """ASGI middleware.

    Starlette's own handler stands outside of all middlewares: its answers would have no name and no guards, and a page of
    another site that may ask (`service.guard.sites`) could not read that they are errors.

    Args:
        app: what answers.
        metrics: where problems are counted.
        draining: set once the service is being stopped.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, draining: threading.Event | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._draining = draining or threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def heard(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        async def fail(problem: Problem) -> None:
            await response(problem, self._metrics)(scope, receive, send)

        try:
            await self._app(scope, receive, heard)
        except asyncio.CancelledError:
            # the server ends what has not come to its end when the time to drain is up
            if begun or not self._draining.is_set():
                raise
            await fail(problem_of(NotReady(STOPPING)))
        except Exception:
            _log.exception("%s %s failed", scope["method"], route_of(scope))
            # of an answer that has begun the rest is the server's: it closes the connection
            if begun:
                raise
            await fail(internal())
