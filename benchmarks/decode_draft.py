"""What decoding a JPEG at a fraction of its size saves, and what it does to the embedding.

    python -m benchmarks.decode_draft BUNDLE PHOTOGRAPHS

Each photograph is enlarged to 4032 x 3024 pixels with sensor noise, saved as JPEG and embedded twice: decoded whole and
decoded as `Bundle.prepare` does, to at least twice the model's input. The distance between the two is compared with the
distance between different photographs.
"""

import argparse
import io
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from models.bundle import Bundle
from models.decode import decode
from models.image import prepare

SIZE = (4032, 3024)


def enlarged(path: Path, seed: int) -> bytes:
    """A 12-megapixel JPEG of the photograph."""
    with Image.open(path) as photograph:
        levels = np.asarray(photograph.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS), np.float32)
    noise = np.random.default_rng(seed).normal(scale=6, size=(*levels.shape[:2], 1)).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(levels + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="cost and effect of decoding JPEGs at a fraction of their size")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--count", type=int, default=16)
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle)
    spec = bundle.manifest.preprocess
    rows: dict[str, list[np.ndarray]] = {"whole": [], "draft": []}
    seconds: dict[str, list[float]] = {"whole": [], "draft": []}
    for number, path in enumerate(sorted(options.photographs.rglob("*.jpg"))[: options.count]):
        data = enlarged(path, number)
        for name, least in (("whole", None), ("draft", 2 * spec.size)):
            start = time.perf_counter()
            rows[name].append(prepare(decode(data, min_side=least), spec))
            seconds[name].append(time.perf_counter() - start)
    pixels = np.abs(np.stack(rows["whole"]).astype(int) - np.stack(rows["draft"]))
    whole, draft = (bundle.embed_images(np.stack(rows[name])) for name in ("whole", "draft"))
    others = (whole @ whole.T)[~np.eye(len(whole), dtype=bool)]
    print(f"{len(whole)} photographs of {SIZE[0]} x {SIZE[1]}, {bundle.manifest.name}, input {spec.size}")
    for name, values in seconds.items():
        print(f"decode + prepare, {name}: median {statistics.median(values) * 1000:.0f} ms")
    print(f"pixels: mean difference {pixels.mean():.2f} of 255, greatest {pixels.max()}")
    print(f"cosine draft to whole: least {(whole * draft).sum(1).min():.6f}, mean {(whole * draft).sum(1).mean():.6f}")
    print(f"cosine of different photographs: mean {others.mean():.4f}, greatest {others.max():.4f}")


if __name__ == "__main__":
    main()
