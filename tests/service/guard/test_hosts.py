"""A service is open to others only when that was said; and under other names it is nobody's: DNS rebinding leads nowhere."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response

from index.errors import CollectionInvalid
from service.app import create_app
from service.errors import Exposed
from service.guard.hosts import ANY, TrustedHosts, refuse_exposure, trusted_hosts
from service.guard.keys import add_key, make_key
from service.operations.metrics import Metrics
from service.settings import Settings


def ask(hosts: tuple[str, ...], host: str) -> tuple[Response, Metrics]:
    """The answer to a request under the name *host*, and the metrics."""
    metrics, app = Metrics(), FastAPI()
    app.add_middleware(TrustedHosts, hosts=hosts, metrics=metrics)

    @app.get("/")
    async def answer() -> str:
        return "served"

    async def send() -> Response:
        async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
            return await client.get("/", headers={"host": host})

    return asyncio.run(send()), metrics


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_our_names_are_served(host: str) -> None:
    """Each loopback name, with any port and in any case, is served."""
    assert 200 == ask(tuple(trusted_hosts("127.0.0.1", ())), host)[0].status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1", "a@b"]
)
def test_other_names_are_refused(host: str) -> None:
    """A name that is none of ours is a counted 421 problem that says what to set, and nothing of the app is run."""
    answer, metrics = ask(tuple(trusted_hosts("127.0.0.1", ())), host)

    assert (421, "/problems/host-unknown") == (answer.status_code, answer.json()["type"])
    assert "VILEM_ALLOWED_HOSTS" in answer.json()["detail"]
    assert 1 == metrics.registry.get_sample_value("vilem_rejected_total", {"problem": "host-unknown"})


@pytest.mark.parametrize(
    ("bound", "allowed", "host", "served"),
    [
        ("0.0.0.0", (), "search.example", True),
        ("::1", (), "localhost", True),
        ("127.0.0.2", (), "127.0.0.2", True),
        ("127.0.0.1", ("search.example",), "search.example", True),
        ("127.0.0.1", ("search.example",), "localhost", False),
        ("0.0.0.0", ("search.example",), "evil.example", False),
        ("127.0.0.1", (ANY,), "evil.example", True),
    ],
)
def test_names_follow_the_address_unless_they_are_given(
    bound: str, allowed: tuple[str, ...], host: str, *, served: bool
) -> None:
    """Bound to loopback, its names are served; bound elsewhere any; what the operator names beats both."""
    assert served == (200 == ask(tuple(trusted_hosts(bound, allowed)), host)[0].status_code)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_a_loopback_address_needs_no_keys(tmp_path: Path, host: str) -> None:
    """What this machine alone reaches may be served without keys."""
    refuse_exposure(Settings(home=tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "search.example", "127.evil.example", ""])
def test_other_addresses_need_keys_or_a_word(tmp_path: Path, host: str) -> None:
    """What others reach, or may reach, is not served without keys, unless the operator says that anyone may; the error says how."""
    with pytest.raises(Exposed, match=r"vilem keys create.*VILEM_OPEN=true"):
        refuse_exposure(Settings(home=tmp_path, host=host))
    refuse_exposure(Settings(home=tmp_path, host=host, open=True))
    add_key(tmp_path / "keys.json", make_key("first", ["search"])[1])
    refuse_exposure(Settings(home=tmp_path, host=host))


def test_keys_that_cannot_be_read_stop_the_start(tmp_path: Path) -> None:
    """A service whose keys are damaged is not begun, on loopback neither: nobody would be let in."""
    (tmp_path / "keys.json").write_text("{}")

    with pytest.raises(CollectionInvalid, match="nobody is let in"):
        refuse_exposure(Settings(home=tmp_path))


def test_an_app_is_not_made_for_others_without_keys(tmp_path: Path) -> None:
    """However the service is started, an app that others would reach is not even made; a key, or a word, mends it."""
    with pytest.raises(Exposed):
        create_app(Settings(home=tmp_path, host="0.0.0.0"))
    assert create_app(Settings(home=tmp_path, host="0.0.0.0", open=True)).routes
    add_key(tmp_path / "keys.json", make_key("first", ["search"])[1])
    assert create_app(Settings(home=tmp_path, host="0.0.0.0")).routes
