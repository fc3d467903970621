"""Faults and hostile clients, one after the other, against a real service: each passes or fails, with its figures.

    python -m benchmarks.chaos [NAME …] [--seconds 10] [--idle 5000] [--cases 10000] [--fuzz 60]

Beside each fault an ordinary client searches at a fixed rate: that its requests are answered, and how soon, is what counts. Names are
those of the functions below; without any, all run. Redis killed and paused is `benchmarks.redis_chaos`.
"""

import argparse
import base64
import importlib.util
import json
import math
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.storm import Seen, Task, ask, percentile, post
from benchmarks.table import Row, show
from tests.support.collections import colour_picture, make_colours
from tests.support.hostile_clients import Slow, idle, slow_body, slow_head, slow_reader
from tests.support.redis_server import PROGRAM, running_redis
from tests.support.servers import Server, serving, wait_until
from tests.support.tcp_faults import faults_to
from tests.support.tiny_bundle import make_tiny_bundle

SEARCH = "/v1/collections/colours/search"
RATE = 50.0
# What others may notice of hostile clients, and of a Redis that is far away: half of it is the machine's own noise.
SLOWER_MS = 50.0
# Of one idle connection, in the service; the kernel has its own part.
IDLE_BYTES = 40_000


@dataclass(frozen=True)
class Options:
    """How much of everything."""

    home: Path
    seconds: float
    idle: int
    cases: int
    fuzz: float


@dataclass
class Beside:
    """What an ordinary client sees meanwhile."""

    port: int
    seconds: float
    seen: Seen = field(default_factory=Seen)

    def run(self) -> None:
        """Ask at a fixed rate, each third request a new text."""
        texts = [f"red {number}" if number % 3 == 0 else "red" for number in range(300)]
        requests = tuple(post(SEARCH, json.dumps({"query": {"text": text}}).encode()) for text in texts)
        self.seen = ask(Task(self.port, requests, self.seconds, rate=RATE))

    @property
    def failed(self) -> int:
        """Requests that were not answered 200."""
        return len(self.seen.status) - self.seen.status.count(200)

    def rows(self, slower_ms: float | None = SLOWER_MS) -> list[Row]:
        """As a table shows it."""
        answered = self.seen.of(200)
        return [
            Row("others' requests", float(len(self.seen.status)), ""),
            Row("others' requests that failed", float(self.failed), "", 0.0, at_most=True),
            Row("others' median", percentile(answered, 0.5), "ms"),
            Row("others' 99th percentile", percentile(answered, 0.99), "ms", slower_ms, at_most=True),
        ]


@contextmanager
def beside(server: Server, seconds: float) -> Generator[Beside]:
    """Ordinary requests while the block runs; they are seen when it has ended."""
    others = Beside(server.port, seconds)
    thread = threading.Thread(target=others.run)
    thread.start()
    yield others
    thread.join()


@contextmanager
def served(options: Options, **settings: object) -> Generator[Server]:
    """A service over the options' home, warm."""
    with serving(options.home, options.home / "log", **settings) as server:
        with beside(server, 1.0):
            pass
        yield server


def redis_behind_a_bad_line(options: Options) -> list[Row]:
    """A Redis that is slow, trickles, vanishes, is cut off and refuses, a fifth of the time each."""
    if PROGRAM is None:
        raise LookupError("redis-server is not installed: sh tests/support/install_system.sh")
    step = options.seconds / 5
    with running_redis() as redis, faults_to(redis.port) as line:
        url = f"redis://127.0.0.1:{line.port}/0"
        with served(options, redis_url=url, cache_bytes=0) as server, beside(server, options.seconds) as others:
            for fault, value in (("latency_s", 0.2), ("trickle_s", 0.01), ("silent", True), ("refusing", True)):
                setattr(line, fault, value)
                time.sleep(step)
                line.heal()
            until = time.monotonic() + step / 2
            while time.monotonic() < until:
                line.cut()
                time.sleep(0.05)
    return others.rows()


def the_service_is_stopped(options: Options) -> list[Row]:
    """SIGSTOP for two seconds, then SIGCONT: what came meanwhile is answered, and soon after all is as before."""
    with served(options) as server:
        with beside(server, max(4.0, options.seconds)) as others:
            time.sleep(1)
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(2)
            server.process.send_signal(signal.SIGCONT)
        with beside(server, 3.0) as after:
            pass
    return [
        *others.rows(2_500.0),
        Row("99th percentile afterwards", percentile(after.seen.of(200), 0.99), "ms", 50.0, at_most=True),
    ]


def the_disk_is_full(options: Options) -> list[Row]:
    """A disk of 16 MB that fills up while items are written: each write is told so, searches go on, with space writes do too."""
    disk = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        raise LookupError("no small disk can be mounted here (needs root)")
    try:
        make_colours(disk, make_tiny_bundle(disk / "made" / "tiny"))
        with serving(disk, options.home / "log", publish_rows=0) as server, beside(server, options.seconds) as others:
            ballast = disk / "ballast"
            with suppress(OSError), ballast.open("wb") as file:
                while True:
                    file.write(bytes(4096))
            told = [_write(server, f"full-{number}") for number in range(20)]
            ballast.unlink()
            again = [_write(server, f"free-{number}") for number in range(20)]
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        shutil.rmtree(disk, ignore_errors=True)
    return [
        *others.rows(),
        Row("writes told that the disk is full", float(told.count("/problems/storage-full")), "", 20.0),
        Row("writes once there is space", float(again.count("created")), "", 20.0),
    ]


def _write(server: Server, item_id: str) -> str:
    """What became of one item: its status, or the type of its problem."""
    image = base64.b64encode(colour_picture("red", 3)).decode()
    answer = server.client.put("/v1/collections/colours/items", json={"items": [{"id": item_id, "image": image}]})
    if answer.status_code != 200:
        return answer.text
    result = answer.json()["results"][0]
    return result["problem"]["type"] if result["status"] == "rejected" else result["status"]


def the_clock_jumps(options: Options) -> list[Row]:
    """The service's wall clock jumps by a day and back, over and over (libfaketime): deadlines and caches do not care."""
    package = importlib.util.find_spec("libfaketime")
    places = [Path("/usr/lib"), *(Path(each) for each in (package.submodule_search_locations or [] if package else []))]
    library = next((found for place in places for found in place.rglob("libfaketime.so.1")), None)
    if library is None:
        raise LookupError("libfaketime is not installed (apt-get install faketime, or pip install libfaketime)")
    offset = options.home / "offset"
    offset.write_text("+0")
    fake = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1"}
    # what deadlines are measured by stays as it is, as it does when an administrator sets the clock
    fake |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    with serving(options.home, options.home / "log", environment=fake) as server:
        with beside(server, options.seconds) as others:
            for number in range(int(options.seconds)):
                offset.write_text("+1d" if number % 2 else "-1d")
                time.sleep(0.9)
    return others.rows()


def idle_connections(options: Options) -> list[Row]:
    """Thousands of connections that say nothing: others do not notice, each costs little, and in time they are gone."""
    with served(options, deadline_s=max(5.0, options.seconds)) as server:
        before, _ = server.memory()
        with idle(server.port, options.idle) as held, beside(server, options.seconds / 2) as others:
            held.wait()
            cost = (server.memory()[0] - before) / options.idle
        began = time.monotonic()
        wait_until(server, "/readyz")
    return [
        *others.rows(),
        Row("connections", float(options.idle), ""),
        Row("memory of each", cost, "bytes", IDLE_BYTES, at_most=True),
        Row("ready afterwards", time.monotonic() - began, "s", 2.0, at_most=True),
    ]


def slow_clients(options: Options) -> list[Row]:
    """Heads and bodies that come byte by byte, half a body and silence, answers that nobody reads: each ends in time."""
    rows: list[Row] = []
    with served(options, deadline_s=2.0) as server:
        for name, attack in (("heads", slow_head), ("bodies", slow_body), ("answers not read", slow_reader)):
            before, _ = server.memory()
            with beside(server, options.seconds / 2) as others:
                ended: Slow = attack(server.port, 30, patience_s=40.0)
            now, _ = server.memory()
            rows += [Row(f"slow {name}: held at the longest", ended.longest_s, "s", 25.0, at_most=True)]
            rows += [Row(f"slow {name}: not ended", float(ended.left), "", 0.0, at_most=True)]
            rows += [Row(f"slow {name}: memory", (now - before) / 1e6, "MB", 150.0, at_most=True), *others.rows()]
    return rows


def any_request(options: Options) -> list[Row]:
    """Whatever schemathesis thinks of, for each operation: no 5xx, and what the OpenAPI document says."""
    with served(options) as server:
        operations = askable(server.client.get("/openapi.json").json())
        each = math.ceil(options.cases / operations)
        before, _ = server.memory()
        code = "import sys; from tests.support.any_request import main; main(sys.argv[1], int(sys.argv[2]))"
        command = [sys.executable, "-c", code, f"http://127.0.0.1:{server.port}", str(each)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = (
            json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"cases": 0, "failed": [done.stderr[-2000:]]}
        )
        now, _ = server.memory()
    for failure in told["failed"][:5]:
        print(failure)
    return [
        Row("operations that take something", float(operations), ""),
        Row("cases of each", float(each), ""),
        Row("requests", float(told["cases"]), "", float(options.cases)),
        Row("answers that were not as documented", float(len(told["failed"])), "", 0.0, at_most=True),
        Row("memory", (now - before) / 1e6, "MB", 300.0, at_most=True),
    ]


def askable(document: dict[str, Any]) -> int:
    """Operations of an OpenAPI document that can be asked in more ways than one; of the others there is one case each."""
    operations = [each for path in document["paths"].values() for each in path.values()]
    return sum("requestBody" in each or bool(each.get("parameters")) for each in operations)


def any_bytes(options: Options) -> list[Row]:
    """Bytes that are made to find a way (atheris, where it is installed): pictures and JSON are read or refused, nothing else."""
    command = [sys.executable, "-m", "tests.support.fuzz", str(options.fuzz)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "")
    if done.returncode:
        print(done.stderr[-3000:])
    return [Row("ended by something unexpected", float(done.returncode != 0), "", 0.0, at_most=True)]


FAULTS: tuple[Callable[[Options], list[Row]], ...] = (
    redis_behind_a_bad_line,
    the_service_is_stopped,
    the_disk_is_full,
    the_clock_jumps,
    idle_connections,
    slow_clients,
    any_request,
    any_bytes,
)


def main() -> None:
    """Print the figures, and end with status 1 if one is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", help="of the faults; none: all")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--idle", type=int, default=5_000)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--fuzz", type=float, default=60.0, help="seconds of fuzzing each input")
    given, _ = parser.parse_known_args()
    missed: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_colours(home, make_tiny_bundle(home / "made" / "tiny"))
        options = Options(home, given.seconds, given.idle, given.cases, given.fuzz)
        for fault in FAULTS:
            if given.names and fault.__name__ not in given.names:
                continue
            try:
                rows = fault(options)
            except LookupError as error:
                print(f"{fault.__name__}: left out: {error}")
                continue
            missed += [fault.__name__ for row in rows if row.verdict == "MISSED"]
            show(f"{fault.__name__}: {(fault.__doc__ or '').strip()}", rows)
    if missed:
        print("missed:", *dict.fromkeys(missed))
        raise SystemExit(1)


if __name__ == "__main__":
    main()
