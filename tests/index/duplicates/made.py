"""Collections with known duplicates."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from index.kinds.spec import Kind
from index.plan import Budget
from index.publish import publish
from index.rows import Entry
from index.schema import Record
from index.searcher import Searcher
from models.bundle import Bundle
from models.scenes.corpus import generate
from tests.index.support import collection_for, empty_collection


def searcher(
    root: Path,
    vectors: np.ndarray,
    contents: Sequence[str] | None = None,
    name: str = "test",
    *,
    kind: Kind | None = None,
) -> Searcher:
    """A published collection of items `item-000` … with those vectors; *contents* says which have the same bytes."""
    names = [str(number) for number in range(len(vectors))] if contents is None else contents
    rows = [
        Entry(
            Record(f"item-{number:03d}", f"file:///nowhere/{number}", _sum(names[number].encode()), 4, 3),
            vector,
            np.zeros((0, vectors.shape[1]), np.float32),
        )
        for number, vector in enumerate(vectors)
    ]
    collection = empty_collection(root, name, dim=vectors.shape[1])
    collection.add(rows)
    publish(collection.latest(), budget=Budget(kind=kind), target_recall=0.8 if kind else None)
    return Searcher.open(root, name)


def pictured(root: Path, bundle: Bundle, files: dict[str, bytes], name: str = "test") -> Searcher:
    """A published collection of those files, by id, embedded; they lie in `root/pictures`."""
    folder = root / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    entries: list[Entry] = []
    for item_id, data in files.items():
        path = folder / item_id
        path.write_bytes(data)
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
        record = Record(item_id, path.absolute().as_uri(), _sum(data), width, height)
        vector = bundle.embed_images(bundle.prepare(data)[None])[0]
        entries.append(Entry(record, vector, np.zeros((0, bundle.manifest.dim), np.float32)))
    collection = collection_for(bundle, root, name)
    collection.add(entries)
    publish(collection.latest())
    return Searcher.open(root, name)


def scenes(count: int, size: int = 96) -> list[Image.Image]:
    """Rendered scenes, each another one."""
    return [Image.fromarray(each.image) for each in generate("test", count, 5, size)]


def photograph(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture with a photograph's mixture of areas and noise, another for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    levels = np.asarray(coarse, np.float32) + rng.normal(scale=6, size=(size[1], size[0], 1))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def turned(degrees: Sequence[float]) -> np.ndarray:
    """Unit vectors (n, 4) float32 at those angles in one plane: the cosine of two is that of their difference."""
    angles = np.radians(degrees)
    zeros = np.zeros_like(angles)
    return np.stack([np.cos(angles), np.sin(angles), zeros, zeros], axis=1).astype(np.float32)


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
