"""What hostile requests cost the real server: status, seconds, extra memory, and what others feel of them.

python -m benchmarks.hostile
"""

import tempfile
import threading
import time
from itertools import count
from pathlib import Path

import httpx
import numpy as np

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


def latencies(server: Server, numbers: "count[int]", seconds: float) -> np.ndarray:
    """Of searches for new texts by `CLIENTS` clients that wait for their answers: seconds, in no order."""
    took: list[float] = []
    until = time.perf_counter() + seconds

    def ask() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=30, trust_env=False) as client:
            while (began := time.perf_counter()) < until:
                client.post(SEARCH, json={"query": {"text": f"green {next(numbers)}"}}).raise_for_status()
                took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(took)


def beside(server: Server, case: Hostile) -> list[Row]:
    """What others feel while one client sends a hostile request again and again: their p99 with it and without."""
    # encoded once: writing five megabytes of JSON would hold up those whose answers are timed in this very process
    made = httpx.Request("POST", server.client.base_url, **case.make())  # type: ignore[arg-type]
    content, headers = made.read(), {"content-type": made.headers["content-type"]}
    ready = Hostile(case.name, case.path, lambda: {"content": content, "headers": headers})
    numbers, over = count(), threading.Event()
    latencies(server, numbers, MEASURED_S / 4)
    alone = np.quantile(latencies(server, numbers, MEASURED_S), 0.99)
    server.forget_peak()
    before, _ = server.memory()
    sent = 0

    def attack() -> None:
        nonlocal sent
        with httpx.Client(base_url=server.client.base_url, timeout=30, trust_env=False) as client:
            while not over.is_set():
                ready.send(client, "colours")
                sent += 1

    attacker = threading.Thread(target=attack)
    attacker.start()
    attacked = np.quantile(latencies(server, numbers, MEASURED_S), 0.99)
    over.set()
    attacker.join()
    _, peak = server.memory()
    return [
        Row(f"others' p99 beside {sent} x {case.name}", attacked / alone, "x", SLOWDOWN, at_most=True),
        Row("  p99 alone", 1000 * alone, "ms"),
        Row("  extra memory", (peak - before) / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True),
    ]


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
