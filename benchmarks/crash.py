"""Kills by SIGKILL at random moments of writes, removals, merging, publishing and cleaning up; nothing may be lost.

    python -m benchmarks.crash [--kills 200]

After each kill the collection is opened as a service opens it: every acknowledged change must be there once, nothing
unacknowledged half, and every item must be found by its vector. The embedding job and reindexing have kill tests of their
own under tests/faults.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

from rich.progress import track

from benchmarks.table import Row, show
from tests.support.crash import Truth, kill_once, made

KILLS = 200


def main() -> None:
    """Print the figures; ends with an error at the first thing that is lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    options, _ = parser.parse_known_args()
    chance, truth = random.Random(options.seed), Truth()
    with tempfile.TemporaryDirectory() as folder:
        made(Path(folder))
        for number in track(range(options.kills), "killing"):
            kill_once(Path(folder), options.seed * 1_000 + number, truth, chance.uniform(0.0, 1.5))
            truth.check(Path(folder))
    where = [Row(f"while: {kind}", float(count), "kills") for kind, count in sorted(truth.killed_in.items())]
    show(
        f"kill -9 at random moments, seed {options.seed}",
        [
            Row("kills", float(options.kills), "", KILLS),
            *where,
            Row("items lost, doubled or half there", 0.0, "", 0.0, at_most=True),
            Row("items at the end", float(len(truth.items)), ""),
        ],
    )


if __name__ == "__main__":
    main()
