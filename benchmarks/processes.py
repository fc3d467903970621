"""What several processes of one service take, and what they share: 1 and 3 over the same collection.

    python -m benchmarks.processes [--rows 100000]

PSS counts a page that n processes map as 1/n for each; so the sum over all is what the machine has to hold.
"""

import argparse
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.fixtures import COLLECTION, full_size_home
from benchmarks.http_text import texts
from benchmarks.table import Row, show
from tests.support.servers import Server, serving

SEARCH = f"/v1/collections/{COLLECTION}/search"


@dataclass(frozen=True)
class Held:
    """Bytes of all processes of one service.

    Attributes:
        own: of private pages, and each shared page once.
        mapped: of these, pages of files.
        resident: what each would seem to take by itself, summed.
        processes: how many there are.
    """

    own: float
    mapped: float
    resident: float
    processes: int


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def held(server: Server) -> Held:
    """What the server's processes hold now."""
    rows = [_rollup(pid) for pid in tree(server.process.pid)]
    own, files, resident = (float(sum(row[name] for row in rows)) for name in ("Pss", "Pss_File", "Rss"))
    return Held(own, files, resident, len(rows))


def _rollup(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: 1024 * int(value.split()[0]) for name, value in (line.split(":", 1) for line in lines)}


def warm(server: Server, count: int) -> None:
    """Searches on connections of their own, so that every process answers some."""

    def ask(part: list[str]) -> None:
        for text in part:
            httpx.post(f"{server.client.base_url}{SEARCH}", json={"query": {"text": text}}, timeout=60, trust_env=False)

    asked = texts(count, seed=1)
    threads = [threading.Thread(target=ask, args=(asked[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=400, help="searches before it is measured")
    options, _ = parser.parse_known_args()
    home = full_size_home(options.rows)
    measured: dict[int, Held] = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 3):
            with serving(home, Path(folder) / "log", workers=workers) as server:
                warm(server, options.count)
                measured[workers] = held(server)
    one, three = measured[1], measured[3]
    show(
        f"ViT-B/32 and {options.rows:,} vectors, served by 1 and by 3 processes",
        [
            Row("1: memory of all (PSS)", one.own / 1e6, "MB"),
            Row("1: of it, of files", one.mapped / 1e6, "MB"),
            Row("3: memory of all (PSS)", three.own / 1e6, "MB"),
            Row("3: of it, of files", three.mapped / 1e6, "MB"),
            Row("3: resident, summed", three.resident / 1e6, "MB"),
            Row("each process beyond the first", (three.own - one.own) / 2e6, "MB"),
        ],
    )


if __name__ == "__main__":
    main()
