"""Queries that the cache answers, a second on one core, beside a bare ASGI program that answers as many bytes.

    python -m benchmarks.cached

The server has one core and the clients another. Both are measured in turn, so that what slows the machine slows both. CPU time of
a request, of all threads of the server, says what it costs on a machine that does other things too.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.clients import Seen, Task, ask
from benchmarks.fixtures import COLLECTION, full_size_home
from benchmarks.http_text import texts
from benchmarks.table import Row, show
from tests.support.servers import free_port, serving

RATE = 3000.0
P99_MS = 5.0
SEARCH = f"/v1/collections/{COLLECTION}/search"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_BARE = """
import sys
import uvicorn

BODY = b"x" * int(sys.argv[2])
HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}

async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send(HEAD)
    await send({"type": "http.response.body", "body": BODY})

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""


@dataclass(frozen=True)
class Measured:
    """One run of the clients, and the CPU time that the server took for each request, in microseconds."""

    seen: Seen
    cpu_us: float


def pin(process: int, core: int) -> None:
    """Keep every thread of *process* on one core; those that it makes later come after theirs."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def cpu_seconds(process: int) -> float:
    """What *process* has taken of the cores so far, in itself and for it in the kernel."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measure(process: int, task: Task) -> Measured:
    """Let the clients do *task* and look what the server took."""
    before = cpu_seconds(process)
    seen = ask(task)
    return Measured(seen, 1e6 * (cpu_seconds(process) - before) / max(1, len(seen.milliseconds)))


@contextmanager
def bare(size: int) -> Generator[tuple[int, int]]:
    """Process and port of a program that answers *size* bytes to every request."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port), str(size)])
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def bodies(queries: int) -> tuple[str, ...]:
    """As many different requests."""
    return tuple(json.dumps({"query": {"text": text}, "limit": 10}) for text in texts(queries, seed=7))


def ask_each(client: httpx.Client, asked: tuple[str, ...]) -> int:
    """Ask every question once and again, so that all are in the cache; returns the bytes of an answer.

    Raises:
        AssertionError: one was not in the cache the second time.
    """
    headers = {"content-type": "application/json"}
    for body in asked:
        client.post(SEARCH, content=body, headers=headers).raise_for_status()
    sizes: list[int] = []
    for body in asked:
        answer = client.post(SEARCH, content=body, headers=headers)
        assert answer.json()["cached"], answer.text
        sizes.append(len(answer.content))
    return int(statistics.mean(sizes))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500, help="different ones")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    options, _ = parser.parse_known_args()
    mine, theirs = sorted(os.sched_getaffinity(0))[:2]
    asked = bodies(options.queries)
    with tempfile.TemporaryDirectory() as folder, serving(full_size_home(options.rows), Path(folder) / "log") as server:
        size = ask_each(server.client, asked)
        with bare(size) as (process, port):
            pin(server.process.pid, mine)
            pin(process, mine)
            ours = Task(server.port, SEARCH, asked, options.seconds, options.clients, theirs)
            other = Task(port, SEARCH, asked, options.seconds, options.clients, theirs)
            rounds = [(measure(process, other), measure(server.process.pid, ours)) for _ in range(options.rounds)]
            single = measure(server.process.pid, Task(server.port, SEARCH, asked, options.seconds / 2, 1, theirs))
    bare_runs, runs = zip(*rounds, strict=True)
    show(
        f"Cached queries over HTTP, one core, {options.clients} clients, {options.queries} questions, answers of {size:,} bytes, "
        f"median of {options.rounds} rounds of {options.seconds:g} s",
        [
            Row("bare uvicorn, as many bytes", _median(each.seen.rate for each in bare_runs), "/s"),
            Row("the same, CPU", _median(each.cpu_us for each in bare_runs), "µs"),
            Row("cached queries", _median(each.seen.rate for each in runs), "/s", RATE),
            Row("99th percentile", _median(each.seen.percentile(0.99) for each in runs), "ms", P99_MS, at_most=True),
            Row("median latency", _median(each.seen.percentile(0.5) for each in runs), "ms"),
            Row("CPU of a cached query", _median(each.cpu_us for each in runs), "µs"),
            Row("one client, median latency", single.seen.percentile(0.5), "ms"),
            Row("requests that failed", float(sum(each.seen.failed for each in runs)), "", 0.0, at_most=True),
        ],
    )


def _median(values: Iterator[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
