"""Who can reach the service: an address that others reach needs keys, and requests come under names of ours.

A web page that has its own name point here (DNS rebinding) reads nothing.
"""

from collections.abc import Sequence
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import Exposed, HostUnknown
from service.guard.keys import read_keys
from service.operations.metrics import Metrics
from service.problems import problem_of, response
from service.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
ANY = "*"


def trusted_hosts(host: str, allowed: Sequence[str]) -> Sequence[str]:
    """The names that requests may come under: *allowed*, or what can be known from the address that is bound.

    Bound to a loopback address, its names; bound elsewhere any, since what name leads there is the operator's secret.
    """
    if allowed:
        return allowed
    return (*LOOPBACK, host) if is_loopback(host) else (ANY,)


def is_loopback(host: str) -> bool:
    """Whether what is bound to *host* is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        # a name, which may lead anywhere
        return False


def refuse_exposure(settings: Settings) -> None:
    """Refuse to let others in unasked.

    Raises:
        Exposed: others reach the address that is bound, there are no keys, and the operator did not say that anyone may.
        CollectionInvalid, CollectionTooNew: the keys cannot be read, so nobody would be let in.
    """
    guarded = read_keys(settings.keys_file) is not None
    if is_loopback(settings.host) or guarded or settings.open:
        return
    raise Exposed(
        f"{settings.host} is reached from other machines, and there are no keys: make one (vilem keys create NAME --scopes "
        "search,write), bind 127.0.0.1, or set VILEM_OPEN=true where only those reach it who may use it"
    )


class TrustedHosts:
    """ASGI middleware: a request under another name is refused. Starlette's own answers plain text, uncounted."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], metrics: Metrics) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or ANY in self._hosts or _host(scope) in self._hosts:
            await self._app(scope, receive, send)
            return
        shown = _host(scope)[:100]
        error = HostUnknown(f"{shown!r} is no name of this service: the operator adds it to VILEM_ALLOWED_HOSTS")
        answer = response(problem_of(error), self._metrics, {"Connection": "close"})
        await answer(scope, receive, send)


def _host(scope: Scope) -> str:
    """The request's Host without its port, in lower case; empty without one."""
    for name, value in scope["headers"]:
        if name == b"host":
            host = value.decode("latin-1").lower()
            # an address of IPv6 has colons of its own, in brackets
            return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return ""
