"""Published collections for tests and benchmarks, made without the embedding job."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.embed import embed
from index.options import EmbedOptions
from index.publish import publish
from index.rows import Entry
from index.schema import Record
from index.sources import open_source
from models.bundle import Bundle
from models.manifest import BundleManifest
from tests.support.images import encoded
from tests.support.tiny_bundle import COLOURS

_ROWS_A_COMMIT = 20_000
# by bundle, colour and shade: a picture, its vector and those of its captions; hundreds of tests ask for the same
_EMBEDDED: dict[tuple[str, str, int], tuple[bytes, np.ndarray, np.ndarray]] = {}


def colour_picture(colour: str, shade: int = 0, size: tuple[int, int] = (48, 40)) -> bytes:
    """A PNG in one colour; *shade* makes pictures of one colour differ."""
    from PIL import Image

    levels = tuple(max(0, level - 4 * shade) for level in COLOURS[colour])
    return encoded(Image.new("RGB", size, levels))


def make_colours(
    home: Path, bundle_path: Path, name: str = "colours", *, shades: int = 3, ids: Sequence[str] | None = None
) -> list[str]:
    """A collection of pictures in eight colours with captions and metadata, published; returns its ids.

    The bundle lies at `home/bundles`, or is linked there. Item `red-0` is a red picture with the captions "red" and
    "a photo of red"; its picture is `home/pictures/red-0.png`.
    """
    link_bundle(home, bundle_path)
    bundle = Bundle.open(bundle_path)
    digest = bundle.manifest.digest()
    pictures = home / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    wanted = [(colour, shade) for colour in COLOURS for shade in range(shades)]
    chosen = list(ids) if ids is not None else [f"{colour}-{shade}" for colour, shade in wanted]
    entries: list[Entry] = []
    for number, (item_id, (colour, shade)) in enumerate(zip(chosen, wanted, strict=False)):
        captions = (colour, f"a photo of {colour}")
        if (digest, colour, shade) not in _EMBEDDED:
            data = colour_picture(colour, shade)
            vector = bundle.embed_images(bundle.prepare(data)[None])[0]
            _EMBEDDED[digest, colour, shade] = data, vector, bundle.embed_texts(captions).vectors
        data, vector, of_captions = _EMBEDDED[digest, colour, shade]
        path = pictures / (f"{item_id}.png" if ids is None else f"{number}.png")
        path.write_bytes(data)
        record = Record(
            id=item_id, uri=path.absolute().as_uri(), sha256=hashlib.sha256(data).hexdigest(), width=48, height=40,
            captions=captions, metadata={"colour": colour, "shade": shade, "note": None},
        )  # fmt: skip
        entries.append(Entry(record, vector, of_captions))
    add_published(home, bundle.manifest, name, entries)
    return [entry.record.id for entry in entries]


def make_painted(
    home: Path,
    bundle_path: Path,
    name: str = "painted",
    *,
    repeats: int = 3,
    patches: bool | None = None,
    captions: bool = False,
) -> list[str]:
    """A collection of noisy pictures in the four colours of `tests.support.proof_bundle`, embedded by the job, published.

    Item `red-0.png` is a red picture, `home/painted/red-0.png`. *patches*: see `EmbedOptions`. With *captions* each item
    has the two that the bundle knows of its colour, else none.
    """
    from PIL import Image

    # only here: it needs torch
    from tests.support.proof_bundle import PAINT, TEXTS, picture

    link_bundle(home, bundle_path)
    bundle = Bundle.open(bundle_path)
    folder = home / "painted"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number, colour in enumerate(PAINT):
        for shade in range(repeats):
            pixels = picture(colour, 100 * number + shade)
            item = f"{colour}-{shade}.png"
            (folder / item).write_bytes(encoded(Image.fromarray(pixels)))
            texts = [text.format(colour) for text in TEXTS]
            rows.append({"id": item, "path": str(folder / item), "captions": texts})
    source = folder
    if captions:
        source = home / "painted.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    root = home / "collections"
    if (root / name).exists():
        collection = Collection.open(root, name)
    else:
        collection = Collection.create(
            root, name, dim=bundle.manifest.dim, bundle_digest=bundle.digest, bundle_name=bundle.manifest.name
        )
    with embed(collection, open_source(str(source)), bundle, EmbedOptions(patches=patches)) as job:
        list(job)
    publish(collection.latest())
    return sorted(path.name for path in folder.iterdir())


def add_published(home: Path, manifest: BundleManifest, name: str, entries: Sequence[Entry]) -> None:
    """Write the entries to collection *name*, made if it is not there, and publish it."""
    root = home / "collections"
    if (root / name).exists():
        collection = Collection.open(root, name)
    else:
        collection = Collection.create(
            root, name, dim=manifest.dim, bundle_digest=manifest.digest(), bundle_name=manifest.name
        )
    for start in range(0, len(entries), _ROWS_A_COMMIT):
        collection.add(entries[start : start + _ROWS_A_COMMIT])
    # as the embedding job ends
    collection.index_ids()
    publish(collection)


def link_bundle(home: Path, bundle_path: Path) -> None:
    """Make the bundle one of *home*'s."""
    target = home / "bundles" / bundle_path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(bundle_path.absolute())


def make_random(home: Path, manifest: BundleManifest, name: str, rows: int, seed: int = 0) -> None:
    """A published collection of random unit vectors in loose clusters: its size is real, its pictures are not there."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(256, manifest.dim)).astype(np.float32)
    vectors = centres[rng.integers(256, size=rows)] + rng.normal(size=(rows, manifest.dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    nothing = np.zeros((0, manifest.dim), np.float32)
    entries = [
        Entry(
            Record(
                id=f"item-{number:07d}", uri=f"file:///nowhere/{number}.jpg", sha256="0" * 64, width=640, height=480,
                metadata={"number": number},
            ),
            vectors[number],
            nothing,
        )
        for number in range(rows)
    ]  # fmt: skip
    add_published(home, manifest, name, entries)
