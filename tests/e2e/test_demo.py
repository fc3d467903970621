"""`vilem demo`: one command from nothing to answers."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

PATIENCE_S = 90


@dataclass(frozen=True)
class Demo:
    """A running demo: its process and a client on its address."""

    process: subprocess.Popen[str]
    client: httpx.Client


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(demo: Demo) -> None:
    """Wait for /readyz to answer 200."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert demo.process.poll() is None, "the demo ended before it served"
        try:
            if demo.client.get("/readyz").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail(f"not ready after {PATIENCE_S} s")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo over sixty scenes, in a process of its own."""
    home = tmp_path_factory.mktemp("demo")
    port = free_port()
    command = [sys.executable, "-m", "vilem", "demo", "--home", str(home), "--port", str(port), "--count", "60"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        running = Demo(process, client)
        try:
            wait_until_ready(running)
            yield running
        finally:
            process.kill()
            process.wait()


def search(demo: Demo, query: dict[str, str], **options: object) -> list[dict[str, object]]:
    """The hits of one search."""
    answer = demo.client.post("/v1/collections/scenes/search", json={"query": query, **options})
    assert httpx.codes.OK == answer.status_code, answer.text
    return answer.json()["hits"]


def test_a_sentence_finds_its_scene(demo: Demo) -> None:
    """Most scenes are among the five best of sixty for their own first caption."""
    sample = demo.client.get("/v1/collections/scenes").json()["sample"]
    asked = [(item["id"], item["captions"][0]) for item in sample]

    found = [item in [hit["id"] for hit in search(demo, {"text": caption}, limit=5)] for item, caption in asked]

    assert len(found) >= 3
    assert sum(found) / len(found) >= 0.6


def test_a_picture_finds_itself(demo: Demo) -> None:
    """The stored picture of an item, sent back as a query, brings that item first."""
    item = demo.client.get("/v1/collections/scenes").json()["sample"][0]["id"]
    picture = demo.client.get(f"/v1/collections/scenes/items/{item}/image").content

    answer = demo.client.post("/v1/collections/scenes/search/image", files={"file": ("query.png", picture)})

    assert item == answer.json()["hits"][0]["id"]


def test_the_page_is_served(demo: Demo) -> None:
    """The printed address shows a page."""
    answer = demo.client.get("/")

    assert httpx.codes.OK == answer.status_code
    assert "text/html" in answer.headers["content-type"]


def test_ctrl_c_ends_it(demo: Demo) -> None:
    """An interrupt ends the demo within seconds (the last test of this module: nothing serves after it)."""
    demo.process.send_signal(signal.SIGINT)

    demo.process.wait(timeout=15)

    assert demo.process.returncode in (0, 130, -signal.SIGINT)
