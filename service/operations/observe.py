"""Around every request: named, counted, timed, logged, and answered with headers that guard a browser."""

import logging
import threading
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.caching import redis_link
from service.operations import request_ids
from service.operations.metrics import Metrics

# the page loads nothing from elsewhere and runs nothing but its own files
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# HSTS is for whoever ends TLS to say
_GUARDS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # what other sites show of ours they must ask for by CORS
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Where whoever authenticates a request leaves the id of its key, in the request's state.
KEY_ID = "key_id"

_access = logging.getLogger("vilem.access")


class Observe:
    """ASGI middleware. Plain ASGI: Starlette's `middleware("http")` costs a task and two queues for each request.

    Args:
        app: what answers.
        metrics: where requests are counted.
        draining: set once the service is being stopped: from then on answers ask clients to connect anew, elsewhere.
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
        answer = _Answer(send, request_ids.begin(scope["headers"]), self._draining)
        began = time.perf_counter()
        redis_link.begin_request()
        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, answer.send)
        finally:
            self._metrics.in_flight.dec()
            route = route_of(scope)
            self._metrics.requests.labels(route, answer.status).inc()
            if _access.isEnabledFor(logging.INFO):
                _note(scope, route, answer, time.perf_counter() - began)


class _Answer:
    """What goes out for one request.

    Attributes:
        status: of the answer; 500 until it begins.
        sent: bytes of its body.
    """

    def __init__(self, send: Send, name: str, draining: threading.Event) -> None:
        self.status = 500
        self.sent = 0
        self._send = send
        self._name = name.encode()
        self._draining = draining

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on; its head with the headers that all have."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            headers += [each for each in _GUARDS if each[0] not in names]
            headers.append((request_ids.HEADER, self._name))
            if self._draining.is_set() and b"connection" not in names:
                headers.append((b"connection", b"close"))
            message["headers"] = headers
        else:
            self.sent += len(message.get("body", b""))
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The pattern of the route that answered, "none" where there is none."""
    # not the path: a label must not grow with what clients send, and a path may hold what is private
    return getattr(scope.get("route"), "path", "none")


def _note(scope: Scope, route: str, answer: _Answer, seconds: float) -> None:
    fields: dict[str, object] = {
        "method": scope["method"],
        "route": route,
        "status": answer.status,
        "ms": round(1000 * seconds, 3),
        "bytes": answer.sent,
    }
    if texts := request_ids.texts():
        fields["texts"] = texts
    if (key := scope.get("state", {}).get(KEY_ID)) is not None:
        fields["key"] = key
    _access.info("%s %s %d", scope["method"], route, answer.status, extra={"fields": fields})
