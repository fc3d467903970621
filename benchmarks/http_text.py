"""Text searches a second over HTTP beside bare ONNX Runtime on the same texts: ViT-B/32, 64 clients, no text twice.

    python -m benchmarks.http_text

Bare ONNX Runtime gets ready token ids, sorted by length in batches of 32, with the threads the service has. The service
tokenises, embeds, searches 100,000 vectors and answers JSON, while the clients run on the same cores.
"""

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fixtures import COLLECTION, full_size_bundle, full_size_home
from benchmarks.table import Row, show
from models.bundle import Bundle
from models.text import TokenBatch
from tests.support.servers import Server, serving

RATIO = 0.6
BATCH = 32
_WORDS = """
a photo of the red green small large dog cat house street tree car boat child woman man sitting standing
running under over beside in on with hat umbrella table river mountain night morning rain snow old new wooden glass
"""


def texts(count: int, seed: int) -> list[str]:
    """Different sentences of 4-12 words."""
    chance, words = random.Random(seed), _WORDS.split()
    found: dict[str, None] = {}
    while len(found) < count:
        found[" ".join(chance.choices(words, k=chance.randint(4, 12)))] = None
    return list(found)


def bare(bundle: Bundle, sentences: list[str]) -> float:
    """Texts a second of ONNX Runtime alone."""
    tokens = bundle.tokenizer.encode(sentences)
    order = tokens.lengths.argsort(kind="stable")
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    ready = [TokenBatch(tokens.ids[each], tokens.lengths[each], tokens.truncated[each]) for each in batches]
    for batch in ready[:3]:
        bundle.encoder.encode_texts(batch)
    began = time.perf_counter()
    for batch in ready:
        bundle.encoder.encode_texts(batch)
    return len(sentences) / (time.perf_counter() - began)


@dataclass
class Load:
    """What the clients saw."""

    milliseconds: list[float] = field(default_factory=list[float])
    failed: int = 0


async def client(port: int, waiting: list[str], load: Load) -> None:
    """Ask for one sentence after the other on one connection, until none is left. Raw sockets: clients cost cores too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while waiting:
        body = json.dumps({"query": {"text": waiting.pop()}, "limit": 10}).encode()
        head = (
            f"POST /v1/collections/{COLLECTION}/search HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        writer.write(head.encode() + body)
        status = await reader.readline()
        length = 0
        while (line := await reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        await reader.readexactly(length)
        load.milliseconds.append(1000 * (time.perf_counter() - began))
        load.failed += b" 200 " not in status
    writer.close()


async def storm(port: int, sentences: list[str], clients: int) -> tuple[float, Load]:
    """Searches a second of that many clients, and what they saw."""
    load, waiting = Load(), list(sentences)
    began = time.perf_counter()
    await asyncio.gather(*(client(port, waiting, load) for _ in range(clients)))
    return len(sentences) / (time.perf_counter() - began), load


@dataclass(frozen=True)
class Round:
    """One measurement of each kind, seconds apart: a machine that changes its speed changes both."""

    bare: float
    served: float
    load: Load


def one_round(bundle: Bundle, server: Server, sentences: list[str], clients: int) -> Round:
    """Measure bare ONNX Runtime, the service, and bare ONNX Runtime again on the same sentences."""
    before = bare(bundle, sentences)
    rate, load = asyncio.run(storm(server.port, sentences, clients))
    return Round((before + bare(bundle, sentences)) / 2, rate, load)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=600, help="texts of a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--clients", type=int, default=64)
    options, _ = parser.parse_known_args()
    home, bundle = full_size_home(options.rows), Bundle.open(full_size_bundle())
    sentences = texts((options.rounds + 2) * options.count, seed=int(time.time()))
    parts = [sentences[start : start + options.count] for start in range(0, len(sentences), options.count)]
    with tempfile.TemporaryDirectory() as folder, serving(home, Path(folder) / "log") as server:
        asyncio.run(storm(server.port, parts[0], options.clients))
        rounds = [one_round(bundle, server, part, options.clients) for part in parts[2:]]
        alone, single = asyncio.run(storm(server.port, parts[1][:300], 1))
    ordered = sorted(each for one in rounds for each in one.load.milliseconds)
    ratios = sorted(one.served / one.bare for one in rounds)
    show(
        f"HTTP text search, ViT-B/32, {options.rows:,} vectors, {options.clients} clients, "
        f"median of {options.rounds} rounds of {options.count:,} new texts",
        [
            Row("bare ONNX Runtime, batches of 32", statistics.median(one.bare for one in rounds), "texts/s"),
            Row("searches over HTTP", statistics.median(one.served for one in rounds), "texts/s"),
            Row("ratio", statistics.median(ratios), "x bare", RATIO),
            Row("the lowest ratio", ratios[0], "x bare"),
            Row("the highest ratio", ratios[-1], "x bare"),
            Row("median latency", statistics.median(ordered), "ms"),
            Row("99th percentile", ordered[int(0.99 * len(ordered))], "ms"),
            Row("requests that failed", float(sum(one.load.failed for one in rounds)), "", 0.0, at_most=True),
            Row("one client", alone, "texts/s"),
            Row("one client, median latency", statistics.median(single.milliseconds), "ms"),
        ],
    )


if __name__ == "__main__":
    main()
