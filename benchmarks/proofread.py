"""What re-ranking by the proofreader brings and costs, on held-out scenes and from stored patches.

python -m benchmarks.proofread --bundle BUNDLE
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.table import Row, show
from models.bundle import BUILT_IN, Bundle, find_bundle
from models.evaluation.calibration import candidate_ranks
from models.manifest import read_manifest
from models.ort import Runtime
from models.proof_image import StoredImage
from models.proofreader import Proofreader
from models.scenes.corpus import generate

CANDIDATES = 20
CORES = 2
GAIN_POINTS = 5.0
RERANK_MS = 40.0
STORED_BYTES = 10_000
# images or texts encoded at a time
BATCH = 64


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--bundle", help="folder or name [a built-in bundle that has a proofreader]")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    # `python -m benchmarks` runs every script without arguments of its own
    options, _ = parser.parse_known_args()
    folder = find_bundle(options.bundle, Path()) if options.bundle else _built_in()
    if folder is None:
        print("no built-in bundle has a proofreader: give one with --bundle")
        return
    runtime = Runtime(threads=CORES)
    bundle = Bundle.open(folder, runtime=runtime)
    reader = Proofreader.open(bundle, runtime)
    side = bundle.manifest.preprocess.size
    scenes = list(generate("test", options.scenes, options.seed, side))
    pixels = [scene.image for scene in scenes]
    stored = [
        image.to_bytes()
        for start in range(0, len(pixels), BATCH)
        for image in reader.encode_images(np.stack(pixels[start : start + BATCH]))
    ]
    # every kind of caption takes its turn
    texts = [scene.captions[row % len(scene.captions)] for row, scene in enumerate(scenes)]
    rows = _rows(bundle, reader, stored, texts) + _captions(bundle, reader, stored, [each.captions for each in scenes])
    show(f"re-ranking {CANDIDATES} of {len(scenes):,} scenes, bundle {bundle.manifest.name}, {CORES} threads", rows)


def _built_in() -> Path | None:
    folders = [path.parent for path in sorted(BUILT_IN.glob("*/bundle.json"))]
    return next((folder for folder in folders if read_manifest(folder).proofreader is not None), None)


def _embedded(bundle: Bundle, texts: Sequence[str]) -> np.ndarray:
    return np.concatenate(
        [bundle.embed_texts(texts[start : start + BATCH]).vectors for start in range(0, len(texts), BATCH)]
    )


def _rows(bundle: Bundle, reader: Proofreader, stored: list[bytes], texts: list[str]) -> list[Row]:
    embeddings = np.stack([StoredImage.from_bytes(data).embedding for data in stored])
    vectors = _embedded(bundle, texts)
    cosines = vectors @ embeddings.T
    nearest = np.argsort(-cosines, axis=1)[:, :CANDIDATES]
    found = np.take_along_axis(cosines, nearest, axis=1)
    own = nearest == np.arange(len(texts))[:, None]
    right = np.where(own.any(axis=1), own.argmax(axis=1), -1)
    mixed, seconds = np.empty_like(found), list[float]()
    for row, text in enumerate(texts):
        began = time.perf_counter()
        images = [StoredImage.from_bytes(stored[each]) for each in nearest[row]]
        mixed[row] = reader.rerank(found[row], reader.score(text, images))
        seconds.append(time.perf_counter() - began)
    before, after = (100 * float((candidate_ranks(each, right) == 1).mean()) for each in (found, mixed))
    ordered = sorted(seconds)
    return [
        Row("text→image R@1 of the towers", before, "%"),
        Row(f"the same, the first {CANDIDATES} re-ranked", after, "%"),
        Row("gain", after - before, "points", GAIN_POINTS),
        Row(f"own picture among the first {CANDIDATES}", 100 * float((right >= 0).mean()), "%"),
        Row(
            f"re-ranking {CANDIDATES} from stored bytes, median",
            1e3 * statistics.median(seconds),
            "ms",
            RERANK_MS,
            at_most=True,
        ),
        Row("the same, 95th percentile", 1e3 * ordered[int(0.95 * len(ordered))], "ms", RERANK_MS, at_most=True),
        Row("stored bytes of an image", reader.stored_bytes, "B", STORED_BYTES, at_most=True),
    ]


def _captions(bundle: Bundle, reader: Proofreader, stored: list[bytes], captions: Sequence[Sequence[str]]) -> list[Row]:
    """The other way round: each picture among all captions, of which several are its own."""
    owners = np.repeat(np.arange(len(captions)), [len(each) for each in captions])
    texts = [text for each in captions for text in each]
    images = [StoredImage.from_bytes(data) for data in stored]
    cosines = np.stack([image.embedding for image in images]) @ _embedded(bundle, texts).T
    first, again, seconds = 0, 0, list[float]()
    for row, image in enumerate(images):
        nearest = np.argsort(-cosines[row])[:CANDIDATES]
        began = time.perf_counter()
        proofs = reader.check_texts([texts[each] for each in nearest], image, words=False)
        scores, read = (np.array([getattr(each, name) for each in proofs]) for name in ("score", "read"))
        mixed = reader.rerank_texts(cosines[row][nearest], scores, read)
        seconds.append(time.perf_counter() - began)
        first += int(owners[nearest[0]] == row)
        again += int(owners[nearest[int(mixed.argmax())]] == row)
    share = 100 / len(images)
    return [
        Row("image→text R@1 of the towers", share * first, "%"),
        Row(f"the same, the first {CANDIDATES} captions re-ranked", share * again, "%"),
        Row("gain", share * (again - first), "points"),
        Row(f"re-ranking {CANDIDATES} captions, median", 1e3 * statistics.median(seconds), "ms"),
    ]


if __name__ == "__main__":
    main()
