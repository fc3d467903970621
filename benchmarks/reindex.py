"""A change of models while the service answers: what clients notice, and what it costs beside plain embedding.

    python -m benchmarks.reindex [--scenes 2000] [--searches 20] [--writes 5]

Rendered scenes are embedded by a random bundle and served; then `vilem index reindex` changes to scenes-s, and
`vilem index rollback` goes back, beside searches by text and upserts of pictures that come at their times. A search must
always be answered with 200; an upsert that is told "model-changed" is sent again, as its answer asks, and must succeed
in the end, and every acknowledged item must be there. The rate is compared with `vilem index build` of the same scenes
by the same model with nothing beside it.
"""

import argparse
import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.live_writes import Seen, Wire, at_rate
from benchmarks.table import Row, show
from index.collection import Collection
from models.scenes.corpus import write_jsonl
from tests.support.collections import colour_picture
from tests.support.servers import serving
from tests.support.tiny_bundle import COLOURS, make_tiny_bundle

NAME = "scenes"
OLD, NEW = "tiny", "scenes-s"
_AGAIN_S, _TRIES = 0.1, 600


@dataclass
class Clients:
    """What the clients saw while one command ran."""

    searches: Seen = field(default_factory=Seen)
    writes: Seen = field(default_factory=Seen)
    sent_again: int = 0
    acknowledged: set[str] = field(default_factory=set[str])


def searching(wire: Wire, seen: Seen) -> Callable[[int], Awaitable[None]]:
    """One search by text, timed."""
    colours = list(COLOURS)

    async def one(number: int) -> None:
        began = time.perf_counter()
        text = f"a {colours[number % len(colours)]} thing, number {number}"
        ok, _ = await wire.ask("POST", f"/v1/collections/{NAME}/search", {"query": {"text": text}, "limit": 10})
        seen.milliseconds.append(1000 * (time.perf_counter() - began))
        seen.failed += not ok

    return one


def writing(wire: Wire, clients: Clients, prefix: str) -> Callable[[int], Awaitable[None]]:
    """One upsert of a picture, until it is acknowledged, timed."""
    image = base64.b64encode(colour_picture("red", 3)).decode()

    async def one(number: int) -> None:
        item = {"id": f"{prefix}-{number}", "image": image, "captions": ["red"]}
        began = time.perf_counter()
        for _ in range(_TRIES):
            ok, answer = await wire.ask("PUT", f"/v1/collections/{NAME}/items", {"items": [item]})
            if ok and answer["results"][0]["status"] != "rejected":
                clients.acknowledged.add(item["id"])
                clients.writes.milliseconds.append(1000 * (time.perf_counter() - began))
                return
            clients.sent_again += 1
            await asyncio.sleep(_AGAIN_S)
        clients.writes.failed += 1

    return one


async def beside(port: int, command: list[str], searches: float, writes: float, prefix: str) -> tuple[Clients, float]:
    """Clients at their rates while *command* runs, and a second longer; seconds that it took."""
    wire, clients = Wire(port), Clients()
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ended = asyncio.create_task(process.wait())
    rounds, took = 0, 0.0
    while not took:
        if ended.done():
            took = time.perf_counter() - began
        one_search, one_write = searching(wire, clients.searches), writing(wire, clients, f"{prefix}-{rounds}")
        await asyncio.gather(at_rate(searches, 1, one_search), at_rate(writes, 1, one_write))
        rounds += 1
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return clients, took


def vilem(home: Path, *arguments: str) -> list[str]:
    """A command line."""
    return [sys.executable, "-m", "vilem", "index", *arguments, "--home", str(home)]


def rows_of(what: str, clients: Clients, took: float, quiet: Seen) -> list[Row]:
    """What clients saw of one command."""
    seen, writes = clients.searches, clients.writes
    return [
        Row(f"{what}: it took", took, "s"),
        Row(f"{what}: searches, 99th percentile", seen.at(0.99), "ms"),
        Row(f"{what}: that beside the quiet one", seen.at(0.99) / quiet.at(0.99), "x quiet"),
        Row(f"{what}: searches that failed, of {len(seen.milliseconds):,}", float(seen.failed), "", 0.0, at_most=True),
        Row(f"{what}: upserts, longest until acknowledged", writes.at(1.0), "ms"),
        Row(f"{what}: upserts sent again, of {len(writes.milliseconds):,}", float(clients.sent_again), ""),
        Row(f"{what}: upserts that failed", float(writes.failed), "", 0.0, at_most=True),
    ]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--scenes", type=int, default=2_000)
    parser.add_argument("--searches", type=float, default=20.0, help="a second")
    parser.add_argument("--writes", type=float, default=5.0, help="a second")
    options, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_tiny_bundle(home / "bundles" / OLD)
        list(write_jsonl(home / "source", "test", options.scenes, seed=0))
        source = str(home / "source" / "test.jsonl")
        subprocess.run(vilem(home, "build", NAME, source, "--model", OLD), check=True, stdout=subprocess.DEVNULL)
        began = time.perf_counter()
        plain = ("build", "plain", source, "--model", NEW)
        subprocess.run(vilem(home, *plain), check=True, stdout=subprocess.DEVNULL)
        alone = time.perf_counter() - began
        quiet = Seen()
        with serving(home, home / "log", cache_bytes=0) as server:

            async def measured() -> list[tuple[Clients, float]]:
                wire = Wire(server.port)
                await at_rate(options.searches, 3, searching(wire, Seen()))
                await at_rate(options.searches, 10, searching(wire, quiet))
                rates = options.searches, options.writes
                there = await beside(
                    server.port, vilem(home, "reindex", NAME, "--model", NEW, "--max-loss", "100"), *rates, "there"
                )
                return [there, await beside(server.port, vilem(home, "rollback", NAME), *rates, "back")]

            (there, took), (back, returned) = asyncio.run(measured())
        collection = Collection.open(home / "collections", NAME)
        acknowledged = there.acknowledged | back.acknowledged
        missing = len(acknowledged - collection.known(acknowledged).keys())
    rows = [
        Row("embedding and publishing alone, no service beside it", alone, "s"),
        Row("searches alone, 99th percentile", quiet.at(0.99), "ms"),
        *rows_of("reindex", there, took, quiet),
        *rows_of("rollback", back, returned, quiet),
        Row(f"acknowledged items that are missing, of {len(acknowledged):,}", float(missing), "", 0.0, at_most=True),
    ]
    show(
        f"{options.scenes:,} scenes from {OLD} to {NEW} and back beside {options.searches:g} searches/s and "
        f"{options.writes:g} upserts/s, {os.cpu_count()} cores shared with the clients",
        rows,
    )


if __name__ == "__main__":
    main()
