"""The app as a whole: its OpenAPI document, its headers, its documentation."""

import ast
import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import JsonValue

from service.app import create_app
from service.guard.keys import add_key, make_key
from service.routes import collections, embeddings, items, models, ops, page, proofread, search
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "api.md"
QUERIES = ROOT / "docs" / "queries.md"
PROBLEM = "application/problem+json"


def operations(client: TestClient) -> list[tuple[str, dict[str, dict[str, object]]]]:
    """Path and operation of everything in the OpenAPI document."""
    paths = client.get("/openapi.json").json()["paths"]
    return [
        (f"{method.upper()} {path}", operation) for path, item in paths.items() for method, operation in item.items()
    ]


def test_every_operation_is_explained(client: TestClient) -> None:
    """Each operation has a summary and a description, and each problem it may answer is problem JSON."""
    for name, operation in operations(client):
        assert operation.get("summary"), name
        assert operation.get("description"), name
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert [PROBLEM] == list(response["content"]), f"{name} {status}"  # type: ignore[index]


def with_our_ids(value: JsonValue, item: str) -> JsonValue:
    """An example, with our item in the place of each that it names, another for each."""
    text = json.dumps(value)
    for number in (1, 2):
        text = text.replace(f"test-0-00000{number}", item.replace("0", str(number - 1)))
    return json.loads(text)


def examples_of(client: TestClient, path: str) -> list[JsonValue]:
    """Bodies that the OpenAPI document shows."""
    body = dict(operations(client))[f"POST /v1/collections/{{name}}/{path}"]["requestBody"]
    return [each["value"] for each in body["content"]["application/json"]["examples"].values()]  # type: ignore[index]


def documented() -> list[dict[str, JsonValue]]:
    """JSON in docs/queries.md."""
    return [json.loads(found) for found in re.findall(r"```json\n(.*?)```", QUERIES.read_text(), re.DOTALL)]


def test_the_search_has_examples_that_work(calibrated: TestClient, reader: TestClient) -> None:
    """Every example in the OpenAPI document and in docs/queries.md, sent as it is (with ids of ours), is answered 200."""
    shown = [*examples_of(calibrated, "search"), *examples_of(calibrated, "searches"), *documented()]

    assert len(shown) >= 15
    for each in shown:
        value = dict(each)  # type: ignore[arg-type]
        asked, name, item = (reader, "told", "red-0.png") if "rerank" in value else (calibrated, "sure", "red-0")
        path = "searches" if "queries" in value else "search"
        answer = asked.post(f"/v1/collections/{name}/{path}", json=with_our_ids(value, item))
        assert 200 == answer.status_code, answer.text
        assert all("hits" in result for result in answer.json().get("results", [])), answer.text


@pytest.mark.parametrize("path", ["/healthz", "/none", "/v1/collections", "/v1/collections/none"])
def test_every_answer_is_guarded(client: TestClient, path: str) -> None:
    """Each answer, errors too, forbids sniffing, framing, and use by other sites, and has a content security policy."""
    headers = client.get(path).headers

    assert ("nosniff", "DENY") == (headers["x-content-type-options"], headers["x-frame-options"])
    assert ("no-referrer", "camera=()") == (headers["referrer-policy"], headers["permissions-policy"].split(", ")[0])
    assert {"same-origin"} == {headers[f"cross-origin-{part}-policy"] for part in ("opener", "resource")}
    assert "default-src" in headers["content-security-policy"]


def test_other_sites_may_not_ask(client: TestClient) -> None:
    """By default no page of another site is told anything, and none may write."""
    origin = {"origin": "https://shop.example"}
    asking = origin | {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}

    assert "access-control-allow-origin" not in client.get("/v1/collections", headers=origin).headers
    asked = client.options("/v1/collections/colours/items", headers=asking)
    assert (405, False) == (asked.status_code, "access-control-allow-origin" in asked.headers)


def test_sites_that_are_named_may_ask(tmp_path: Path) -> None:
    """A listed site may, with a key too, errors included, and without cookies; another may not, nor one that ends alike."""
    add_key(tmp_path / "keys.json", make_key("a", ["search"])[1])
    app = create_app(Settings(home=tmp_path, cors_origins=("https://shop.example",)))
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, content-type"}
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for origin, may in {"https://shop.example": True, "https://evilshop.example": False, "null": False}.items():
            before = client.options("/v1/embeddings", headers=asking | {"origin": origin})
            answer = client.post("/v1/embeddings", headers={"origin": origin})
            assert 401 == answer.status_code
            assert may == (before.status_code == 200)
            assert [may, may] == [
                each.headers.get("access-control-allow-origin") == origin for each in (before, answer)
            ]
            assert "access-control-allow-credentials" not in before.headers


def test_no_stack_trace_comes_out(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours is a problem that says nothing of our insides, and has every guard."""

    def fail(*_: object) -> object:
        raise RuntimeError("the secret is in /etc/shadow")

    monkeypatch.setattr(client.app.state.runtime, "served", fail)  # type: ignore[attr-defined]
    answer = client.get("/v1/collections/colours")

    assert (500, "/problems/internal") == (answer.status_code, answer.json()["type"])
    assert not any(word in answer.text for word in ("secret", "shadow", "Traceback", "RuntimeError", ".py"))


def test_the_pages_policy_keeps_to_this_host(client: TestClient) -> None:
    """The page may load from this host and nothing from elsewhere; pictures also from memory."""
    policy = client.get("/v1/collections").headers["content-security-policy"]

    assert policy.startswith("default-src 'self'; img-src 'self' blob: data:")
    assert "http" not in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/settings.py", "/static//etc/passwd"]
)
def test_static_files_stay_in_their_folder(client: TestClient, path: str) -> None:
    """No path leads from /static to another folder."""
    assert client.get(path).status_code in (404, 405)


def test_building_an_app_starts_nothing(tmp_path: Path) -> None:
    """create_app opens no collection and starts no thread: that is left to the server's start."""
    import threading

    before = set(threading.enumerate())
    app = create_app(Settings(home=tmp_path))

    assert before == set(threading.enumerate())
    assert not hasattr(app.state, "runtime")


def test_the_documentation_names_every_setting() -> None:
    """docs/api.md lists each VILEM_* variable with its default."""
    text = DOCUMENT.read_text()

    assert [] == [name for name in Settings.model_fields if f"`VILEM_{name.upper()}`" not in text]


def test_the_documentation_names_every_problem() -> None:
    """docs/api.md lists each problem type that the code can answer."""
    from service.problems import TABLE

    text = DOCUMENT.read_text()

    assert [] == [slug for _, _, slug, _ in TABLE if f"`{slug}`" not in text]


def test_the_documentation_names_every_operation(client: TestClient) -> None:
    """docs/api.md lists each path of the API."""
    text = DOCUMENT.read_text()

    assert [] == [name for name, _ in operations(client) if f"`{name}`" not in text]


def test_the_documentation_names_every_metric() -> None:
    """docs/api.md lists each metric."""
    from service.operations.metrics import Metrics

    text = DOCUMENT.read_text()

    assert [] == [each.name for each in Metrics().registry.collect() if f"`{each.name}" not in text]


def test_routes_do_not_know_each_other() -> None:
    """No route module imports another."""
    for path in (ROOT / "service" / "routes").glob("*.py"):
        imported = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        assert [] == [module for module in imported if module and module.startswith("service.routes")], path


def test_no_request_is_handed_to_a_thread_unasked() -> None:
    """Every handler and dependency is a coroutine: FastAPI hands all others to threads, which costs more than they do."""
    import inspect

    from fastapi.dependencies.models import Dependant

    def calls(dependant: Dependant) -> list[object]:
        return [dependant.call, *(call for each in dependant.dependencies for call in calls(each))]

    for router in (search, proofread, collections, items, models, embeddings, ops, page):
        for route in router.router.routes:
            assert isinstance(route, APIRoute)
            assert [] == [call for call in calls(route.dependant) if not inspect.iscoroutinefunction(call)], route.path
