"""What tests of the embedding job share: pictures, collections, and a bundle that counts."""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.progress import Summary
from index.rows import Entry
from index.schema import Record
from index.sources.item import Source
from models.bundle import Bundle, Prepared, TextEmbeddings
from models.decode import DecodeLimits

DIM = 4
REPOSITORY = Path(__file__).resolve().parents[2]


def picture(number: int, kind: str = "PNG", size: tuple[int, int] = (48, 40)) -> bytes:
    """An image file of its own for each number below 4,096: two plain halves."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2] = (number % 16 * 16, number // 16 % 16 * 16, number // 256 * 16)
    pixels[:, size[0] // 2 :] = (255 - number % 16 * 16, 120, 60)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_pictures(folder: Path, numbers: Iterable[int]) -> list[str]:
    """Files `000.png` … in *folder*; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}.png" for number in numbers]
    for name, number in zip(names, numbers, strict=True):
        (folder / name).write_bytes(picture(number))
    return names


def write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def empty_collection(root: Path, name: str = "test", dim: int = DIM) -> Collection:
    """A collection that no real bundle embeds."""
    return Collection.create(root, name, dim=dim, bundle_digest="0" * 64, bundle_name="none")


def entry(number: int, captions: Sequence[str] = ("one", "two"), sha256: str = "a") -> Entry:
    """An item to write, whose vectors tell which it is."""
    record = Record(f"item-{number:05d}", f"file:///{number}", sha256, 3, 4, tuple(captions), {"number": number})
    vector = np.full(DIM, number / 1024, np.float32)
    return Entry(record, vector, np.stack([vector + at for at in range(len(captions))]) if captions else np.empty((0,)))


class CountingBundle(Bundle):
    """A bundle that remembers what went through it."""

    def start_counting(self) -> "CountingBundle":
        """Forget everything."""
        self.pixels: list[bytes] = []
        self.texts: list[str] = []
        self.prepared = 0
        self.batches: list[int] = []
        return self

    def prepare_sized(self, data: bytes, limits: DecodeLimits = DecodeLimits()) -> Prepared:
        """Count, then prepare."""
        self.prepared += 1
        return super().prepare_sized(data, limits)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        """Remember, then embed."""
        self.pixels.extend(each.tobytes() for each in pixels)
        self.batches.append(len(pixels))
        return super().embed_images(pixels)

    def embed_texts(self, texts: Sequence[str]) -> TextEmbeddings:
        """Remember, then embed."""
        self.texts.extend(texts)
        return super().embed_texts(texts)


def counting(path: Path) -> CountingBundle:
    """The bundle at *path*, counting from nothing."""
    bundle = CountingBundle.open(path)
    assert isinstance(bundle, CountingBundle)
    return bundle.start_counting()


def collection_for(bundle: Bundle, root: Path, name: str = "test") -> Collection:
    """An empty collection that *bundle* may embed."""
    return Collection.create(
        root, name, dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
    )


def run_job(collection: Collection, source: Source, bundle: Bundle, options: EmbedOptions | None = None) -> Summary:
    """Run an embedding job to its end."""
    with embed(collection, source, bundle, options) as job:
        for _ in job:
            pass
    return job.summary


def stored_ids(collection: Collection) -> list[str]:
    """Ids of all rows, sorted, repeated where a row is there twice."""
    return sorted(collection.latest().items.to_table(columns=["id"])["id"].to_pylist())


def live_captions(collection: Collection) -> list[tuple[str, int, str]]:
    """All captions that count, sorted."""
    latest = collection.latest()
    rows = [row for found, _ in latest.caption_vectors() for row in latest.captions_at(found.tolist()) if row]
    return sorted((row.item_id, row.position, row.text) for row in rows)
