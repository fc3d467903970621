"""Work ends when its client has gone, or when its time is up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from fastapi import APIRouter, Body, FastAPI, File, UploadFile
from starlette.types import Message

from service import problems
from service.attended import CLIENT_GONE, AttendedRoute
from service.encoding import urgency
from service.guard.body_limit import BodyLimit
from service.guard.json_body import MAX_VALUES
from service.operations.metrics import Metrics
from service.settings import Settings

PATIENT_S = 30.0
Work = Callable[[], Awaitable[None]]


def app_doing(work: Work, deadline_s: float = PATIENT_S, max_bytes: int = 10 * MAX_VALUES) -> FastAPI:
    """An app whose routes do *work* once they have their input."""
    router = APIRouter(route_class=AttendedRoute)

    @router.get("/")
    async def look() -> str:
        await work()
        return "looked"

    @router.post("/")
    async def double(numbers: list[int] = Body()) -> list[int]:  # noqa: B008 - as FastAPI wants it
        await work()
        return [2 * number for number in numbers]

    @router.post("/file")
    async def measure(file: UploadFile = File()) -> int:
        return len(await file.read())

    app = FastAPI()
    app.state.runtime = SimpleNamespace(settings=Settings(deadline_s=deadline_s))
    problems.install(app, Metrics())
    app.include_router(router)
    app.add_middleware(BodyLimit, max_bytes=max_bytes, patience_s=deadline_s)
    return app


async def ask(
    app: FastAPI,
    body: bytes | None = None,
    *,
    path: str = "/",
    gone_after_s: float = PATIENT_S,
    kind: str = "application/json",
    priority: str | None = None,
) -> tuple[int, object]:
    """Status and value of the answer to a request whose client leaves after a while."""
    sent: list[Message] = []
    parts: list[Message] = [{"type": "http.request", "body": body or b"", "more_body": False}]

    async def receive() -> Message:
        if parts:
            return parts.pop()
        await asyncio.sleep(gone_after_s)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body or b"")).encode())]
    if priority is not None:
        headers.append((b"priority", priority.encode()))
    scope = {
        "type": "http", "method": "GET" if body is None else "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "http_version": "1.1", "headers": headers,
    }  # fmt: skip
    await app(scope, receive, send)
    answer = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(answer) if answer else None


def test_a_request_is_as_urgent_as_it_says() -> None:
    """The header's urgency holds for all that its handler does, and for no request after it."""
    found: list[int] = []

    async def note() -> None:
        found.append(await asyncio.create_task(_urgency()))

    async def three() -> None:
        for priority in ("u=6", "u=0, i", None):
            await ask(app_doing(note), priority=priority)

    asyncio.run(three())

    assert [6, 0, 3] == found


async def _urgency() -> int:
    return urgency.urgency()


class Slow:
    """Work that takes for ever, and notes whether it was cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    async def __call__(self) -> None:
        """Wait."""
        try:
            await asyncio.sleep(PATIENT_S)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def at_once() -> None:
    """Nothing."""


def test_a_request_in_time_is_answered() -> None:
    """What is answered in time is answered as on any route, and what is not valid is refused."""
    app = app_doing(at_once)

    assert (200, "looked") == asyncio.run(ask(app))
    assert (200, [2, 4]) == asyncio.run(ask(app, b"[1, 2]"))
    assert 422 == asyncio.run(ask(app, b'["x"]'))[0]


@pytest.mark.parametrize("body", [None, b"[1]"])
def test_work_ends_with_its_client(body: bytes | None) -> None:
    """When the client leaves, the handler is cancelled where it waits."""
    work = Slow()

    status, _ = asyncio.run(ask(app_doing(work), body, gone_after_s=0.02))

    assert (CLIENT_GONE, True) == (status, work.cancelled)


@pytest.mark.parametrize("body", [None, b"[1]"])
def test_work_ends_with_its_time(body: bytes | None) -> None:
    """When the deadline passes, the handler is cancelled and the client told, whatever the handler waits for."""
    work = Slow()

    status, answer = asyncio.run(ask(app_doing(work, deadline_s=0.05), body))

    assert (503, True) == (status, work.cancelled)
    assert "/problems/deadline-exceeded" == answer["type"]  # type: ignore[index]


def test_a_timeout_of_the_work_is_not_the_deadline() -> None:
    """A TimeoutError of the handler's own is a fault of ours, not a deadline."""

    async def failing() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(ask(app_doing(failing)))


def test_no_one_is_left_listening() -> None:
    """After the answer no task of the request is left."""

    async def use() -> int:
        await ask(app_doing(at_once), b"[1]")
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert 1 == asyncio.run(use())


def test_a_refused_body_is_told_as_what_it_is() -> None:
    """A limit that is met while FastAPI reads a body or a form is that limit's problem, not a form that is broken."""
    form = "multipart/form-data; boundary=b"
    upload = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 2000 + b"\r\n--b--\r\n"
    )
    small = app_doing(at_once, max_bytes=1000)

    for given in ({"body": b"[" + b"1," * 1000 + b"1]"}, {"body": upload, "path": "/file", "kind": form}):
        status, answer = asyncio.run(ask(small, **given))  # type: ignore[arg-type]
        assert (413, "/problems/body-too-large") == (status, answer["type"])  # type: ignore[index]
    assert (200, 2000) == asyncio.run(ask(app_doing(at_once), upload, path="/file", kind=form))


def test_bodies_are_bounded_in_what_they_unfold_to() -> None:
    """The route reads JSON as `JsonRequest` does: too many values are 413."""
    assert 413 == asyncio.run(ask(app_doing(at_once), b"[" + b"1," * MAX_VALUES + b"1]"))[0]


def test_an_upload_without_room_on_disk_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the folder for uploads is full, the client is told to come back, not that its form is broken."""

    async def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("starlette.requests.Request._get_form", full)
    form = "multipart/form-data; boundary=b"

    status, answer = asyncio.run(ask(app_doing(at_once), b"--b--", path="/file", kind=form))

    assert (429, "/problems/queue-full") == (status, answer["type"])  # type: ignore[index]
