"""Who may ask for what: every request meets its key and the key's limits here, before a byte of its body is read.

What is asked for is told from method and path, not by the route: a route that nobody thought of needs the scope admin.
"""

import math
import re
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import KeyMissing, KeyUnknown, OverRate, ScopeMissing, ServiceError
from service.guard.keyring import Keyring
from service.guard.keys import SCOPES, ApiKey, holder
from service.guard.keys import Scope as KeyScope
from service.guard.quotas import Entry, Quotas
from service.operations.metrics import Metrics
from service.problems import problem_of, response

# For all, keys or none: probes, which tell nothing of what is served, and the page, which is the same everywhere.
READY = "/readyz"
OPEN = frozenset({"/", "/healthz", READY})
OPEN_FOLDER = "/static/"
_ITEMS = re.compile(r"/v1/collections/[^/]+/items(/.*)?", re.DOTALL)
# what is asked with a body, and changes nothing; a slash too many is led to the path without it, and needs no more than that
_ASKED = re.compile(r"/v1/(embeddings|proofread(/image)?|collections/[^/]+/search(es|/image)?)/?")
_REALM = 'Bearer realm="vilem"'


class Guarding(Protocol):
    """What this needs of `service.runtime.Runtime`."""

    keyring: Keyring
    quotas: Quotas


def needed(method: str, path: str) -> KeyScope | None:
    """The scope that a request needs; None = no key."""
    if path in OPEN or path.startswith(OPEN_FOLDER):
        return None
    if method in ("PUT", "DELETE") and _ITEMS.fullmatch(path):
        return "write"
    if method in ("GET", "HEAD") and (path.startswith("/v1/") or path == "/openapi.json"):
        return "search"
    if method == "POST" and _ASKED.fullmatch(path):
        return "search"
    return "admin"


class Access:
    """ASGI middleware. What is allowed is told to the app in the request's scope: `granted`, the scopes, and `entry`, if a key was asked for.

    The `entry` is for `Quotas.charge`: a request that turns out to hold several counts as many.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # nothing of ours talks otherwise: what will must be guarded first
            return
        runtime: Guarding = scope["app"].state.runtime
        key: ApiKey | None = None
        try:
            key = await self._let_in(scope, runtime.keyring)
            if key is None:
                await self._app(scope, receive, send)
                return
            # for the log
            scope.setdefault("state", {})["key_id"] = key.id
            scope["entry"] = entry = await runtime.quotas.enter(key)
        except ServiceError as error:
            answer = response(problem_of(error), self._metrics, _headers(error, key) | _closing(scope))
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, _telling(entry, send))
        finally:
            runtime.quotas.leave(entry)

    async def _let_in(self, scope: Scope, keyring: Keyring) -> ApiKey | None:
        """The key of the request, which may do what it asks for; None where no key is needed.

        Raises:
            ServiceError: it may not.
        """
        need = needed(scope["method"], scope["path"])
        if need is None and scope["path"] != READY:
            # the same for all: it answers when the keys cannot be read, or are on a disk that hangs
            scope["granted"] = ()
            return None
        # a service that lets nobody in is not ready: it raises for probes too
        keys = await keyring.current()
        if keys is None:
            scope["granted"] = SCOPES
            return None
        given = _bearer(scope)
        key = None if given is None else holder(keys, given)
        scope["granted"] = () if key is None else key.scopes
        if need is None:
            return None
        if key is None:
            raise _no_key(given)
        if need not in key.scopes:
            raise ScopeMissing(
                need, f"this needs the scope {need}, the key has {', '.join(key.scopes)}: use another key"
            )
        return key


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" else None
    return None


def _no_key(given: str | None) -> ServiceError:
    if given is None:
        return KeyMissing("send a key in the header `Authorization: Bearer …`: whoever runs this service makes them")
    return KeyUnknown("the key is none of this service, or was revoked: ask whoever runs it for another")


def _headers(error: ServiceError, key: ApiKey | None) -> dict[str, str]:
    if isinstance(error, KeyMissing):
        return {"WWW-Authenticate": _REALM}
    if isinstance(error, KeyUnknown):
        return {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
    if isinstance(error, ScopeMissing):
        return {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{error.scope}"'}
    if isinstance(error, OverRate) and key is not None and key.rate is not None:
        return {"Retry-After": str(math.ceil(error.wait_s)), **_left(key.rate, 0)}
    return {}


def _left(rate: float, remaining: int) -> dict[str, str]:
    return {"RateLimit-Limit": str(math.ceil(rate)), "RateLimit-Remaining": str(remaining)}


def _closing(scope: Scope) -> dict[str, str]:
    # a body that is not read would have to be, before the connection could serve another request
    headers = dict(scope["headers"])
    bodyless = b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0"
    return {} if bodyless else {"Connection": "close"}


def _telling(entry: Entry, send: Send) -> Send:
    """Say with the answer what is left of a rate."""
    rate = entry.key.rate
    if rate is None:
        return send

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start" and entry.remaining is not None:
            told = _left(rate, entry.remaining).items()
            added = [(name.lower().encode(), value.encode()) for name, value in told]
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return tell
