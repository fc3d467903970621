"""Who may ask for what: keys and scopes on every route of the real app."""

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from starlette.routing import BaseRoute

from index.collection import Collection
from service.app import create_app
from service.errors import UNTOLD
from service.guard import keyring, quotas
from service.guard.access import OPEN, OPEN_FOLDER, needed
from service.guard.keys import SCOPES, Scope, add_key, holder, make_key, revoke_key
from service.settings import Settings
from tests.service.conftest import ADDRESS, PATIENCE_S, wait_until_ready

# every operation, and what it needs; a new one does not pass until it stands here
NEEDED: dict[str, Scope | None] = {
    "GET /": None,
    "GET /static/{path:path}": None,
    "GET /healthz": None,
    "GET /readyz": None,
    "GET /metrics": "admin",
    "GET /openapi.json": "search",
    "GET /v1/collections": "search",
    "GET /v1/collections/{name}": "search",
    "GET /v1/collections/{name}/items/{item_id:path}": "search",
    "GET /v1/collections/{name}/items/{item_id:path}/image": "search",
    "GET /v1/collections/{name}/items/{item_id:path}/thumbnail": "search",
    "GET /v1/models": "search",
    "POST /v1/collections/{name}/search": "search",
    "POST /v1/collections/{name}/search/image": "search",
    "POST /v1/collections/{name}/searches": "search",
    "POST /v1/embeddings": "search",
    "POST /v1/proofread": "search",
    "POST /v1/proofread/image": "search",
    "PUT /v1/collections/{name}/items": "write",
    "DELETE /v1/collections/{name}/items": "write",
    "DELETE /v1/collections/{name}/items/{item_id:path}": "write",
}


def operations(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Method and path of every route, those of routers within routers and of mounted folders too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            assert not route.include_context.prefix  # type: ignore[attr-defined]
            yield from operations(included.routes, prefix)
        elif getattr(route, "methods", None):
            path = route.path  # type: ignore[attr-defined]
            yield from (f"{method} {prefix}{path}" for method in route.methods - {"HEAD"})  # type: ignore[attr-defined]
        else:
            yield f"GET {prefix}{route.path}/{{path:path}}"  # type: ignore[attr-defined]


def path_of(operation: str) -> tuple[str, str]:
    """Its method, and its path with something in place of its parameters."""
    method, _, path = operation.partition(" ")
    for name, value in {"{name}": "colours", "{item_id:path}": "a/b.png", "{path:path}": "app.js"}.items():
        path = path.replace(name, value)
    return method, path


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no file system that hangs: what was written to the keys' file is seen by the next request."""
    monkeypatch.setattr(keyring, "WAIT_S", 20.0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home without collections, with a key of each scope, of all scopes, and of limits."""
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def keys(home: Path) -> dict[str, str]:
    """The keys by what they are for."""
    made: dict[str, str] = {}
    given: dict[str, tuple[list[Scope], float | None, int | None]] = {
        **{scope: ([scope], None, None) for scope in SCOPES},
        "all": (list(SCOPES), None, None),
        "slow": (["search"], 2, None),
        "narrow": (["search"], None, 1),
        "brisk": (["search"], 20, None),
    }
    for name, (scopes, rate, concurrency) in given.items():
        made[name], kept = make_key(name, scopes, rate=rate, concurrency=concurrency)
        add_key(home / "keys.json", kept)
    return made


@pytest.fixture(scope="module")
def client(home: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    """The app, guarded by `keys`, which looks for changes at every request."""
    settings = Settings(home=home, poll_s=1e-6)
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as made:
        wait_until_ready(made)
        yield made


def bearing(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"authorization": f"Bearer {key}"}


def ask(client: TestClient, operation: str, key: str | None = None) -> Response:
    """Send an operation without a body."""
    method, path = path_of(operation)
    return client.request(method, path, headers={} if key is None else bearing(key))


def kind(answer: Response) -> tuple[int, str]:
    """Status, and the last part of the problem's type."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_every_route_is_guarded_or_open_by_name(client: TestClient) -> None:
    """What the app answers is what the table above names: a route cannot be forgotten."""
    assert NEEDED.keys() == set(operations(client.app.routes))  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", NEEDED)
def test_each_operation_needs_its_scope(client: TestClient, keys: dict[str, str], operation: str) -> None:
    """Without a key 401, with one of another scope 403 that names the one that is missing, with the right one neither."""
    scope = NEEDED[operation]

    assert scope == needed(*path_of(operation))
    if scope is None:
        assert ask(client, operation).status_code == 200
        return
    answer = ask(client, operation)
    assert (401, "key-missing") == kind(answer)
    assert answer.headers["www-authenticate"] == 'Bearer realm="vilem"'
    for other in set(SCOPES) - {scope}:
        answer = ask(client, operation, keys[other])
        assert (403, "scope-missing") == kind(answer)
        assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]
        assert scope in answer.json()["detail"]
    assert ask(client, operation, keys[scope]).status_code not in (401, 403)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/reindex"),
        ("POST", "/v1/collections/a/publish"),
        ("PUT", "/v1/collections/a"),
        ("DELETE", "/v1/collections/a"),
        ("PATCH", "/v1/collections/a/items"),
        ("POST", "/v2/search"),
        ("GET", "/docs"),
        ("GET", "/metrics/"),
        ("GET", "/healthz/"),
        ("GET", "//healthz"),
        ("GET", "/HEALTHZ"),
        ("GET", "/static"),
        ("TRACE", "/v1/collections"),
        ("GET", "/v1"),
    ],
)
def test_what_nobody_thought_of_needs_the_widest_scope(method: str, path: str) -> None:
    """A path or method that no rule names is for operators, also one that only looks like an open one."""
    assert "admin" == needed(method, path)


@pytest.mark.parametrize("operation", [each for each in NEEDED if each.startswith(("POST", "PUT", "DELETE"))])
def test_a_slash_too_many_needs_no_other_scope(client: TestClient, keys: dict[str, str], operation: str) -> None:
    """Who may ask a path is not told of a scope that it does not need when a slash stands behind it: it leads on, or nowhere."""
    method, path = path_of(operation)
    scope = NEEDED[operation]
    assert scope is not None
    answer = client.request(method, f"{path}/", headers=bearing(keys[scope]), follow_redirects=False)

    assert scope == needed(method, f"{path}/")
    assert answer.status_code not in (401, 403)


def test_the_open_list_is_short() -> None:
    """The page, its files and two probes, and nothing below them."""
    assert {"/", "/healthz", "/readyz"} == OPEN
    assert "/static/" == OPEN_FOLDER


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer none",
        "bearer vilem_0000000000000000_" + "0" * 64,
        "Bearer " + "A" * 10_000,
        "Bearer \xff\xfe",
    ],
)
def test_a_key_of_nobody_is_refused(client: TestClient, header: str) -> None:
    """Whatever stands where a key should be is 401, and says that it is no good."""
    answer = client.get("/v1/collections", headers={"authorization": header.encode("latin-1")})

    assert (401, "key-unknown") == kind(answer)
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert header not in answer.text


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "vilem", ""])
def test_other_ways_to_authenticate_are_none(client: TestClient, keys: dict[str, str], header: str) -> None:
    """A key that is not sent as a bearer's is no key; nor is one in the address, where logs would keep it."""
    assert (401, "key-missing") == kind(client.get("/v1/collections", headers={"authorization": header}))
    assert 401 == client.get(f"/v1/collections?key={keys['all']}&access_token={keys['all']}").status_code


def test_the_scheme_may_be_written_as_one_likes(client: TestClient, keys: dict[str, str]) -> None:
    """RFC 9110: a scheme's case does not matter."""
    assert 200 == client.get("/v1/collections", headers={"authorization": f"BEARER {keys['search']}"}).status_code


def test_a_refused_body_is_not_read(client: TestClient) -> None:
    """Who may not ask is refused before a byte of what he sends is taken, and the connection is closed."""
    answer = client.post("/v1/embeddings", content=b"{" * 1_000_000)

    assert (401, "close") == (answer.status_code, answer.headers["connection"])
    assert "connection" not in client.get("/v1/models").headers


def test_keys_come_and_go_while_it_runs(client: TestClient, home: Path) -> None:
    """A key is good from when it is made until it is revoked; the service is not started anew."""
    key, kept = make_key("passing", ["search"])

    assert 401 == client.get("/v1/models", headers=bearing(key)).status_code
    add_key(home / "keys.json", kept)
    assert 200 == client.get("/v1/models", headers=bearing(key)).status_code
    revoke_key(home / "keys.json", "passing")
    assert 401 == client.get("/v1/models", headers=bearing(key)).status_code


def test_a_rate_is_kept(client: TestClient, keys: dict[str, str]) -> None:
    """What remains is told; what is too much is 429 with the time to wait, counted, and other keys are served."""
    answers = [client.get("/v1/models", headers=bearing(keys["slow"])) for _ in range(4)]
    refused = [each for each in answers if each.status_code == 429]

    assert ("2", "1") == tuple(answers[0].headers[f"ratelimit-{name}"] for name in ("limit", "remaining"))
    assert refused
    assert (429, "rate-limited") == kind(refused[0])
    assert "1" == refused[0].headers["retry-after"]
    assert ("2", "0") == tuple(refused[0].headers[f"ratelimit-{name}"] for name in ("limit", "remaining"))
    assert 200 == client.get("/v1/models", headers=bearing(keys["search"])).status_code
    counted = client.get("/metrics", headers=bearing(keys["admin"])).text
    assert f'vilem_rejected_total{{problem="rate-limited"}} {len(refused)}.0' in counted


def test_several_searches_count_as_so_many(
    client: TestClient, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What remains is told of all of them; too many at once are refused for good, too many now until there is room for all."""
    standing = SimpleNamespace(monotonic_ns=lambda: 10**15, monotonic=time.monotonic)
    monkeypatch.setattr(quotas, "time", standing)

    def ask(count: int) -> Response:
        body = {"queries": [{}] * count}
        return client.post("/v1/collections/none/searches", json=body, headers=bearing(keys["brisk"]))

    assert [(404, "18"), (404, "17")] == [
        (answer.status_code, answer.headers["ratelimit-remaining"]) for answer in (ask(2), ask(1))
    ]
    never = ask(21)
    assert (413, "asks-too-much") == kind(never)
    assert "retry-after" not in never.headers
    assert "at most 20" in never.json()["detail"]
    # letting that one in cost one, and so does this
    now = ask(20)
    assert (429, "rate-limited", "1") == (*kind(now), now.headers["retry-after"])
    assert ("0", 404) == ((left := ask(15)).headers["ratelimit-remaining"], left.status_code)


def test_requests_at_a_time_are_bounded(client: TestClient, keys: dict[str, str]) -> None:
    """While one is under way, a second of a key with one place is 429; afterwards it is served."""
    headers = bearing(keys["narrow"])
    runtime, portal = client.app.state.runtime, client.portal  # type: ignore[attr-defined]
    assert portal is not None
    entry = portal.call(runtime.quotas.enter, holder(runtime.keyring._known.keys, keys["narrow"]))

    refused = client.get("/v1/models", headers=headers)

    portal.call(runtime.quotas.leave, entry)

    assert (429, "concurrency-limited") == kind(refused)
    assert "1" == refused.headers["retry-after"]
    assert [200, 200] == [client.get("/v1/models", headers=headers).status_code for _ in range(2)]


def test_the_reasons_of_readiness_are_for_operators(
    client: TestClient, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe sees whether it is ready; names of collections and what ails them, only who has the scope admin."""
    monkeypatch.setattr(client.app.state.runtime, "faults", lambda: {"secret": "a disk is gone"})  # type: ignore[attr-defined]

    for key in (None, keys["search"], "none"):
        answer = client.get("/readyz", headers={} if key is None else bearing(key))
        assert (503, "degraded", {}) == (answer.status_code, answer.json()["status"], answer.json()["failed"])
    assert {"secret": "a disk is gone"} == client.get("/readyz", headers=bearing(keys["admin"])).json()["failed"]


def test_the_reasons_of_what_is_unavailable_are_for_operators(
    client: TestClient, keys: dict[str, str], home: Path
) -> None:
    """Where things lie is told to who has the scope admin; others are told whom to ask, and not to come again in a second."""
    folder = Collection.create(home / "collections", "new", dim=16, bundle_digest="0" * 64, bundle_name="tiny").path
    runtime = client.app.state.runtime  # type: ignore[attr-defined]
    until = time.monotonic() + PATIENCE_S
    while not (reason := runtime.unavailable.get("new")):
        assert time.monotonic() < until
        time.sleep(0.01)
    asked = {
        key: [client.get(f"/v1/collections{path}", headers=bearing(keys[key])) for path in ("", "/new")]
        for key in ("search", "all")
    }
    shutil.rmtree(folder)

    (listed, one), (all_listed, all_one) = asked["search"], asked["all"]
    assert {"new": UNTOLD} == listed.json()["unavailable"]
    assert {"new": reason} == all_listed.json()["unavailable"]
    assert [(503, "not-ready")] * 2 == [kind(one), kind(all_one)]
    assert one.json()["detail"] == f"collection 'new' cannot be served: {UNTOLD}"
    assert reason not in one.text
    assert all_one.json()["detail"] == f"collection 'new' cannot be served: {reason}"
    assert [False, False] == ["retry-after" in each.headers for each in (one, all_one)]


def test_damaged_keys_close_the_service(client: TestClient, home: Path, keys: dict[str, str]) -> None:
    """Nobody is let in, it is not ready and says so; it lives and shows its page, and is mended with the file."""
    file = home / "keys.json"
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])

    assert (503, "keys-unreadable") == kind(client.get("/v1/models", headers=bearing(keys["all"])))
    assert (503, "keys-unreadable") == kind(client.get("/readyz"))
    assert [200, 200] == [client.get(path).status_code for path in ("/", "/healthz")]
    file.write_bytes(whole)
    assert 200 == client.get("/v1/models", headers=bearing(keys["all"])).status_code


def test_what_is_open_does_not_wait_for_the_keys(
    client: TestClient, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose keys lie on a disk that hangs is alive, and its supervisor is told so."""
    waited: list[str] = []

    async def hangs() -> None:
        waited.append("asked")
        raise AssertionError("the keys are on a disk that hangs")

    monkeypatch.setattr(client.app.state.runtime.keyring, "current", hangs)  # type: ignore[attr-defined]

    assert [200, 200] == [client.get(path, headers=bearing(keys["all"])).status_code for path in ("/healthz", "/")]
    assert [] == waited


def test_without_keys_nothing_is_asked_for(tmp_path: Path) -> None:
    """A service on this machine without keys answers all, and the first key closes it at once."""
    with TestClient(create_app(Settings(home=tmp_path, poll_s=1e-6)), base_url=ADDRESS) as client:
        assert [200, 200] == [client.get(path).status_code for path in ("/metrics", "/openapi.json")]
        add_key(tmp_path / "keys.json", make_key("first", ["search"])[1])
        assert [401, 401] == [client.get(path).status_code for path in ("/metrics", "/openapi.json")]
