"""Pictures by their address: fetched from hosts on a list, and from nothing inside this network.

The name is looked up, judged and connected to in one place, below the HTTP client: what was judged is what is connected to, so
a name that leads elsewhere the second time (DNS rebinding) gains nothing. Redirects begin anew. No proxy, cookie or
credential is known here.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from ssl import SSLContext
from typing import cast

import httpcore
import httpx

from service.errors import UrlRefused, UrlUnreachable
from service.guard.addresses import PORTS, HostRule, Network, is_public
from service.guard.shares import Held, Places, Room

# One fetch, from the look-up of the name to the last byte, over all redirects.
PATIENCE_S = 5.0
MAX_REDIRECTS = 3
# Downloads under way at a time; of one host, and those that wait for that.
FETCHES = 32
PER_HOST = 4
_MAX_ASKING = 64
# Pictures of the largest size that may be in memory until they are embedded; of smaller ones as many more. A host that stops in the
# middle of all its share leaves as much for others.
HELD_AT_A_TIME = 2 * PER_HOST
_CONNECT_S = 2.0
# names with many addresses are tried so often
_MAX_ADDRESSES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# stores of objects that were not told say the latter
_TYPES = ("image/", "application/octet-stream", "binary/octet-stream")
_HEADERS = (
    (b"Accept", b"image/*"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
    (b"User-Agent", b"vilem-search"),
)

_OK = 200

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def allowed(text: str | httpx.URL, rules: Sequence[HostRule]) -> httpx.URL:
    """The address, when it is one of those that may be fetched.

    Raises:
        UrlRefused: it is not, or it is no address.
    """
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise UrlRefused("this is no address: send https://…, or the picture itself as `image`") from error
    if url.userinfo:
        raise UrlRefused("an address with a name and password in it is not fetched: leave them out")
    if url.scheme not in PORTS or not url.raw_host:
        raise UrlRefused(
            "this is no address of the web: one looks like https://images.example.com/cat.jpg; or send the picture itself as `image`"
        )
    if not any(rule.holds(url.scheme, url.raw_host.decode(), _port(url)) for rule in rules):
        raise UrlRefused(
            # as it was sent: `url.host` would read xn--… and fail where it is none
            f"nothing is fetched from {url.scheme}://{url.raw_host.decode()}:{_port(url)}"[:200]
            + ": the operator lists hosts in VILEM_URL_HOSTS; or send the picture itself as `image`"
        )
    return url


def _port(url: httpx.URL) -> int:
    return url.port or PORTS.get(url.scheme, 0)


class Fetcher:
    """Fetches pictures; used from one event loop.

    Args:
        rules: what may be fetched; none = nothing.
        networks: that are not the internet's, and may be reached all the same.
        max_bytes: of one picture.
        patience_s: for one fetch.
        resolve: a host's name and port to its addresses; None = as the system does.
        trust: whose certificates are believed; None = those of certifi.
    """

    def __init__(
        self,
        rules: Sequence[HostRule],
        networks: Sequence[Network] = (),
        *,
        max_bytes: int,
        patience_s: float = PATIENCE_S,
        resolve: Resolve | None = None,
        trust: SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._patience_s = patience_s
        # threads of its own: a name server that does not answer holds up nothing else
        self._names = ThreadPoolExecutor(FETCHES, thread_name_prefix="resolve")
        self._looked_up: dict[str, asyncio.Future[Sequence[str]]] = {}
        self._places = Places(FETCHES, PER_HOST, _MAX_ASKING)
        self._room = Room(HELD_AT_A_TIME * max_bytes)
        self._resolved = resolve or self._resolve
        self._networks = networks
        # reading all certificates takes 20 ms, which a service that fetches nothing is spared
        self._trust = trust or (httpcore.default_ssl_context() if rules else None)

    @asynccontextmanager
    async def fetched(self, url: str) -> AsyncGenerator[bytes]:
        """The bytes of a picture, for the time of the block: their memory counts as taken until it is left.

        Args:
            url: its address; names and ports are judged as they are connected to.

        Raises:
            UrlRefused: it may not be fetched, or what is there is no picture, or too large.
            UrlUnreachable: it cannot be had now.
            QueueFull: too much is being fetched from its host, or too much that was fetched waits to be embedded.
        """
        asked = allowed(url, self._rules)
        with self._room.held() as held:
            yield await self._fetch(asked, held)

    async def _fetch(self, asked: httpx.URL, held: Held) -> bytes:
        try:
            return await self._follow(asked, held)
        except TimeoutError as error:
            raise UrlUnreachable(f"the picture did not come in {self._patience_s:g} s: send it as `image`") from error
        except httpcore.UnsupportedProtocol as error:
            raise UrlRefused("only http and https are fetched") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            # what exactly went wrong would tell of the network
            raise UrlUnreachable("the picture's host does not answer as it should: send it as `image`") from error

    async def close(self) -> None:
        """Let go of threads; connections end with their downloads."""
        self._names.shutdown(wait=False, cancel_futures=True)

    async def _follow(self, url: httpx.URL, held: Held) -> bytes:
        now, left_s = asyncio.get_running_loop().time, self._patience_s
        for _ in range(MAX_REDIRECTS + 1):
            async with self._places.one(url.raw_host.decode(), now() + self._patience_s):
                async with asyncio.timeout(left_s) as patience:
                    found = await self._ask(url, held, patience)
                left_s = (patience.when() or 0.0) - now()
            if isinstance(found, bytes):
                return found
            url = allowed(found, self._rules)
        raise UrlRefused(f"the address leads on more than {MAX_REDIRECTS} times: send the last one")

    async def _ask(self, url: httpx.URL, held: Held, patience: asyncio.Timeout) -> bytes | httpx.URL:
        """The picture, or where it is said to be."""
        asked = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=_port(url), target=url.raw_path)
        headers = [(b"Host", url.netloc), *_HEADERS]
        # httpcore's pool holds for ever what is cancelled as it is handed out: each download has a connection of its own
        async with (
            aclosing(_Dialer(self._resolved, self._networks)) as dialer,
            httpcore.AsyncHTTPConnection(asked.origin, self._trust, network_backend=dialer) as connection,
            connection.stream("GET", asked, headers=headers) as answer,
        ):
            told = {name.lower(): value for name, value in answer.headers}
            if answer.status in _REDIRECTS and b"location" in told:
                return _joined(url, told[b"location"])
            if answer.status != _OK:
                raise UrlUnreachable(
                    f"the picture's host answers {answer.status}: look at the address, or send it as `image`"
                )
            await self._make_room(self._size(told), held, patience)
            return await self._read(answer, held)

    def _size(self, told: dict[bytes, bytes]) -> int:
        """Bytes that the picture has at most, by what is told of it."""
        if not told.get(b"content-type", b"").decode("latin-1").strip().lower().startswith(_TYPES):
            raise UrlRefused("what is at the address is no picture: its content-type says so")
        if told.get(b"content-encoding", b"identity").lower() != b"identity":
            # asked for as it is: what would have to be unpacked may unpack to anything
            raise UrlRefused("the picture's host sends it packed, though it was asked not to: send it as `image`")
        length = told.get(b"content-length", b"")
        if not length.isdigit() or b"transfer-encoding" in told:
            return self._max_bytes
        if int(length) > self._max_bytes:
            raise self._too_large()
        return int(length)

    async def _make_room(self, size: int, held: Held, patience: asyncio.Timeout) -> None:
        # others hold it until their pictures are embedded: that is no fault of this one's host, and takes none of its time
        now = asyncio.get_running_loop().time
        left_s = (patience.when() or 0.0) - now()
        patience.reschedule(None)
        await held.take(size, now() + self._patience_s)
        patience.reschedule(now() + left_s)

    async def _read(self, answer: httpcore.Response, held: Held) -> bytes:
        data = bytearray()
        async for part in answer.aiter_stream():
            if len(data) + len(part) > held.size:
                raise self._too_large()
            data += part
        held.keep(len(data))
        return bytes(data)

    def _too_large(self) -> UrlRefused:
        return UrlRefused(f"the picture has more than {self._max_bytes:,} bytes: use a smaller one")

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        try:
            name = host.encode("idna")
        except UnicodeError as error:
            raise UrlRefused("the address has no name that there can be: a part of it is empty or too long") from error
        # a look-up goes on when nobody waits for it any more: of a name that is not answered for there is one, not one for each
        # who asks; who connects takes what it finds, and judges it
        under_way = self._looked_up.get(host)
        if under_way is None:
            loop = asyncio.get_running_loop()
            under_way = self._looked_up[host] = loop.run_in_executor(self._names, _addresses, name, port)
            under_way.add_done_callback(partial(self._found, host))
        return await asyncio.shield(under_way)

    def _found(self, host: str, looked_up: asyncio.Future[Sequence[str]]) -> None:
        del self._looked_up[host]
        if not looked_up.cancelled():
            # else asyncio would tell of an error that nobody waits for any more
            looked_up.exception()


def _addresses(name: bytes, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _joined(url: httpx.URL, location: bytes) -> httpx.URL:
    try:
        return url.join(location.decode("latin-1"))
    except httpx.InvalidURL as error:
        raise UrlRefused("the address leads on to something that is none") from error


class _Dialer(httpcore.AsyncNetworkBackend):
    """Looks a name up, judges all that it leads to, and connects to that and to nothing else; for one download."""

    def __init__(self, resolve: Resolve, networks: Sequence[Network]) -> None:
        self._resolve = resolve
        self._networks = networks
        self._opened: list[httpcore.AsyncNetworkStream] = []
        # known to type checkers only where anyio is, which FastAPI brings
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As httpcore's, to addresses that may be reached.

        Raises:
            UrlRefused: one of them may not.
        """
        addresses = list(dict.fromkeys(await self._resolve(host, port)))
        if not addresses:
            raise httpcore.ConnectError("the name leads nowhere")
        # one that is private among public ones is how a trap looks
        if not all(is_public(address, self._networks) for address in addresses):
            raise UrlRefused(
                "the address leads into a network that is not the internet's: nothing is fetched from there"
            )
        *others, last = addresses[:_MAX_ADDRESSES]
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._connect(address, port, local_address, socket_options)
        return await self._connect(last, port, local_address, socket_options)

    async def _connect(
        self,
        address: str,
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._inner.connect_tcp(address, port, _CONNECT_S, local_address, socket_options)
        self._opened.append(stream)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._inner.sleep(seconds)

    async def aclose(self) -> None:
        """Close what was connected to: who is cancelled as encryption begins leaves that open."""
        for each in self._opened:
            await each.aclose()
