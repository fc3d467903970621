"""The service under load: as fast as it can, three times as fast, and for long. Ours beside bare ONNX Runtime in one run.

    python -m benchmarks.load [--cases texts,one,images,overload,soak] [--seconds 20] [--overload 5] [--soak 10]

A ViT-B/32 with random weights and 100,000 vectors. The clients are a process of their own on the same cores, and their share
is in every figure. Vectors of queries are not found in the cache: it has no room for as many as are asked. The report (HTML
with plots, Markdown) is written to build/bench. --overload and --soak are minutes.
"""

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.embed_job import photograph
from benchmarks.fixtures import COLLECTION, full_size_bundle, full_size_home
from benchmarks.http_text import bare, texts
from benchmarks.report import Case, Plot, shares, write
from benchmarks.storm import Seen, Task, ask, percentile, post
from benchmarks.table import Row, show
from models.bundle import Bundle
from models.ort import available_cores
from models.text import TokenBatch
from tests.support.servers import Server, serving

CLIENTS, IMAGE_CLIENTS = 64, 16
TEXT_RATIO, IMAGE_RATIO, ONE_SLOWER_MS = 0.8, 0.9, 2.0
OVER, SLOWER, REFUSED_MS, RECOVERY_S = 3.0, 1.5, 50.0, 2.0
SHARE, GROWTH = 0.7, 0.02
_TEXTS, _IMAGES = 5_000, 64
_PATH = f"/v1/collections/{COLLECTION}/search"
# A storm begins with empty queues and connections that are still to be opened.
_FIRST_S = 2.0
_SAMPLE_S = 0.25
_FORM = "bench-form"


@dataclass(frozen=True)
class Stand:
    """What is measured on.

    Attributes:
        server: the service.
        bundle: that it serves, opened here for bare ONNX Runtime.
        sentences: that are asked for.
        files: pictures that are asked for.
        seconds: of one measurement.
    """

    server: Server
    bundle: Bundle
    sentences: tuple[str, ...]
    files: tuple[bytes, ...]
    seconds: float

    def searches(self) -> tuple[str, ...]:
        """Requests for the sentences."""
        return tuple(post(_PATH, f'{{"query": {{"text": "{each}"}}, "limit": 10}}'.encode()) for each in self.sentences)

    def uploads(self) -> tuple[str, ...]:
        """Requests for the pictures."""
        return tuple(
            post(f"{_PATH}/image", _form(each), f"multipart/form-data; boundary={_FORM}") for each in self.files
        )

    def closed(self, requests: tuple[str, ...], clients: int, seconds: float | None = None) -> Seen:
        """What so many clients see that ask again when they were answered."""
        return ask(Task(self.server.port, requests, seconds or self.seconds, clients=clients))

    def opened(self, requests: tuple[str, ...], rate: float, seconds: float) -> Seen:
        """What is seen by requests that come by themselves."""
        return ask(Task(self.server.port, requests, seconds, rate=rate, seed=int(rate)))


def photographs() -> tuple[bytes, ...]:
    """The pictures that are asked for."""
    return tuple(photograph(seed) for seed in range(_IMAGES))


def _form(data: bytes) -> bytes:
    head = f'--{_FORM}\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\ncontent-type: image/jpeg\r\n\r\n'
    return head.encode() + data + f"\r\n--{_FORM}--\r\n".encode()


@dataclass
class Memory:
    """Resident megabytes of the server, by the second."""

    samples: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def growth(self, after: float) -> float:
        """Of the last tenth of the time over the tenth that follows that part of it."""
        count = len(self.samples)
        tenth = max(1, count // 10)
        early = self.samples[int(after * count) :][:tenth]
        late = self.samples[-tenth:]
        mean = [statistics.fmean(each for _, each in some) for some in (early, late)]
        return mean[1] / mean[0] - 1


@contextmanager
def watched(server: Server) -> Generator[Memory]:
    """Sample the server's memory while the block runs."""
    memory, ended, began = Memory(), threading.Event(), time.monotonic()

    def sample() -> None:
        while not ended.wait(_SAMPLE_S):
            memory.samples.append((time.monotonic() - began, server.memory()[0] / 1e6))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()


def of_texts(stand: Stand, rounds: int) -> Case:
    """New texts from 64 clients beside bare ONNX Runtime on the same texts."""
    requests = stand.searches()
    stand.closed(requests, CLIENTS, _FIRST_S)
    found, seen = list[tuple[float, float]](), list[Seen]()
    for number in range(rounds):
        part = random.Random(number).sample(stand.sentences, 600)
        before = bare(stand.bundle, part)
        seen.append(stand.closed(requests, CLIENTS))
        found.append(((before + bare(stand.bundle, part)) / 2, seen[-1].rate))
    ordered = sorted(ms for each in seen for ms in each.of(200))
    return Case(
        f"New texts, {CLIENTS} clients",
        f"Searches over HTTP in 100,000 vectors, beside encode alone on ready ids in batches of 32, sorted by length; median of {rounds} rounds.",
        [
            Row("bare ONNX Runtime", statistics.median(rate for rate, _ in found), "texts/s"),
            Row("searches over HTTP", statistics.median(rate for _, rate in found), "texts/s"),
            Row("ratio", statistics.median(rate / alone for alone, rate in found), "x bare", TEXT_RATIO),
            *_latencies(ordered),
            _failed(seen),
        ],
        [_distribution({f"{CLIENTS} clients": ordered})],
    )


def of_one(stand: Stand, rounds: int) -> Case:
    """One client beside bare ONNX Runtime, one text at a time."""
    requests, alone, ours = stand.searches(), list[float](), list[float]()
    for number in range(rounds):
        alone += _singles(stand.bundle, random.Random(number).sample(stand.sentences, 60))
        ours += stand.closed(requests, 1, stand.seconds / 4).of(200)
    apart = statistics.median(ours) - statistics.median(alone)
    return Case(
        "One client",
        "One text at a time: a search over HTTP beside encode alone on ready ids.",
        [
            Row("bare ONNX Runtime, median", statistics.median(alone), "ms"),
            Row("search over HTTP, median", statistics.median(ours), "ms"),
            Row("what the search adds", apart, "ms", ONE_SLOWER_MS, at_most=True),
        ],
        [_distribution({"bare": sorted(alone), "search": sorted(ours)})],
    )


def of_images(stand: Stand, rounds: int) -> Case:
    """Pictures from 16 clients beside decode and bare ONNX Runtime."""
    requests = stand.uploads()
    stand.closed(requests, IMAGE_CLIENTS, _FIRST_S)
    found, seen = list[tuple[float, float]](), list[Seen]()
    for _ in range(rounds):
        before = _bare_images(stand)
        seen.append(stand.closed(requests, IMAGE_CLIENTS))
        found.append(((before + _bare_images(stand)) / 2, seen[-1].rate))
    return Case(
        f"Pictures of 640 x 480, {IMAGE_CLIENTS} clients",
        "Uploads over HTTP, beside decoding with a thread for each core and encoding in batches of 16, in turn.",
        [
            Row("bare ONNX Runtime with decode", statistics.median(rate for rate, _ in found), "images/s"),
            Row("searches over HTTP", statistics.median(rate for _, rate in found), "images/s"),
            Row("ratio", statistics.median(rate / alone for alone, rate in found), "x bare", IMAGE_RATIO),
            *_latencies(sorted(ms for each in seen for ms in each.of(200))),
            _failed(seen),
        ],
    )


def of_overload(stand: Stand, minutes: float) -> Case:
    """Three times what can be sustained."""
    requests = stand.searches()
    stand.closed(requests, CLIENTS, _FIRST_S)
    idle = percentile(stand.closed(requests, 1, 2).of(200), 0.5)
    capacity = stand.closed(requests, CLIENTS)
    with watched(stand.server) as memory:
        seen = stand.opened(requests, OVER * capacity.rate, 60 * minutes)
        recovery = _recovery_s(stand, requests, idle)
    ours, refused = seen.of(200), seen.of(429, 503)
    before = percentile(capacity.of(200), 0.99)
    return Case(
        f"{OVER:g} x what is sustained, for {minutes:g} min",
        f"Sustained is what {CLIENTS} clients get that ask again when they were answered; then requests come by themselves, {OVER:g} times as many.",
        [
            Row("sustained", capacity.rate, "texts/s"),
            Row("99th percentile at that", before, "ms"),
            Row("requests that came", len(seen.ms) / seen.seconds, "/s"),
            Row("of these answered", seen.rate, "/s"),
            Row("99th percentile of the answered", percentile(ours, 0.99), "ms", SLOWER * before, at_most=True),
            *(Row(f"refused: {reason}", float(count), "") for reason, count in sorted(seen.reasons.items())),
            Row("99th percentile of refusals", percentile(refused, 0.99), "ms", REFUSED_MS, at_most=True),
            Row("slowest refusal", percentile(refused, 1.0), "ms"),
            Row("neither answered nor refused", float(len(seen.ms) - len(ours) - len(refused)), "", 0.0, at_most=True),
            Row("memory, from the second tenth to the last", memory.growth(0.1), "grown", GROWTH, at_most=True),
            Row("until a search is as fast as before", recovery, "s", RECOVERY_S, at_most=True),
        ],
        [
            _distribution({"at capacity": capacity.of(200), "answered": ours, "refused": refused}),
            Plot(
                "Answers and refusals",
                "seconds",
                "a second",
                {"answered": _by_second(seen, 200), "refused": _by_second(seen, 429, 503)},
            ),
            Plot("Resident memory", "seconds", "MB", {"server": memory.samples}),
        ],
    )


def of_soak(stand: Stand, minutes: float) -> Case:
    """Seven tenths of what can be sustained, for long."""
    requests = stand.searches()
    stand.closed(requests, CLIENTS, _FIRST_S)
    capacity = stand.closed(requests, CLIENTS)
    with watched(stand.server) as memory:
        seen = stand.opened(requests, SHARE * capacity.rate, 60 * minutes)
    return Case(
        f"{SHARE:.0%} of what is sustained, for {minutes:g} min",
        "Requests come by themselves. Memory counts from the second tenth of the time on, when every shape of batch has come.",
        [
            Row("requests that came", len(seen.ms) / seen.seconds, "/s"),
            *_latencies(seen.of(200)),
            _failed([seen]),
            *(Row(f"- of these {reason}", float(count), "") for reason, count in sorted(seen.reasons.items())),
            # of a few minutes, the machine was not idle then
            Row("minutes in which some failed", float(len(_minutes_of_failures(seen))), ""),
            Row("memory, from the second tenth to the last", memory.growth(0.1), "grown", GROWTH, at_most=True),
        ],
        [
            Plot("Resident memory", "seconds", "MB", {"server": memory.samples}),
            Plot("Latency", "seconds", "ms", {"answered": sorted(zip(seen.at, seen.ms, strict=True))}),
        ],
    )


def _minutes_of_failures(seen: Seen) -> set[int]:
    """Numbers of the minutes in which a request that came was not answered 200."""
    return {int(at // 60) for at, status in zip(seen.at, seen.status, strict=True) if status != 200}


def _singles(bundle: Bundle, sentences: Sequence[str]) -> list[float]:
    """Milliseconds of ONNX Runtime for each text alone."""
    tokens, found = bundle.tokenizer.encode(sentences), list[float]()
    for row in range(len(sentences)):
        one = TokenBatch(tokens.ids[row : row + 1], tokens.lengths[row : row + 1], tokens.truncated[row : row + 1])
        began = time.perf_counter()
        bundle.encoder.encode_texts(one)
        found.append(1000 * (time.perf_counter() - began))
    return found


def _bare_images(stand: Stand) -> float:
    """Pictures a second, decoded and encoded."""
    began = time.perf_counter()
    with ThreadPoolExecutor(available_cores()) as pool:
        pixels = np.stack(list(pool.map(stand.bundle.prepare, stand.files)))
    for start in range(0, len(pixels), IMAGE_CLIENTS):
        stand.bundle.embed_images(pixels[start : start + IMAGE_CLIENTS])
    return len(pixels) / (time.perf_counter() - began)


def _recovery_s(stand: Stand, requests: tuple[str, ...], idle_ms: float) -> float:
    """Seconds until the first of three searches in a row that take no more than twice what they took when idle."""
    seen = stand.closed(requests, 1, 5 * RECOVERY_S)
    row = 0
    for at, ms, status in zip(seen.at, seen.ms, seen.status, strict=True):
        row = row + 1 if status == 200 and ms <= 2 * idle_ms else 0
        if row == 3:
            return at
    return float("inf")


def _latencies(ordered: list[float]) -> list[Row]:
    return [
        Row(what, percentile(ordered, part), "ms")
        for what, part in (("median latency", 0.5), ("95th percentile", 0.95), ("99th percentile", 0.99))
    ]


def _failed(seen: Sequence[Seen]) -> Row:
    failed = sum(len(each.status) - each.status.count(200) for each in seen)
    return Row("requests that failed", float(failed), "", 0.0, at_most=True)


def _distribution(found: dict[str, list[float]]) -> Plot:
    return Plot("Latency", "ms", "part of all", {name: shares(ordered) for name, ordered in found.items()})


def _by_second(seen: Seen, *statuses: int) -> list[tuple[float, float]]:
    seconds = [int(at) for at, status in zip(seen.at, seen.status, strict=True) if status in statuses]
    return [(float(second), float(count)) for second, count in enumerate(np.bincount(seconds or [0]))]


def main() -> None:
    """Print the figures and write the report."""
    parser = argparse.ArgumentParser(description="the service under load")
    parser.add_argument("--cases", default="texts,one,images,overload,soak", help="which, parted by commas")
    parser.add_argument("--seconds", type=float, default=20, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--overload", type=float, default=5, help="minutes")
    parser.add_argument("--soak", type=float, default=10, help="minutes; the bar is for 60")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options, _ = parser.parse_known_args()
    measure: dict[str, Callable[[Stand], Case]] = {
        "texts": lambda stand: of_texts(stand, options.rounds),
        "one": lambda stand: of_one(stand, options.rounds),
        "images": lambda stand: of_images(stand, options.rounds),
        "overload": lambda stand: of_overload(stand, options.overload),
        "soak": lambda stand: of_soak(stand, options.soak),
    }
    chosen = [measure[name] for name in options.cases.split(",")]
    home, bundle = full_size_home(options.rows), Bundle.open(full_size_bundle(), verify=False)
    sentences, files = tuple(texts(_TEXTS, seed=1)), photographs()
    cases = list[Case]()
    with tempfile.TemporaryDirectory() as folder, serving(home, Path(folder) / "log", cache_bytes=0) as server:
        for each in chosen:
            cases.append(each(Stand(server, bundle, sentences, files, options.seconds)))
            show(cases[-1].title, cases[-1].rows)
    for path in write(options.out, "load", "ViLEM Search under load", cases):
        print(path)


if __name__ == "__main__":
    main()
