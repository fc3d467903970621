"""Memory of the plain embedding job over a growing collection: it must not grow with the corpus.

    python -m benchmarks.embed_memory [--rows 1000000] [--captions 1]

A table names *rows* items, each with an id and a caption of its own; their pictures are 64 small files again and again, and
the model is the tests' tiny one: what grows with the corpus is there as with large pictures and models, which cost the
same at any size. Resident memory of the process (anonymous pages: what it has of its own, without files that the system
keeps in mind for it) is read at 10,000 rows, 100,000 and so on.
"""

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, show
from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.sources import open_source
from models.bundle import Bundle
from tests.index.support import picture
from tests.support.tiny_bundle import make_tiny_bundle

FIRST = 10_000
FILES = 64
# Caches fill up to bounds of their own; what grew with each row would be hundreds of times as much.
BAR = 1.5


def resident_mb(kind: str = "RssAnon") -> float:
    """Resident memory of this process, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[kind].split()[0]) / 1_024


def write_corpus(folder: Path, rows: int, captions: int) -> Path:
    """A table of so many items."""
    for number in range(FILES):
        (folder / f"{number}.png").write_bytes(picture(number, size=(32, 32)))
    table = folder / "corpus.jsonl"
    with table.open("w") as file:
        for number in range(rows):
            texts = [f"a dog {number} {at}" for at in range(captions)]
            row = {"id": f"{number:09d}", "path": f"{number % FILES}.png", "captions": texts, "n": number}
            file.write(json.dumps(row) + "\n")
    return table


def milestones(rows: int) -> list[int]:
    """10,000, 20,000, 50,000, 100,000 and so on, up to *rows*."""
    steps = [FIRST * scale * 10**power for power in range(8) for scale in (1, 2, 5)]
    return [step for step in steps if step < rows] + [rows]


def main() -> None:
    """Print memory at each milestone, and the last to the first."""
    parser = argparse.ArgumentParser(description="memory of the plain embedding job over a growing collection")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--captions", type=int, default=1)
    asked = parser.parse_args()
    waiting, measured = milestones(asked.rows), dict[int, float]()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        bundle = Bundle.open(make_tiny_bundle(folder / "tiny"))
        collection = Collection.create(
            folder, "bench", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name="tiny"
        )
        source = open_source(str(write_corpus(folder, asked.rows, asked.captions)))
        begun = time.perf_counter()
        with embed(collection, source, bundle, EmbedOptions()) as job:
            for progress in job:
                if waiting and progress.committed >= waiting[0]:
                    gc.collect()
                    measured[waiting.pop(0)] = resident_mb()
        seconds = time.perf_counter() - begun
        assert not waiting and collection.latest().count() == asked.rows
    first, last = measured[min(measured)], measured[max(measured)]
    show(
        f"memory of the plain job, {asked.rows:,} items with {asked.captions} captions each",
        [
            *(Row(f"after {rows:,} rows", size, "MB") for rows, size in measured.items()),
            Row(f"after {max(measured):,} to {min(measured):,}", last / first, "x", bar=BAR, at_most=True),
            Row("rate", asked.rows / seconds, "items/s"),
        ],
    )


if __name__ == "__main__":
    main()
