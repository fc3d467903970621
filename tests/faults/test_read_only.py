"""A home that the service may only read, as docker-compose.yml mounts it."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_colours

ITEMS = "/v1/collections/colours/items"


@pytest.fixture
def home(tmp_path: Path, tiny_bundle: Path) -> Iterator[Path]:
    """A home on a file system that was made read-only; skipped where none can be mounted."""
    folder = tmp_path / "home"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here (needs root): {mounted.stderr.strip()}")
    make_colours(folder, tiny_bundle)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_it_is_searched_and_left_alone(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Searches are answered, writes refused with what to do, and nothing is tried that cannot be done, nor complained of."""
    settings = Settings(home=home, writes=True, publish_rows=1, poll_s=0.02)
    with TestClient(create_app(settings), base_url=ADDRESS, raise_server_exceptions=False) as client:
        wait_until_ready(client)
        found = client.post("/v1/collections/colours/search", json={"query": {"text": "red"}, "limit": 100})
        put = client.put(ITEMS, json={"items": [{"id": "red-0", "captions": ["x"]}]})
        removed = client.request("DELETE", ITEMS, json={"ids": ["red-0"]})
        time.sleep(0.2)

    assert 24 == len(found.json()["hits"])
    for answer in (put, removed):
        assert (403, "/problems/writes-off") == (answer.status_code, answer.json()["type"])
        assert "read-only" in answer.json()["detail"]
    assert not caplog.records
