"""A Redis that is killed, stopped and started again every few seconds, under load: what requests notice of it.

    python -m benchmarks.redis_chaos

A third of the requests are new texts, the others come again and again: vectors and pages are read from Redis and written to it all the
time. It is done twice: as the service ships, with a part of the cache in its own memory, and with none there, so that every look-up
goes to Redis; that is what a replica meets whose neighbours were asked before. The quiet run, with the same Redis and the same rate,
comes before and after: the machine's own noise is in both.
"""

import argparse
import json
import random
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fixtures import COLLECTION, full_size_home
from benchmarks.http_text import texts
from benchmarks.storm import Seen, Task, ask, percentile, post
from benchmarks.table import Row, show
from tests.support.redis_server import PROGRAM, RedisServer, running_redis
from tests.support.servers import serving

SLOWER_MS = 25.0
SEARCH = f"/v1/collections/{COLLECTION}/search"
# of five seconds: how long it is away or stopped, a part of them
_AWAY = 0.4


@dataclass(frozen=True)
class Mix:
    """What is asked: texts of which every third is new, and the others come again and again."""

    requests: tuple[str, ...]

    @classmethod
    def of(cls, count: int, seed: int) -> "Mix":
        """As many requests, in no order."""
        chance = random.Random(seed)
        known, new = texts(max(8, count // 20), seed=1), texts(count, seed=seed)
        chosen = [chance.choice(known) if number % 3 else new[number] for number in range(count)]
        bodies = [json.dumps({"query": {"text": text}, "limit": 10}).encode() for text in chosen]
        return cls(tuple(post(SEARCH, body) for body in bodies))


def troubled(redis: RedisServer, every_s: float, ended: threading.Event) -> int:
    """Kill and start, and stop and go on, in turn, until *ended*; returns how often."""
    happened = 0
    while not ended.wait(every_s * (1 - _AWAY)):
        away, back = ((redis.kill, redis.start), (redis.pause, redis.resume))[happened % 2]
        away()
        ended.wait(every_s * _AWAY)
        back()
        happened += 1
    return happened


def storm(port: int, mix: Mix, seconds: float, rate: float) -> Seen:
    """What clients see that ask at that rate, whatever comes back."""
    return ask(Task(port, mix.requests, seconds, rate=rate))


def beside(work: Callable[[], Seen], redis: RedisServer, every_s: float) -> tuple[Seen, int]:
    """What *work* saw while Redis was in trouble, and how often it was."""
    ended, counted = threading.Event(), list[int]()
    trouble = threading.Thread(target=lambda: counted.append(troubled(redis, every_s, ended)))
    trouble.start()
    try:
        seen = work()
    finally:
        ended.set()
        trouble.join()
    return seen, counted[0]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds from one trouble to the next")
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    options, _ = parser.parse_known_args()
    if PROGRAM is None:
        print("not measured: redis-server is not installed (sh tests/support/install_system.sh)")
        return
    home = full_size_home(options.rows)
    # None: as it ships
    for cache_bytes in (None, 0):
        measure(home, cache_bytes, options.seconds, options.rate, options.every)


def measure(home: Path, cache_bytes: int | None, seconds: float, rate: float, every_s: float) -> None:
    """Print what a service with so much cache in the process shows, quiet and in trouble."""
    quiet_s = seconds / 2
    mixes = [Mix.of(int(rate * each), seed) for seed, each in enumerate((5, quiet_s, seconds, quiet_s), 2)]
    kept = {} if cache_bytes is None else {"cache_bytes": cache_bytes}
    with tempfile.TemporaryDirectory() as folder, running_redis() as redis:
        with serving(home, Path(folder) / "log", redis_url=redis.url, **kept) as server:
            runs: list[Seen] = [storm(server.port, mixes[0], 5, rate), storm(server.port, mixes[1], quiet_s, rate)]
            chaos, troubles = beside(lambda: storm(server.port, mixes[2], seconds, rate), redis, every_s)
            runs += [chaos, storm(server.port, mixes[3], quiet_s, rate)]
            lines = server.client.get("/metrics").text.splitlines()
    calls = [line for line in lines if line.startswith("vilem_redis_calls_total")]
    where = "as it ships" if cache_bytes is None else f"{cache_bytes} bytes in the process"
    report(
        runs,
        f"Redis killed, stopped and started again {troubles} times under {rate:g} searches/s, cache {where}",
        calls,
    )


def report(runs: list[Seen], title: str, calls: list[str]) -> None:
    """Print what was seen: a run to get warm, a quiet one, the troubled one, a quiet one."""
    _, before, chaos, after = runs
    quiet = sorted(before.of(200) + after.of(200))
    slower = percentile(chaos.of(200), 0.99) - percentile(quiet, 0.99)
    failed = sum(len(each.status) - each.status.count(200) for each in runs)
    show(
        title,
        [
            Row("requests", float(sum(len(each.status) for each in runs)), ""),
            Row("requests that failed", float(failed), "", 0.0, at_most=True),
            Row("quiet: median", percentile(quiet, 0.5), "ms"),
            Row("quiet: 99th percentile", percentile(quiet, 0.99), "ms"),
            Row("troubled: median", percentile(chaos.of(200), 0.5), "ms"),
            Row("troubled: 99th percentile", percentile(chaos.of(200), 0.99), "ms"),
            Row("slower at the 99th percentile", slower, "ms", SLOWER_MS, at_most=True),
            Row("slowest, quiet", quiet[-1], "ms"),
            Row("slowest, troubled", chaos.of(200)[-1], "ms"),
        ],
    )
    print(*calls, sep="\n")
    for told in (text for each in runs for text in each.told):
        print(told)


if __name__ == "__main__":
    main()
