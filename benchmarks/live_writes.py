"""Writes beside searches: how soon a write is seen, and what searches pay; and how long a large collection takes to open.

    python -m benchmarks.live_writes [--rows 100000] [--seconds 30] [--open-rows 1000000]

Two streams of requests come at times that do not wait for answers: 200 upserts a second, each a request of its own that
replaces one of the rows or adds one, and 100 searches a second. Every tenth upsert is followed, when its answer is there,
by a search for its vector, which must find it. The first three seconds of upserts are told apart: the process that makes the
commits is started by the first of them. The same searches alone, before and after, are the quiet value. The bundle
is scenes-s, vectors come with the requests: what is measured is the collection, not a model.
"""

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.fixtures import CACHE, random_home
from benchmarks.table import Row, show
from index.searcher import Searcher
from models.manifest import read_manifest
from tests.support.servers import serving

BUNDLE = Path(__file__).parents[1] / "models" / "bundles" / "scenes-s"
NAME = "live"
WRITES, SEARCHES = 200, 100
VISIBLE_MS, SLOWER, OPEN_S = 50.0, 1.5, 2.0
_CHECKED = 10
_FIRST_S = 3.0
# the server closes what is idle for five seconds
_KEPT_S = 3.0


@dataclass
class Seen:
    """What the clients saw."""

    milliseconds: list[float] = field(default_factory=list[float])
    failed: int = 0
    unseen: int = 0

    def at(self, share: float) -> float:
        """A percentile."""
        return float(np.quantile(self.milliseconds, share)) if self.milliseconds else float("nan")


class Wire:
    """Connections that are open and free; raw sockets, because clients take their share of the same cores."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def ask(self, method: str, path: str, body: object) -> tuple[bool, dict]:
        """Whether the answer was 200, and what it says."""
        data = json.dumps(body).encode()
        request = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n".encode()
            + data
        )
        while True:
            reader, writer, used = await self._connection()
            writer.write(request)
            try:
                status, answer = await _answer(reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                # a server may close what is idle just as we write
                if not used:
                    raise
                continue
            self._free.append((reader, writer, time.monotonic()))
            return b" 200 " in status, answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bool]:
        """One, and whether it was used before."""
        while self._free:
            reader, writer, since = self._free.pop()
            if time.monotonic() - since < _KEPT_S:
                return reader, writer, True
            writer.close()
        return *await asyncio.open_connection("127.0.0.1", self._port), False


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, dict]:
    """Status line and body of one answer."""
    status, length = await reader.readuntil(), 0
    while (line := await reader.readuntil()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return status, json.loads(await reader.readexactly(length))


async def at_rate(a_second: float, seconds: float, one: Callable[[int], Awaitable[None]]) -> None:
    """Begin *one* so many times a second, whether the last has ended or not."""
    loop, tasks = asyncio.get_running_loop(), []
    began = loop.time()
    for number in range(int(a_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / a_second - loop.time()))
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)


def searching(wire: Wire, vectors: np.ndarray, seen: Seen) -> Callable[[int], Awaitable[None]]:
    """One search, timed."""

    async def one(number: int) -> None:
        began = time.perf_counter()
        query = {"query": {"vector": vectors[number % len(vectors)].tolist()}, "limit": 10}
        ok, _ = await wire.ask("POST", f"/v1/collections/{NAME}/search", query)
        seen.milliseconds.append(1000 * (time.perf_counter() - began))
        seen.failed += not ok

    return one


def writing(wire: Wire, vectors: np.ndarray, rows: int, seen: Seen) -> Callable[[int], Awaitable[None]]:
    """One upsert, timed to the answer that promises that it is seen; some are looked for."""

    async def one(number: int) -> None:
        vector = vectors[number % len(vectors)].tolist()
        # one in two replaces a row of the snapshot
        item_id = f"item-{number * 7919 % rows:07d}" if number % 2 else f"new-{number}"
        began = time.perf_counter()
        ok, answer = await wire.ask(
            "PUT", f"/v1/collections/{NAME}/items", {"items": [{"id": item_id, "vector": vector}]}
        )
        seen.milliseconds.append(1000 * (time.perf_counter() - began))
        seen.failed += not ok or answer["results"][0]["status"] == "rejected"
        if number % _CHECKED == 0:
            _, found = await wire.ask(
                "POST", f"/v1/collections/{NAME}/search", {"query": {"vector": vector}, "limit": 3}
            )
            seen.unseen += item_id not in [hit["id"] for hit in found.get("hits", [])]

    return one


async def storm(port: int, rows: int, dim: int, seconds: float) -> tuple[Seen, Seen, Seen, Seen, Seen]:
    """Quiet searches before, the first upserts, searches and upserts together, quiet searches after."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(4096, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wire, quiet, first, busy, writes, after = Wire(port), Seen(), Seen(), Seen(), Seen(), Seen()
    await at_rate(SEARCHES, 3, searching(wire, vectors, Seen()))
    await at_rate(SEARCHES, seconds / 2, searching(wire, vectors, quiet))
    # meanwhile the process that makes the commits is started
    await at_rate(WRITES, _FIRST_S, writing(wire, vectors, rows, first))
    await asyncio.gather(
        at_rate(SEARCHES, seconds, searching(wire, vectors[::-1], busy)),
        at_rate(WRITES, seconds, writing(wire, vectors, rows, writes)),
    )
    await at_rate(SEARCHES, seconds / 2, searching(wire, vectors[1::2], after))
    return quiet, first, busy, writes, after


def opened(rows: int) -> float:
    """Seconds to open a collection of *rows* rows for searching, and to find the first hit."""
    root = random_home(NAME, BUNDLE, NAME, rows) / "collections"
    began = time.perf_counter()
    searcher = Searcher.open(root, NAME, contents=False)
    searcher.search(np.eye(searcher.dim, dtype=np.float32)[:1], [10], "images")
    return time.perf_counter() - began


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--open-rows", type=int, default=1_000_000, help="0 = leave that out")
    options, _ = parser.parse_known_args()
    dim = read_manifest(BUNDLE).dim
    with tempfile.TemporaryDirectory(dir=CACHE.parent if CACHE.parent.exists() else None) as folder:
        home = Path(folder) / "home"
        shutil.copytree(random_home(NAME, BUNDLE, NAME, options.rows), home, symlinks=True)
        with serving(home, Path(folder) / "log", publish_rows=0, cache_bytes=0) as server:
            quiet, first, busy, writes, after = asyncio.run(storm(server.port, options.rows, dim, options.seconds))
    alone = max(quiet.at(0.99), after.at(0.99))
    rows = [
        Row("upserts, median until seen", writes.at(0.5), "ms"),
        Row("upserts, 99th percentile until seen", writes.at(0.99), "ms", VISIBLE_MS, at_most=True),
        Row(f"the same of the first {_FIRST_S:g} seconds", first.at(0.99), "ms"),
        Row("upserts that failed", float(first.failed + writes.failed), "", 0.0, at_most=True),
        Row(
            f"upserts not found by the next search, of {(len(first.milliseconds) + len(writes.milliseconds)) // _CHECKED:,}",
            float(first.unseen + writes.unseen),
            "",
            0.0,
            at_most=True,
        ),
        Row("searches alone, median", quiet.at(0.5), "ms"),
        Row("searches alone, 99th percentile, before", quiet.at(0.99), "ms"),
        Row("searches alone, 99th percentile, after, with the tail", after.at(0.99), "ms"),
        Row("searches beside upserts, median", busy.at(0.5), "ms"),
        Row("searches beside upserts, 99th percentile", busy.at(0.99), "ms"),
        Row("that beside the quiet one", busy.at(0.99) / alone, "x quiet", SLOWER, at_most=True),
        Row("searches that failed", float(quiet.failed + busy.failed + after.failed), "", 0.0, at_most=True),
    ]
    if options.open_rows:
        rows.append(
            Row(f"{options.open_rows:,} rows: open and first hit", opened(options.open_rows), "s", OPEN_S, at_most=True)
        )
    show(
        f"{WRITES} upserts/s beside {SEARCHES} searches/s over HTTP, {options.rows:,} vectors of {dim}, "
        f"{options.seconds:g} s, {os.cpu_count()} cores shared with the clients",
        rows,
    )


if __name__ == "__main__":
    main()
