"""How the server hears that it is to stop; tests/faults/test_drain.py has it under load."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service.operations import server
from service.settings import Settings


@pytest.fixture(autouse=True)
def survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that runs the tests is not ended when a server's time is up."""
    monkeypatch.setattr(server, "_end_within", lambda seconds: None)


def made(parent: int | None = None, **settings: float) -> server.DrainingServer:
    """A server that is not run, but takes itself for one that is."""
    found = server.DrainingServer(
        uvicorn.Config("none"), Settings.model_validate(settings), threading.Event(), parent=parent
    )
    found.started = True
    return found


@pytest.mark.parametrize(("sig", "at_once"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_person_does_not_wait_for_load_balancers(sig: signal.Signals, at_once: bool) -> None:
    """Ctrl-C stops taking requests now, SIGTERM after it has lingered; both make it drain."""
    stopped = made(drain_s=60, linger_s=20)
    stopped.handle_exit(sig, None)

    assert stopped._draining.is_set()
    assert at_once == asyncio.run(stopped.on_tick(1))


def test_what_its_parent_alone_may_end_hears_once() -> None:
    """A supervisor that signals a whole group, and the parent after it, do not end a process that drains."""
    child = made(parent=os.getppid(), drain_s=60, linger_s=20)
    child.handle_exit(signal.SIGTERM, None)
    until = child._stop_at
    child.handle_exit(signal.SIGTERM, None)

    assert until == child._stop_at


def test_one_of_several_that_still_loads_ends_at_once() -> None:
    """It takes nothing, so nobody is told that it is not ready by it, in the place of those that are."""
    code = (
        "import os, signal, threading, uvicorn; from service.operations.server import DrainingServer\n"
        "from service.settings import Settings\n"
        "made = DrainingServer(uvicorn.Config('none'), Settings(), threading.Event(), parent=os.getppid())\n"
        "made.handle_exit(signal.SIGTERM, None)"
    )

    assert -signal.SIGTERM == subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode


def test_an_orphan_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose parent is gone stops by itself: nobody else would stop it."""
    child = made(parent=os.getppid(), drain_s=60, linger_s=0)
    assert not asyncio.run(child.on_tick(1))
    monkeypatch.setattr(os, "getppid", lambda: 1)

    assert asyncio.run(child.on_tick(2))


@pytest.mark.parametrize("parent", [os.getppid(), None, 1], ids=["one of several", "alone", "left alone"])
def test_one_of_several_leaves_their_socket_as_it_is(parent: int | None) -> None:
    """Told to stop alone it goes, and the others are reached; who is alone, or was left alone, lets nobody wait in vain."""
    child = made(parent=parent, drain_s=60)
    # there is no app to be told
    child.servers, child.force_exit = [], True
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket(fileno=os.dup(listening.fileno())) as shared,
    ):
        asyncio.run(child.shutdown([shared]))
        with suppress(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2).close()
            assert parent == os.getppid()
            return

    assert parent != os.getppid()


@pytest.mark.parametrize(("sent_after_s", "is_heard"), [(0.15, True), (None, False)])
def test_who_is_connected_has_a_moment_for_a_request(sent_after_s: float | None, is_heard: bool) -> None:
    """A client whose request is still on its way when the server ends is answered; one that says nothing holds it up for half a second."""
    heard = list[str]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            heard.append(scope["path"])
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def connected() -> float:
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        ended = server.DrainingServer(config, Settings(drain_s=60, linger_s=0), threading.Event())
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serving = asyncio.create_task(ended.serve(sockets=[listening]))
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            # it is accepted, and the server looks
            await asyncio.sleep(0.3)
            ended.should_exit, began = True, time.monotonic()
            if sent_after_s is not None:
                await asyncio.sleep(sent_after_s)
                writer.write(b"GET /late HTTP/1.1\r\nhost: localhost\r\n\r\n")
                assert b"204" in await reader.readline()
            await serving
            writer.close()
            return time.monotonic() - began

    took = asyncio.run(connected())

    assert is_heard == (heard == ["/late"])
    assert took < 5.0


def test_the_bound_holds_and_a_second_signal_does_not_wait() -> None:
    """A process that cannot end is ended when the time is up, with status 1 and a reason; one that is told twice ends by the signal."""
    code = (
        "import signal, sys, threading, time, uvicorn; from service.operations.server import DrainingServer\n"
        "from service.settings import Settings\n"
        "made = DrainingServer(uvicorn.Config('none'), Settings(drain_s=float(sys.argv[1])), threading.Event())\n"
        "for _ in range(int(sys.argv[2])): made.handle_exit(signal.SIGTERM, None)\n"
        "time.sleep(90)"
    )
    stuck, hurried = (
        subprocess.Popen([sys.executable, "-c", code, *how], stderr=subprocess.PIPE, text=True)
        for how in (("0.2", "1"), ("60", "2"))
    )

    assert "VILEM_DRAIN_S" in stuck.communicate(timeout=60)[1]
    assert "" == hurried.communicate(timeout=60)[1]
    assert (1, -signal.SIGTERM) == (stuck.returncode, hurried.returncode)


def test_the_bound_needs_no_interpreter() -> None:
    """A thread that keeps the interpreter to itself for a minute does not keep the process beyond its time."""
    code = (
        "import ctypes, signal, threading, uvicorn; from service.operations.server import DrainingServer\n"
        "from service.settings import Settings\n"
        "made = DrainingServer(uvicorn.Config('none'), Settings(drain_s=0.2), threading.Event())\n"
        "made.handle_exit(signal.SIGTERM, None); ctypes.PyDLL(None).sleep(60)"
    )
    # beside it a machine that is busy: what it takes to import comes on top
    held = subprocess.run([sys.executable, "-c", code], check=False, timeout=50, capture_output=True, text=True)

    assert 1 == held.returncode
    assert "File" in held.stderr, "where it was held up is told"


def test_nothing_is_waited_for_at_the_end(tmp_path: Path) -> None:
    """Once all is closed the process ends with 0, though a thread goes on for nobody; what libraries do at the end is done."""
    code = (
        "import atexit, os, signal, socket, sys, threading, time; from concurrent.futures import ThreadPoolExecutor\n"
        "from service.operations.server import run; from service.settings import Settings\n"
        "ThreadPoolExecutor(1).submit(time.sleep, 90); atexit.register(print, 'last words')\n"
        "opened = socket.create_server(('127.0.0.1', 0))\n"
        "def stop():\n"
        "    client = socket.create_connection(opened.getsockname())\n"
        "    client.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); client.recv(1); os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=stop).start(); run(Settings(home=sys.argv[1], drain_s=45), opened)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, check=False, timeout=80, capture_output=True, text=True)

    assert (0, "last words\n") == (ended.returncode, ended.stdout)


def test_metrics_of_several_processes_are_one(tmp_path: Path) -> None:
    """Counters are summed, of versions the lowest is told, and nothing of a collection that all have forgotten."""
    code = (
        "import sys; from service.operations.metrics import Metrics\n"
        "metrics = Metrics(); metrics.requests.labels('/x', 200).inc(int(sys.argv[1]))\n"
        "for name in ('photos', 'left', 'gone'):\n"
        "    for each in (metrics.version, metrics.rows): each.labels(name).set(int(sys.argv[1]))\n"
        "for name in sys.argv[2:]: metrics.forget(name)\n"
        "print(metrics.text().decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    first = subprocess.Popen(
        [sys.executable, "-c", code + "; sys.stdout.flush(); sys.stdin.read()", "3", "gone"],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    # it counts, then it prints
    assert first.stdout.readline()
    second = subprocess.run(
        [sys.executable, "-c", code, "4", "gone", "left"], env=environment, capture_output=True, text=True, check=True
    )
    first.communicate("")

    assert 'vilem_requests_total{route="/x",status="200"} 7.0' in second.stdout
    told = [line for line in second.stdout.splitlines() if line.startswith("vilem_collection_")]
    assert {
        'vilem_collection_version{collection="photos"} 3.0',
        'vilem_collection_rows{collection="photos"} 4.0',
        'vilem_collection_version{collection="left"} 3.0',
        'vilem_collection_rows{collection="left"} 3.0',
    } == {*told}
