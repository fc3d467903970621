"""Queries that the cache answers, a second on one core, beside a bare ASGI program that answers as many bytes.

    python -m benchmarks.cached

The server has one core and the clients another. Both programs are measured in turn, so that what slows the machine slows both.
Throughput is that of clients who ask again when they were answered; latency that of requests which come by themselves, as many as
the bar wants, counted from when each was due. CPU time of a request, of all threads of the server, says what it costs on a machine
that does other things too.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import httpx

from benchmarks.fixtures import COLLECTION, full_size_home
from benchmarks.http_text import texts
from benchmarks.storm import Seen, Task, ask, percentile, post
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


def cpu_seconds(process: int) -> float:
    """What *process* has taken of the cores so far, in itself and for it in the kernel."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measure(process: int, task: Task) -> Measured:
    """Let the clients do *task* and look what the server took."""
    before = cpu_seconds(process)
    seen = ask(task)
    return Measured(seen, 1e6 * (cpu_seconds(process) - before) / max(1, len(seen.ms)))


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


def bodies(queries: int) -> list[bytes]:
    """As many different questions."""
    return [json.dumps({"query": {"text": text}, "limit": 10}).encode() for text in texts(queries, seed=7)]


def ask_each(client: httpx.Client, asked: list[bytes]) -> int:
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
    return int(mean(sizes))


@dataclass(frozen=True)
class Round:
    """The bare program and ours: as fast as answers come, then at the bar's rate."""

    bare: Measured
    fast: Measured
    bare_steady: Measured
    steady: Measured


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500, help="different ones")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a measurement; there are four in a round")
    parser.add_argument("--rounds", type=int, default=3)
    options, _ = parser.parse_known_args()
    cores = os.sched_getaffinity(0)
    mine, theirs = sorted(cores)[:2]
    # whoever is started now is there and stays there, threads and all
    os.sched_setaffinity(0, {mine})
    asked = bodies(options.queries)
    requests = tuple(post(SEARCH, body) for body in asked)
    with tempfile.TemporaryDirectory() as folder, serving(full_size_home(options.rows), Path(folder) / "log") as server:
        size = ask_each(server.client, asked)
        with bare(size) as (process, port):
            os.sched_setaffinity(0, {theirs})
            other = Task(port, requests, options.seconds, options.clients)
            ours = replace(other, port=server.port)
            pairs = ((process, other), (server.process.pid, ours))
            tasks = [*pairs, *((each, replace(task, clients=0, rate=RATE)) for each, task in pairs)]
            rounds = [Round(*(measure(*each) for each in tasks)) for _ in range(options.rounds)]
            single = measure(server.process.pid, replace(ours, clients=1, seconds=options.seconds / 2)).seen
    os.sched_setaffinity(0, cores)
    shown = f"{options.clients} clients, {options.queries} questions, answers of {size:,} bytes"
    runs = [each for one in rounds for each in (one.fast, one.steady)]
    show(
        f"Cached queries over HTTP, one core, {shown}, median of {options.rounds} rounds of {options.seconds:g} s",
        [
            Row("bare uvicorn, as many bytes", median(one.bare.seen.rate for one in rounds), "/s"),
            Row("the same, CPU", median(one.bare.cpu_us for one in rounds), "µs"),
            Row(
                f"the same, at {RATE:,.0f}/s: 99th percentile",
                median(_at(one.bare_steady, 0.99) for one in rounds),
                "ms",
            ),
            Row("cached queries", median(one.fast.seen.rate for one in rounds), "/s", RATE),
            Row("CPU of a cached query", median(one.fast.cpu_us for one in rounds), "µs"),
            Row(
                f"at {RATE:,.0f}/s: 99th percentile",
                median(_at(one.steady, 0.99) for one in rounds),
                "ms",
                P99_MS,
                at_most=True,
            ),
            Row(f"at {RATE:,.0f}/s: median latency", median(_at(one.steady, 0.5) for one in rounds), "ms"),
            Row("one client, median latency", percentile(single.of(200), 0.5), "ms"),
            Row(
                "requests that failed",
                float(sum(len(each.seen.status) - each.seen.status.count(200) for each in runs)),
                "",
                0.0,
                at_most=True,
            ),
        ],
    )


def _at(one: Measured, part: float) -> float:
    return percentile(one.seen.of(200), part)


if __name__ == "__main__":
    main()
