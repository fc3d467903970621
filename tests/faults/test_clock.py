"""A wall clock that is set while the service runs: nothing that waits, expires or is measured looks at it."""

import random
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.service.conftest import ADDRESS, wait_until_ready
from tests.support.collections import make_colours

DAY = 86_400.0


def test_a_clock_that_jumps_fails_nothing(tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set forth and back by a day at each look, it changes no answer: searches, pages from the cache, writes, probes, times."""
    make_colours(tmp_path, tiny_bundle)
    chance, real = random.Random(1), time.time
    with TestClient(create_app(Settings(home=tmp_path, deadline_s=2.0, poll_s=0.05)), base_url=ADDRESS) as client:
        wait_until_ready(client)
        monkeypatch.setattr(time, "time", lambda: real() + chance.choice((-DAY, 0.0, DAY)))
        for number in range(40):
            text = "red" if number % 2 else f"red {number}"
            answer = client.post("/v1/collections/colours/search", json={"query": {"text": text}, "limit": 3})
            item = {"id": f"new-{number}", "vector": [1.0] + [0.0] * 15}
            written = client.put("/v1/collections/colours/items", json={"items": [item]}) if number % 10 == 0 else None
            assert 200 == answer.status_code, answer.text
            assert all(0 <= ms < 2_000 for ms in answer.json()["took_ms"].values())
            assert written is None or "created" == written.json()["results"][0]["status"]
            assert 200 == client.get("/readyz").status_code
