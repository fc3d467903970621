"""Embedding on Ray against the plain job, on the same cores in the same run: how much of its rate a cluster keeps.

    python -m benchmarks.ray_embed [--bundle FOLDER] [--images 384] [--rounds 3] [--workers 2] [--block 32]

Both embed the same folder of 640 x 480 JPEGs. The plain job is one process whose inference has a thread for each core; on
Ray so many workers share the cores. They take turns, and each turn of Ray is compared with the plain turns before and
after it. A rate is taken over the embedding itself, from the moment when two blocks a worker are done to the end of the
last one: how long workers take to start, and how long the end takes with its commit, is told beside it.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.embed_job import photograph
from benchmarks.fixtures import full_size_bundle
from benchmarks.table import Row, show
from index.collection import Collection
from index.embed import EmbedJob, embed
from index.engines.ray_cluster import connected
from index.engines.ray_job import RayOptions, embed_on_ray
from index.options import EmbedOptions
from index.progress import Progress
from index.sources import open_source
from models.bundle import Bundle

BAR = 0.85


@dataclass(frozen=True)
class Turn:
    """One job.

    Attributes:
        rate: images a second, over the embedding itself.
        start: seconds from its beginning to the first images.
        end: seconds from its last image to its end.
    """

    rate: float
    start: float
    end: float


def timed(job: Iterable[Progress], skip: int, images: int) -> Turn:
    """Run a job to its end; the rate counts from the moment when *skip* images are done."""
    begun = time.perf_counter()
    events = [(time.perf_counter(), progress.seen) for progress in job]
    ended = time.perf_counter()
    since, before = next(event for event in events if event[1] >= skip)
    until = next(at for at, seen in events if seen >= images)
    return Turn((images - before) / (until - since), events[0][0] - begun, ended - until)


@contextmanager
def new_collection(bundle: Bundle) -> Iterator[Collection]:
    """One with nothing in it, which goes again."""
    with tempfile.TemporaryDirectory() as root:
        yield Collection.create(
            Path(root), "bench", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
        )


def plain_turn(bundle: Bundle, folder: str, options: EmbedOptions, skip: int, images: int) -> Turn:
    """The plain job."""
    with new_collection(bundle) as collection, embed(collection, open_source(folder), bundle, options) as job:
        return _whole(timed(job, skip, images), job, images)


def ray_turn(bundle: Bundle, folder: str, options: EmbedOptions, skip: int, images: int, workers: int) -> Turn:
    """The job on the cluster that was joined."""
    cluster = RayOptions(workers=workers)
    with new_collection(bundle) as collection:
        with embed_on_ray(collection, open_source(folder), bundle, options, cluster) as job:
            return _whole(timed(job, skip, images), job, images)


def _whole(turn: Turn, job: EmbedJob, images: int) -> Turn:
    assert job.summary.embedded == images
    return turn


def main() -> None:
    """Print both rates, their ratio, and what starting and ending cost."""
    parser = argparse.ArgumentParser(description="embedding on Ray against the plain job")
    parser.add_argument("--bundle", type=Path, help="default: a ViT-B/32 with random weights")
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--block", type=int, default=32, help="images that a worker takes at once")
    asked = parser.parse_args()
    bundle = Bundle.open(asked.bundle or full_size_bundle(), verify=False)
    options = EmbedOptions(chunk_rows=asked.block, patches=False)
    skip = 2 * asked.workers * asked.block
    plain, clustered = list[Turn](), list[Turn]()
    with tempfile.TemporaryDirectory() as folder, connected():
        for number in range(asked.images):
            (Path(folder) / f"{number:05d}.jpg").write_bytes(photograph(number))
        plain.append(plain_turn(bundle, folder, options, skip, asked.images))
        for _ in range(asked.rounds):
            clustered.append(ray_turn(bundle, folder, options, skip, asked.images, asked.workers))
            plain.append(plain_turn(bundle, folder, options, skip, asked.images))
    ratios = [each.rate / ((plain[at].rate + plain[at + 1].rate) / 2) for at, each in enumerate(clustered)]
    show(
        f"embedding {asked.images} JPEGs of 640 x 480 with {bundle.manifest.name}, {asked.workers} workers",
        [
            Row("plain job", median(each.rate for each in plain), "images/s"),
            Row("on Ray", median(each.rate for each in clustered), "images/s"),
            Row("Ray to plain", median(ratios), "x", bar=BAR),
            Row("Ray: until the first block", median(each.start for each in clustered), "s"),
            Row("Ray: from the last block, with the commit", median(each.end for each in clustered), "s"),
        ],
    )


if __name__ == "__main__":
    main()
