"""What hostile requests cost the real server: status, seconds, extra memory, and what others feel of them.

python -m benchmarks.hostile
"""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.storm import Task, ask, percentile, post
from benchmarks.table import Row, show
from tests.support.collections import make_colours
from tests.support.hostile import CASES, MEMORY_BYTES, Hostile
from tests.support.images import encoded, picture
from tests.support.servers import Server, serving
from tests.support.tiny_bundle import make_tiny_bundle

SECONDS = 1.0
# how much later others are answered while pictures of 169 megapixels come, eight at a time
SLOWDOWN = 2.0
CLIENTS = 4
MEASURED_S = 8.0
# more than the clients come to, so that no text comes twice
_TEXTS = 60_000
SEARCH = "/v1/collections/colours/search"


def measured(server: Server, case: Hostile) -> list[Row]:
    """Rows of one request; the body is made before the clock starts."""
    made = case.make()
    ready = Hostile(case.name, case.path, lambda: made)
    server.forget_peak()
    before, _ = server.memory()
    began = time.perf_counter()
    answer = ready.send(server.client, "colours")
    seconds = time.perf_counter() - began
    _, peak = server.memory()
    following = server.client.post(SEARCH, json={"query": {"text": "green"}})
    # 4xx is the bar: anything else, or a next request that is not answered, counts as an hour
    refused = 400 <= answer.status_code < 500 and following.status_code == 200
    return [
        Row(f"{case.name}: {answer.status_code}", seconds if refused else 3600.0, "s", SECONDS, at_most=True),
        Row("  extra memory", (peak - before) / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True),
    ]


def latencies(server: Server, first: int) -> list[float]:
    """Milliseconds of searches by `CLIENTS` clients that ask again when they were answered, for texts from that number on; ascending."""
    bodies = (json.dumps({"query": {"text": f"green {first + number}"}}).encode() for number in range(_TEXTS))
    return ask(Task(server.port, tuple(post(SEARCH, each) for each in bodies), MEASURED_S, clients=CLIENTS)).of(200)


def beside(server: Server, case: Hostile) -> list[Row]:
    """What others feel of a hostile request: once a second, and again and again. Either side is a process of its own."""
    made = httpx.Request("POST", server.client.base_url, **case.make())  # type: ignore[arg-type]
    hostile = post(f"/v1/collections/colours{case.path}", made.read(), made.headers["content-type"])
    latencies(server, 0)
    alone = percentile(latencies(server, _TEXTS), 0.99)
    server.forget_peak()
    before, _ = server.memory()
    rows = [Row("p99 of others, alone", alone, "ms")]
    attacks = {"once a second": {"rate": 1.0}, "again and again": {"clients": 1}}
    with ThreadPoolExecutor(1) as attacker:
        for turn, (how, often) in enumerate(attacks.items(), 2):
            sent = attacker.submit(ask, Task(server.port, (hostile,), MEASURED_S, **often))
            attacked = percentile(latencies(server, turn * _TEXTS), 0.99)
            name = f"others' p99 beside {len(sent.result().ms)} x {case.name}, {how}"
            rows.append(Row(name, attacked / alone, "x", SLOWDOWN, at_most=True))
    _, peak = server.memory()
    return [*rows, Row("  extra memory", (peak - before) / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True)]


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_colours(home, make_tiny_bundle(home / "made" / "tiny"))
        with serving(home, home / "log") as server:
            server.client.post(f"{SEARCH}/image", files={"file": ("a.png", encoded(picture(2000, 2000)))})
            rows = [row for case in CASES for row in measured(server, case)]
            eight = next(case for case in CASES if case.name.startswith("eight"))
            rows += beside(server, eight)
    show("hostile requests, each a 4xx, and the next request answered", rows)


if __name__ == "__main__":
    main()
