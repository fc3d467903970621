"""A published collection of coloured pictures, and two models that may serve it."""

from pathlib import Path

import numpy as np

from index.collection import Collection
from index.options import EmbedOptions
from index.reindex.job import ModelChange, ReindexOptions
from index.reindex.start import reindex, rollback
from index.schema import CollectionInfo
from index.vectors import unit
from models.bundle import Bundle, bundle_of
from tests.support.collections import link_bundle, make_colours
from tests.support.tiny_bundle import make_tiny_bundle

NAME = "colours"
EMBEDDING = EmbedOptions(image_batch=4, chunk_rows=8, window=16)
OPTIONS = ReindexOptions(embedding=EMBEDDING)


def make_models(folder: Path) -> tuple[Path, Path]:
    """Two bundles of other seeds and dimensions."""
    return make_tiny_bundle(folder / "old", dim=16), make_tiny_bundle(folder / "new", dim=24, seed=1)


def make_home(home: Path, models: tuple[Path, Path], *, shades: int = 2) -> Path:
    """A home with both bundles and the collection, embedded by the first; two pictures a colour by default."""
    make_colours(home, models[0], NAME, shades=shades)
    link_bundle(home, models[1])
    return home


def opened(home: Path) -> Collection:
    """The collection as it is served."""
    return Collection.open(home / "collections", NAME)


def change(home: Path, model: str = "new", options: ReindexOptions = OPTIONS) -> ModelChange:
    """The change to a bundle of the home."""
    return reindex(home / "collections", NAME, Bundle.open(home / "bundles" / model), options)


def back(home: Path, to: str | None = None, options: ReindexOptions = OPTIONS) -> ModelChange:
    """The way back."""

    def bundle(info: CollectionInfo) -> Bundle:
        return Bundle.open(bundle_of(info.bundle_digest, info.bundle_name, home))

    return rollback(home / "collections", NAME, bundle, to, options)


def run(job: ModelChange) -> ModelChange:
    """Run a job to its end."""
    with job:
        for _ in job:
            pass
    return job


def expect_embedded_by(home: Path, model: str) -> None:
    """Every row of the served collection is one that this bundle makes of its picture and its captions."""
    bundle = Bundle.open(home / "bundles" / model)
    collection = opened(home)
    assert bundle.digest == collection.info.bundle_digest
    records = collection.first(1_000)
    vectors = collection.vectors([record.id for record in records])
    texts = collection.vectors_of_captions([record.id for record in records])
    for record in records:
        data = Path(record.uri.removeprefix("file://")).read_bytes()
        made = bundle.embed_images(bundle.prepare(data)[None])[0]
        np.testing.assert_allclose(made, unit(vectors[record.id]), atol=5e-3)
        for text in record.captions:
            np.testing.assert_allclose(
                bundle.embed_texts([text]).vectors[0], unit(texts[record.id, text]), atol=5e-3, err_msg=text
            )
