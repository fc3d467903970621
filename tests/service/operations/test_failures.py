"""What no route expected."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from httpx import Response
from starlette.types import Message, Receive, Scope, Send

from service.app import create_app
from service.operations.failures import Failures
from service.operations.metrics import Metrics
from service.operations.observe import Observe
from service.settings import Settings
from tests.service.conftest import ADDRESS

SITE = "https://shop.example"


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service logs reaches pytest, whatever an app of another test has made of its loggers."""
    for name in ("vilem", "vilem.service"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)


def ask(path: str, name: str = "mine") -> tuple[Response | None, Metrics]:
    """The answer to a request of that *name* (None when the app raised), and the metrics."""
    metrics, app = Metrics(), FastAPI()
    app.add_middleware(Failures, metrics=metrics)
    app.add_middleware(Observe, metrics=metrics)

    @app.get("/broken/{number}")
    async def broken() -> None:
        raise KeyError("secret")

    @app.get("/breaks-off")
    async def breaks_off() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"x"
            raise KeyError("secret")

        return StreamingResponse(parts())

    with TestClient(app) as client:
        try:
            return client.get(path, headers={"x-request-id": name}), metrics
        except KeyError:
            return None, metrics


def test_a_fault_of_ours_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    """An exception is a problem without its words, with the guards that every answer has, and its name leads to it in the log."""
    with caplog.at_level(logging.ERROR, logger="vilem.service"):
        answer, metrics = ask("/broken/7", "mine-2")

    assert answer is not None
    assert (500, "/problems/internal") == (answer.status_code, answer.json()["type"])
    assert "mine-2" == answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "nosniff" == answer.headers["x-content-type-options"]
    assert "secret" not in answer.text
    assert "GET /broken/{number} failed" == caplog.records[-1].getMessage()
    assert "KeyError" in (caplog.records[-1].exc_text or str(caplog.records[-1].exc_info))
    assert 1 == metrics.registry.get_sample_value("vilem_rejected_total", {"problem": "internal"})
    labels = {"route": "/broken/{number}", "status": "500"}
    assert 1 == metrics.registry.get_sample_value("vilem_requests_total", labels)


def test_an_answer_that_broke_off_is_not_begun_again() -> None:
    """When part of an answer has gone out, the exception is the server's: it closes the connection."""
    answer, metrics = ask("/breaks-off")

    assert answer is None
    assert 1 == metrics.registry.get_sample_value("vilem_requests_total", {"route": "/breaks-off", "status": "200"})


def test_another_sites_page_can_read_that_it_failed(tmp_path: Path) -> None:
    """A page that may ask sees a 500 as one; without the header a browser would tell it of no answer at all."""
    app = create_app(Settings(home=tmp_path, cors_origins=(SITE,)))

    async def broken() -> None:
        raise KeyError("secret")

    app.add_api_route("/broken", broken)
    with TestClient(app, base_url=ADDRESS) as client:
        answer = client.get("/broken", headers={"origin": SITE})

    assert (500, SITE) == (answer.status_code, answer.headers["access-control-allow-origin"])


@pytest.mark.parametrize("stopping", [True, False])
def test_what_is_cut_off_is_told_so(stopping: bool) -> None:
    """Cancelled because the time to drain is up, a request is answered 503 with what to do; otherwise nobody is there to hear."""
    draining, metrics = threading.Event(), Metrics()
    sent: list[Message] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(60)

    async def send(message: Message) -> None:
        sent.append(message)

    async def cut_off() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        task = asyncio.create_task(Failures(endless, metrics, draining)(scope, never, send))
        await asyncio.sleep(0.01)
        if stopping:
            draining.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cut_off())

    assert ([503] if stopping else []) == [each["status"] for each in sent if "status" in each]


async def never() -> Message:
    """A client that says nothing more."""
    return await asyncio.get_running_loop().create_future()
