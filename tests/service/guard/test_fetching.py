"""Pictures by their address, from a real server; only the name server is ours: it says what a name leads to."""

import asyncio
import gc
import gzip
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import QueueFull, ServiceError, UrlRefused, UrlUnreachable
from service.guard.addresses import HostRule
from service.guard.fetching import HELD_AT_A_TIME, PER_HOST, Fetcher, allowed

HOST = "pictures.example"
HERE = ip_network("127.0.0.1/32")
MAX_BYTES = 100_000
PICTURE = b"\xff\xd8 a picture, as far as this is concerned"
LARGEST = bytes(MAX_BYTES)

Handle = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[None]]
Names = dict[str, Sequence[str]]


def answer(body: bytes = PICTURE, status: str = "200 OK", **headers: str) -> Handle:
    """A server that answers every request so; header names have `_` for `-`."""
    told = {"content_type": "image/jpeg", "content_length": str(len(body))} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())

    async def handle(_: str, __: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    return handle


def leading_to(location: str, status: str = "302 Found") -> Handle:
    """A server that says that the picture is elsewhere."""
    return answer(b"", status, location=location)


class Server:
    """A real server on 127.0.0.1, and what was asked of it."""

    def __init__(self, routes: dict[str, Handle], port: int) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.open = 0
        self.port = port
        self.routes = routes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client goes."""
        self.connections += 1
        self.open += 1
        try:
            while line := await reader.readline():
                path = line.decode().split(" ")[1]
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                self.asked.append((path, headers))
                await self.routes[path](path, headers, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def running(routes: dict[str, Handle], tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server for the time of the block."""
    made = Server(routes, 0)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()


@asynccontextmanager
async def fetching(
    port: int, names: Names | None = None, *, scheme: str = "http", **options: object
) -> AsyncIterator[Fetcher]:
    """A fetcher of `scheme://pictures.example:port` and `other.example`, whose names lead where *names* says: here if nothing is said."""
    known: Names = {HOST: ["127.0.0.1"], "other.example": ["127.0.0.1"]} | (names or {})

    async def resolve(host: str, _: int) -> Sequence[str]:
        return known[host]

    rules = [HostRule.parse(f"{scheme}://{host}:{port}") for host in (HOST, "other.example")]
    given = {"networks": [HERE], "max_bytes": MAX_BYTES, "resolve": resolve} | options
    fetcher = Fetcher(rules, **given)  # type: ignore[arg-type]
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def bytes_of(fetcher: Fetcher, url: str) -> bytes:
    """Of the picture at an address."""
    async with fetcher.fetched(url) as data:
        return data


def fetched(routes: dict[str, Handle], path: str = "/a.jpg", names: Names | None = None, **options: object) -> bytes:
    """What is fetched from the path of a server that answers so."""

    async def fetch() -> bytes:
        async with running(routes) as server, fetching(server.port, names, **options) as fetcher:
            return await bytes_of(fetcher, f"http://{HOST}:{server.port}{path}")

    return asyncio.run(fetch())


def test_a_picture_is_fetched() -> None:
    """Its bytes, as they were sent."""
    assert fetched({"/a.jpg": answer()}) == PICTURE


def test_nothing_is_told_but_what_is_needed() -> None:
    """No cookie, no credential, no referrer; the host by its name; and it is asked not to pack."""

    async def asked() -> tuple[str, dict[str, str], int]:
        routes = {"/a.jpg": answer(set_cookie="a=b"), "/b?c=d": leading_to("/a.jpg")}
        async with running(routes) as server, fetching(server.port) as fetcher:
            await bytes_of(fetcher, f"http://{HOST}:{server.port}/a.jpg")
            await bytes_of(fetcher, f"http://{HOST}:{server.port}/b?c=d#e")
            return *server.asked[-2], server.port

    path, headers, port = asyncio.run(asked())

    assert "/b?c=d" == path
    assert {"host", "accept", "accept-encoding", "connection", "user-agent"} == headers.keys()
    assert (f"{HOST}:{port}", "identity") == (headers["host"], headers["accept-encoding"])


def test_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that name a proxy are for other programs: a proxy would look names up itself."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert fetched({"/a.jpg": answer()}) == PICTURE


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/a.jpg",
        f"http://{HOST}/a.jpg",
        f"https://{HOST}:8080/a.jpg",
        f"http://{HOST}.evil.example:8080/a.jpg",
        f"http://evil.example:8080#{HOST}",
        f"http://evil.example:8080\\@{HOST}:8080/",
        f"http://user:password@{HOST}:8080/a.jpg",
        f"http://{HOST}@evil.example:8080/",
        "http://127.0.0.1:8080/a.jpg",
        "http://[::1]:8080/a.jpg",
        "http://2130706433:8080/",
        "file:///etc/passwd",
        "gopher://pictures.example:8080/",
        "data:image/png;base64,AAAA",
        "//pictures.example:8080/",
        "pictures.example:8080",
        "",
        "http://\x00",
        f"http://{HOST}:99999/",
        f"http://{HOST}:8080\r\nx: y/",
        "http://xn--a/",
        "http://xn--zz--.evil.example/",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    """Another host, port or scheme, a password, and what only looks like the host: nothing is looked up or connected to."""
    with pytest.raises(UrlRefused):
        allowed(url, [HostRule.parse(f"http://{HOST}:8080")])


@settings(max_examples=50)
@given(url=st.text(max_size=60) | st.builds("http://{}".format, st.text(max_size=60)))
def test_whatever_is_sent_is_refused_by_name(url: str) -> None:
    """No text is an error of another kind, and the host that is let through is on the list to the letter."""
    try:
        found = allowed(url, [HostRule.parse(f"http://{HOST}:8080")])
    except UrlRefused:
        return
    assert ("http", HOST, 8080) == (found.scheme, found.host, found.port)


@pytest.mark.parametrize("inside", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1"])
def test_a_name_that_leads_inside_is_refused(inside: str) -> None:
    """A listed host whose name leads into this network is not connected to, nor when only one of its addresses does."""
    for addresses in ([inside], ["127.0.0.1", inside], [inside, "127.0.0.1"]):
        with pytest.raises(UrlRefused, match="not the internet's"):
            fetched({"/a.jpg": answer()}, names={HOST: addresses})


def test_what_was_judged_is_what_is_connected_to() -> None:
    """A name that leads elsewhere every time it is asked (DNS rebinding) is asked once for a connection, and judged each time."""

    async def rebind() -> tuple[int, list[str]]:
        answers = iter([["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1"]])
        said: list[str] = []

        async def resolve(_: str, __: int) -> Sequence[str]:
            said.append(next(answers)[0])
            return [said[-1]]

        routes = {"/a.jpg": answer()}
        async with running(routes) as server, fetching(server.port, resolve=resolve) as fetcher:
            url = f"http://{HOST}:{server.port}/a.jpg"
            assert await bytes_of(fetcher, url) == PICTURE
            with pytest.raises(UrlRefused):
                await bytes_of(fetcher, url)
            assert await bytes_of(fetcher, url) == PICTURE
            return server.connections, said

    assert (2, ["127.0.0.1", "169.254.169.254", "127.0.0.1"]) == asyncio.run(rebind())


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/",
        "http://evil.example/",
        "https://pictures.example/",
        "file:///etc/passwd",
        "//169.254.169.254/",
        "http://[::ffff:169.254.169.254]/",
        "http://[",
        "",
    ],
)
def test_a_redirect_is_judged_as_the_address_was(location: str) -> None:
    """To a cloud's credentials, to this machine, to another host, scheme or port: refused, wherever it stands in the chain."""
    routes = {"/a.jpg": leading_to("/b.jpg"), "/b.jpg": leading_to(location)}
    if not location:
        routes = {"/a.jpg": leading_to("/a.jpg")}

    with pytest.raises(UrlRefused):
        fetched(routes)


def test_a_redirect_to_a_listed_name_that_leads_inside_is_refused() -> None:
    """The second host is listed, and its name leads to a cloud's credentials."""

    async def follow() -> None:
        async with running({}) as server:
            server.routes["/a.jpg"] = leading_to(f"http://other.example:{server.port}/a.jpg")
            async with fetching(server.port, {"other.example": ["169.254.169.254"]}) as fetcher:
                await bytes_of(fetcher, f"http://{HOST}:{server.port}/a.jpg")

    with pytest.raises(UrlRefused, match="not the internet's"):
        asyncio.run(follow())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(status: str) -> None:
    """Three of them, relative or not; a fourth is one too many."""
    routes = {f"/{place}": leading_to(f"{place + 1}", status) for place in range(4)} | {"/4": answer()}

    assert fetched(routes, "/1") == PICTURE
    with pytest.raises(UrlRefused, match="more than 3"):
        fetched(routes, "/0")


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (answer(content_type="text/html"), UrlRefused),
        (answer(content_type=""), UrlRefused),
        (answer(content_type="application/json; image/png"), UrlRefused),
        (answer(gzip.compress(bytes(50_000_000)), content_encoding="gzip"), UrlRefused),
        (answer(content_length=str(MAX_BYTES + 1)), UrlRefused),
        (answer(bytes(MAX_BYTES + 1)), UrlRefused),
        (answer(status="404 Not Found"), UrlUnreachable),
        (answer(status="500 Oops"), UrlUnreachable),
        (answer(status="304 Not Modified"), UrlUnreachable),
        (answer(status="200 OK", x=f"{'a' * 200_000}"), UrlUnreachable),
        (answer(status="nonsense"), UrlUnreachable),
    ],
    ids=["html", "nothing", "json", "gzip bomb", "declared", "huge", "404", "500", "304", "endless header", "no http"],
)
def test_what_is_no_picture_of_a_size_is_refused(handle: Handle, error: type[ServiceError]) -> None:
    """Another type, packed, too large by its word or in truth, an error page, an endless header, no HTTP at all."""
    with pytest.raises(error):
        fetched({"/a.jpg": handle})


def test_a_body_without_end_is_cut_off() -> None:
    """A chunked body that says no length is read to the limit and not beyond."""
    sent = 0

    async def endless(_: str, __: dict[str, str], writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
            sent += 0x8000
            await writer.drain()

    with pytest.raises(UrlRefused, match="more than"):
        fetched({"/a.jpg": endless})
    assert sent < 20 * MAX_BYTES + 10_000_000


def test_a_slow_body_is_given_up() -> None:
    """A host that sends a byte now and then is left when the time is up, all redirects together."""

    async def trickle(_: str, __: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    began = time.monotonic()
    with pytest.raises(UrlUnreachable, match="did not come"):
        fetched({"/a.jpg": leading_to("/b.jpg"), "/b.jpg": trickle}, patience_s=0.3)
    assert 0.25 < time.monotonic() - began < 3


def test_a_name_server_that_is_silent_is_given_up() -> None:
    """So is a name that is not answered for."""

    async def never(_: str, __: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    with pytest.raises(UrlUnreachable):
        fetched({}, resolve=never, patience_s=0.1)


def test_a_host_that_is_not_there_is_told() -> None:
    """A name that leads nowhere, and a port that nobody listens on; not a word of the network's own."""

    async def ask(names: Names) -> None:
        async with running({}) as server:
            port = server.port
        async with fetching(port, names) as fetcher:
            await bytes_of(fetcher, f"http://{HOST}:{port}/")

    for names in ({HOST: []}, {HOST: ["127.0.0.1"]}, {HOST: ["127.0.0.1", "127.0.0.1"]}):
        with pytest.raises(UrlUnreachable) as caught:
            asyncio.run(ask(names))
        assert "127.0.0.1" not in str(caught.value)
        assert "refused" not in str(caught.value)


@asynccontextmanager
async def a_full_room(fetcher: Fetcher, url: str) -> AsyncIterator[None]:
    """Hold as many pictures of the largest size as there is memory for."""
    async with AsyncExitStack() as held:
        taken = [held.enter_async_context(fetcher.fetched(url)) for _ in range(HELD_AT_A_TIME)]
        assert [LARGEST] * HELD_AT_A_TIME == await asyncio.gather(*taken)
        yield


def test_who_waits_for_others_pictures_is_told_so() -> None:
    """Memory is taken while pictures are embedded; who gets none in time is refused for that, and not for its host."""

    async def ask() -> None:
        async with running({"/a.jpg": answer(LARGEST)}) as server, fetching(server.port, patience_s=2) as fetcher:
            url = f"http://{HOST}:{server.port}/a.jpg"
            async with a_full_room(fetcher, url):
                with pytest.raises(QueueFull, match="wait to be embedded"):
                    await bytes_of(fetcher, url)
            assert LARGEST == await bytes_of(fetcher, url)

    asyncio.run(ask())


def test_small_pictures_take_little() -> None:
    """Of small pictures many are held at a time: it is by their bytes that they are bounded."""

    async def ask() -> None:
        async with running({"/a.jpg": answer()}) as server, fetching(server.port) as fetcher:
            async with AsyncExitStack() as held:
                for _ in range(100):
                    assert PICTURE == await held.enter_async_context(
                        fetcher.fetched(f"http://{HOST}:{server.port}/a.jpg")
                    )

    asyncio.run(ask())


async def hang(_: str, __: dict[str, str], ___: asyncio.StreamWriter) -> None:
    """A server that never answers."""
    await asyncio.sleep(60)


def test_a_host_that_hangs_takes_its_own_share() -> None:
    """However many ask for pictures of a host that never answers, those of another come at once."""

    async def ask() -> None:
        async with running({"/hang": hang, "/a.jpg": answer()}) as server, fetching(server.port, patience_s=30) as each:
            slow = [asyncio.create_task(bytes_of(each, f"http://{HOST}:{server.port}/hang")) for _ in range(100)]
            while len(server.asked) < PER_HOST:  # noqa: ASYNC110 - a server has no event
                await asyncio.sleep(0.01)
            began = time.monotonic()
            assert PICTURE == await bytes_of(each, f"http://other.example:{server.port}/a.jpg")
            assert time.monotonic() - began < 10
            assert PER_HOST + 1 == len(server.asked)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            assert PICTURE == await bytes_of(each, f"http://{HOST}:{server.port}/a.jpg")

    asyncio.run(ask())


def test_large_pictures_wait_for_each_other() -> None:
    """Many of the largest that begin together all come, though there is no room for them all at once, told of their size or not."""

    async def at_length(_: str, __: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + LARGEST)
        writer.close()

    async def ask() -> list[bytes]:
        async with running({"/told": answer(LARGEST), "/untold": at_length}) as server:
            async with fetching(server.port, patience_s=30) as fetcher:
                urls = [f"http://{host}:{server.port}" for host in (HOST, "other.example")]
                asked = [f"{url}/{path}" for url in urls for path in ("told", "untold")] * HELD_AT_A_TIME
                return await asyncio.gather(*(bytes_of(fetcher, url) for url in asked))

    assert 4 * HELD_AT_A_TIME * [LARGEST] == asyncio.run(ask())


def test_a_host_that_stops_in_the_middle_leaves_room_for_others() -> None:
    """However large the pictures are that a host does not end, the largest of another comes at once."""

    async def stop(_: str, __: dict[str, str], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nbegun")
        await writer.drain()
        await asyncio.sleep(60)

    async def ask() -> None:
        async with running({"/stop": stop, "/a.jpg": answer(LARGEST)}) as server:
            async with fetching(server.port, patience_s=30) as fetcher:
                url = f"http://{HOST}:{server.port}/stop"
                slow = [asyncio.create_task(bytes_of(fetcher, url)) for _ in range(2 * PER_HOST)]
                while len(server.asked) < PER_HOST:  # noqa: ASYNC110 - a server has no event
                    await asyncio.sleep(0.01)
                async with asyncio.timeout(10):
                    assert LARGEST == await bytes_of(fetcher, f"http://other.example:{server.port}/a.jpg")
                for task in slow:
                    task.cancel()
                await asyncio.gather(*slow, return_exceptions=True)

    asyncio.run(ask())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_who_goes_leaves_no_connection(tmp_path: Path, scheme: str) -> None:
    """Given up at whatever moment, a fetch keeps neither its connection nor its place: however many did, the next is served."""
    moment = Random(0)
    server_side, trust = certificate(tmp_path, HOST)

    async def ask() -> None:
        async with (
            running({"/a.jpg": answer(LARGEST)}, server_side if scheme == "https" else None) as server,
            fetching(server.port, scheme=scheme, trust=trust, patience_s=30) as fetcher,
        ):
            url = f"{scheme}://{HOST}:{server.port}/a.jpg"
            for _ in range(30):
                given_up = [asyncio.create_task(bytes_of(fetcher, url)) for _ in range(2 * PER_HOST)]
                for task in given_up:
                    await asyncio.sleep(moment.random() * 0.003)
                    task.cancel()
                await asyncio.gather(*given_up, return_exceptions=True)
            async with asyncio.timeout(20):
                while server.open:  # noqa: ASYNC110 - a server has no event
                    await asyncio.sleep(0.01)
            assert server.connections
            async with a_full_room(fetcher, url):
                pass

    asyncio.run(ask())


def test_encryption_that_never_begins_leaves_no_connection() -> None:
    """A host that is connected to and silent then is given up, and let go."""

    async def ask() -> None:
        connected = ended = 0

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connected, ended
            connected += 1
            await reader.read()
            ended += 1
            writer.close()

        listening = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        async with listening, fetching(port, scheme="https", patience_s=0.2) as fetcher:
            with pytest.raises(UrlUnreachable):
                await bytes_of(fetcher, f"https://{HOST}:{port}/a.jpg")
            async with asyncio.timeout(20):
                while not ended:  # noqa: ASYNC110 - a server has no event
                    await asyncio.sleep(0.01)
            assert 1 == connected

    # else whatever collects garbage closes it, at some time
    gc.disable()
    try:
        asyncio.run(ask())
    finally:
        gc.enable()


def test_who_gets_no_turn_is_told_whose() -> None:
    """Of a host that hangs those that wait are told so, by its name; those that were asked of it, that it did not answer."""

    async def ask() -> list[bytes | BaseException]:
        async with running({"/hang": hang}) as server, fetching(server.port, patience_s=0.3) as fetcher:
            url = f"http://{HOST}:{server.port}/hang"
            return await asyncio.gather(*(bytes_of(fetcher, url) for _ in range(5 * PER_HOST)), return_exceptions=True)

    found = asyncio.run(ask())
    waited = [each for each in found if isinstance(each, QueueFull)]
    assert all(isinstance(each, QueueFull | UrlUnreachable) for each in found)
    assert len(waited) >= PER_HOST
    assert all(f"other pictures are asked of {HOST}, {PER_HOST} at a time" in str(each) for each in waited)


def test_a_name_that_is_not_answered_for_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-ups go on when nobody waits for them any more: they must not take the threads that other names need."""
    asked, answered = [], threading.Event()

    def look_up(host: bytes, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host == HOST.encode():
            answered.wait(30)
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    async def ask() -> None:
        async with running({"/a.jpg": answer()}) as server:
            async with fetching(server.port, resolve=None, patience_s=0.2) as fetcher:
                for _ in range(3):
                    urls = [f"http://{HOST}:{server.port}/a.jpg"] * PER_HOST
                    found = await asyncio.gather(*(bytes_of(fetcher, each) for each in urls), return_exceptions=True)
                    assert {UrlUnreachable} == {type(each) for each in found}
                assert PICTURE == await bytes_of(fetcher, f"http://other.example:{server.port}/a.jpg")
                answered.set()

    monkeypatch.setattr("service.guard.fetching.socket.getaddrinfo", look_up)
    asyncio.run(ask())
    assert [HOST.encode(), b"other.example"] == asked


def test_fetches_are_bounded() -> None:
    """So many of a host at a time; of very many the last are told to come again, and the others are answered."""

    async def ask() -> tuple[int, int, int]:
        under_way = most = 0

        async def slowly(path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            await answer()(path, headers, writer)

        async with running({"/a.jpg": slowly}) as server, fetching(server.port) as fetcher:
            url = f"http://{HOST}:{server.port}/a.jpg"
            found = await asyncio.gather(*(bytes_of(fetcher, url) for _ in range(100)), return_exceptions=True)
        refused = sum(isinstance(each, QueueFull) for each in found)
        return most, refused, found.count(PICTURE)

    most, refused, answered = asyncio.run(ask())
    assert (True, 100) == (most <= PER_HOST, refused + answered)
    assert refused > 0
    assert answered >= 64


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of that name, and a client's that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.pem").write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / f"{name}.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@pytest.mark.parametrize(("name", "error"), [(HOST, None), ("evil.example", UrlUnreachable)])
def test_a_certificate_is_of_the_name(tmp_path: Path, name: str, error: type[Exception] | None) -> None:
    """Over TLS the certificate must be the host's by its name, though an address is connected to."""
    server_side, trust = certificate(tmp_path, name)

    async def ask() -> bytes:
        async with running({"/a.jpg": answer()}, server_side) as server:
            async with fetching(server.port, scheme="https", trust=trust) as fetcher:
                return await bytes_of(fetcher, f"https://{HOST}:{server.port}/a.jpg")

    if error is None:
        assert asyncio.run(ask()) == PICTURE
        return
    with pytest.raises(error):
        asyncio.run(ask())


def test_the_system_is_asked_for_names() -> None:
    """Without a name server of ours `localhost` leads here, and is inside: refused, unless its network is named."""

    async def ask(*networks: str) -> bytes:
        async with running({"/a.jpg": answer()}) as server:
            rules = [HostRule.parse(f"http://localhost:{server.port}")]
            fetcher = Fetcher(rules, [ip_network(each) for each in networks], max_bytes=MAX_BYTES)
            try:
                return await bytes_of(fetcher, f"http://localhost:{server.port}/a.jpg")
            finally:
                await fetcher.close()

    with pytest.raises(UrlRefused, match="not the internet's"):
        asyncio.run(ask())
    assert asyncio.run(ask("127.0.0.0/8", "::1/128")) == PICTURE


@pytest.mark.parametrize("label", ["", "a" * 64])
def test_a_name_that_there_cannot_be_is_refused(label: str) -> None:
    """An empty part of a name, or one too long, as rules with * let it through: the client's fault, not ours."""

    async def ask() -> bytes:
        fetcher = Fetcher([HostRule.parse("*.pictures.example")], max_bytes=MAX_BYTES)
        try:
            return await bytes_of(fetcher, f"https://a.{label}.pictures.example/a.jpg")
        finally:
            await fetcher.close()

    with pytest.raises(UrlRefused, match="empty or too long"):
        asyncio.run(ask())


def test_a_picture_keeps_its_place_until_it_is_let_go() -> None:
    """No more bytes are in memory than there is room for, however slowly pictures are decoded; what fails meanwhile is told as it is."""

    async def hold() -> None:
        async with running({"/a.jpg": answer(LARGEST)}) as server, fetching(server.port, patience_s=20) as fetcher:
            url = f"http://{HOST}:{server.port}/a.jpg"
            async with a_full_room(fetcher, url):
                late = asyncio.create_task(bytes_of(fetcher, url))
                await asyncio.sleep(0.1)
                assert not late.done()
            assert LARGEST == await late
            with pytest.raises(OSError, match="of the decoder"):
                async with fetcher.fetched(url):
                    raise OSError("of the decoder")
            assert LARGEST == await bytes_of(fetcher, url)

    asyncio.run(hold())


@pytest.mark.parametrize("url", ["not a url", "pictures.example/a.jpg", "//pictures.example/", "file:///a", "https://"])
def test_what_is_no_address_is_told_what_one_looks_like(url: str) -> None:
    """Without a scheme of the web, or without a host, there is nothing to be listed by an operator."""
    with pytest.raises(UrlRefused, match=r"one looks like https://images\.example\.com/cat\.jpg"):
        allowed(url, [HostRule.parse(HOST)])
