"""Around every request: counted, timed, and answered with headers that guard a browser."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import redis_link
from service.metrics import Metrics

# the page loads nothing from elsewhere and runs nothing but its own files
POLICY = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_GUARDS = ((b"content-security-policy", POLICY.encode()), (b"x-content-type-options", b"nosniff"))


class Observe:
    """ASGI middleware. Plain ASGI: Starlette's `middleware("http")` costs a task and two queues for each request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                names = {name.lower() for name, _ in headers}
                message["headers"] = headers + [each for each in _GUARDS if each[0] not in names]
            await send(message)

        redis_link.begin_request()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, guarded)
        finally:
            self._metrics.in_flight.dec()
            # the route's pattern, not the path: a label must not grow with what clients send
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.requests.labels(route, status).inc()
