"""How long `vilem serve` takes to answer, and what it weighs: ViT-B/32, 100,000 vectors.

python -m benchmarks.cold_start
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.fixtures import COLLECTION, full_size_home
from benchmarks.table import Row, show
from tests.support.servers import serving, wait_until

READY_S = 2.0
MEMORY_BYTES = 1.0e9
SEARCHES = 50


def once(home: Path, folder: Path) -> tuple[float, float, int, int]:
    """Seconds to /healthz and to /readyz, resident bytes then, and after some searches."""
    began = time.perf_counter()
    with serving(home, folder / "log", wait=False) as server:
        wait_until(server, "/healthz", every_s=0.005)
        alive = time.perf_counter() - began
        wait_until(server, "/readyz", every_s=0.005)
        ready = time.perf_counter() - began
        memory, _ = server.memory()
        for number in range(SEARCHES):
            answer = server.client.post(
                f"/v1/collections/{COLLECTION}/search", json={"query": {"text": f"a photo of thing number {number}"}}
            )
            answer.raise_for_status()
        after, _ = server.memory()
    return alive, ready, memory, after


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    # `python -m benchmarks` runs every script without arguments of its own
    options, _ = parser.parse_known_args()
    home = full_size_home(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        # the first start may read from a disk: it warms the page cache, as a restart or a second replica finds it
        first = once(home, Path(folder))
        runs = [once(home, Path(folder)) for _ in range(options.times)]
    alive, ready, memory, after = (statistics.median(run[place] for run in runs) for place in range(4))
    show(
        f"cold start of `vilem serve`, ViT-B/32, {options.rows:,} vectors, median of {options.times}",
        [
            Row("seconds from start to /healthz", alive, "s"),
            Row("seconds from start to /readyz", ready, "s", READY_S, at_most=True),
            Row("the same, slowest", max(run[1] for run in runs), "s"),
            Row("the same, files not in memory perhaps", first[1], "s"),
            Row("resident when ready", memory / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True),
            Row(f"resident after {SEARCHES} searches", after / 1e6, "MB", MEMORY_BYTES / 1e6, at_most=True),
        ],
    )


if __name__ == "__main__":
    main()
