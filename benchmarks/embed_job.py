"""The embedding job against bare ONNX Runtime: how much of the model's speed is left after reading and writing.

    python -m benchmarks.embed_job [--bundle FOLDER] [--images 192] [--rounds 3] [--readers 2] [--batch 16]

Both embed the same images with the same opened bundle. The bare runs get tensors that are ready in memory; the job
reads 640 x 480 JPEGs from disk, hashes, decodes, scales, embeds and commits them. Bare runs and jobs take turns, each
job is compared with the bare runs before and after it, and the median counts: other work on the machine changes.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.fixtures import full_size_bundle
from benchmarks.table import Row, show
from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.sources import open_source
from models.bundle import Bundle

SIZE = (640, 480)
BAR = 0.85


@dataclass(frozen=True)
class Cost:
    """What a number of images cost: seconds on the clock, and seconds of all cores."""

    wall: float
    cpu: float


def photograph(seed: int) -> bytes:
    """A JPEG with a photograph's mixture of areas, edges and noise, of about 100 KB."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    levels = np.asarray(coarse, np.float32) + rng.normal(scale=10, size=(SIZE[1], SIZE[0], 1))
    file = io.BytesIO()
    Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def measured(work: Callable[[], object]) -> Cost:
    """What *work* costs."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def run_bare(bundle: Bundle, pixels: np.ndarray, batch: int) -> None:
    """Embed (N, S, S, 3) ready pixels."""
    for start in range(0, len(pixels), batch):
        bundle.embed_images(pixels[start : start + batch])


def run_job(bundle: Bundle, images: Path, options: EmbedOptions) -> None:
    """Embed a folder of images into a new collection."""
    with tempfile.TemporaryDirectory() as root:
        collection = Collection.create(
            Path(root), "bench", dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
        )
        with embed(collection, open_source(str(images)), bundle, options) as job:
            for _ in job:
                pass
        assert job.summary.embedded == collection.count()


def ratios(bare: Sequence[float], jobs: Sequence[float]) -> list[float]:
    """Speed of each job relative to the mean of the bare runs before and after it."""
    return [(bare[at] + bare[at + 1]) / 2 / job for at, job in enumerate(jobs)]


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description="the embedding job against bare ONNX Runtime")
    parser.add_argument("--bundle", type=Path, help="default: a ViT-B/32 with random weights")
    parser.add_argument("--images", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--readers", type=int, default=EmbedOptions().readers)
    parser.add_argument("--batch", type=int, default=EmbedOptions().image_batch)
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle or full_size_bundle(), verify=False)
    with tempfile.TemporaryDirectory() as folder:
        files = [photograph(seed) for seed in range(options.images)]
        for number, data in enumerate(files):
            (Path(folder) / f"{number:05d}.jpg").write_bytes(data)
        pixels = np.stack([bundle.prepare(data) for data in files])
        prepare = measured(lambda: [bundle.prepare(data) for data in files[:64]])
        run_bare(bundle, pixels[:64], options.batch)
        bounds = EmbedOptions(image_batch=options.batch, readers=options.readers)
        bare, jobs = [measured(lambda: run_bare(bundle, pixels, options.batch))], list[Cost]()
        for _ in range(options.rounds):
            jobs.append(measured(lambda: run_job(bundle, Path(folder), bounds)))
            bare.append(measured(lambda: run_bare(bundle, pixels, options.batch)))
    show(
        f"embedding {len(files)} JPEGs of {SIZE[0]} x {SIZE[1]} with {bundle.manifest.name}",
        [
            Row("bare ONNX Runtime on ready tensors", len(files) / median(each.wall for each in bare), "images/s"),
            Row("embedding job", len(files) / median(each.wall for each in jobs), "images/s"),
            Row("job to bare", median(ratios([b.wall for b in bare], [j.wall for j in jobs])), "x", bar=BAR),
            Row("job to bare, by CPU seconds", median(ratios([b.cpu for b in bare], [j.cpu for j in jobs])), "x"),
            Row("read, decode and scale, one thread", prepare.wall / 64 * 1_000, "ms/image"),
        ],
    )


if __name__ == "__main__":
    main()
