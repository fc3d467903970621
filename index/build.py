"""Vectors of a pinned collection become the index files of a snapshot."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from index.collection import Collection
from index.faiss_cpu import FaissIndex
from index.recall import tune
from index.snapshot import IndexPart
from index.vectors import unit

# enough for a recall that is known to a point or two
SAMPLE = 200

Batches = Iterable[tuple[np.ndarray, np.ndarray]]


def build_parts(collection: Collection, folder: Path, *, target_recall: float) -> tuple[IndexPart, IndexPart | None]:
    """Write the index of the images, and of the captions when there are any, into *folder*."""
    images = unit(sample(collection.item_vectors()))
    captions = unit(sample(collection.caption_vectors()))
    queries = [images, captions]
    dim = collection.info.dim
    rows = collection.count()
    image_part = _build(collection.item_vectors(), rows, folder, "images", dim, queries, target_recall)
    if not len(captions):
        return image_part, None
    # some of these rows may not count; how many decides only between exact search and a graph
    rows = collection.captions.count_rows()
    return image_part, _build(collection.caption_vectors(), rows, folder, "texts", dim, queries, target_recall)


def build_moments(collection: Collection, folder: Path, *, target_recall: float) -> IndexPart | None:
    """Write the index of the moments of videos into *folder*, when there are any."""
    moments = collection.moments
    found = unit(sample(moments.vectors(collection.items)))
    if not len(found):
        return None
    # what asks for a moment is a text, or a picture
    queries = [found, unit(sample(collection.caption_vectors()))]
    vectors = moments.vectors(collection.items)
    return _build(vectors, moments.count(), folder, "moments", collection.info.dim, queries, target_recall)


def sample(batches: Batches, size: int = SAMPLE) -> np.ndarray:
    """At most *size* vectors (n, d), evenly spread over the stored ones; memory is bounded by one batch."""
    kept: list[np.ndarray] = []
    stride, seen = 1, 0
    for _, vectors in batches:
        kept += [vectors[place] for place in range(-seen % stride, len(vectors), stride)]
        seen += len(vectors)
        while len(kept) > 2 * size:
            kept, stride = kept[::2], stride * 2
    return np.stack(kept[:: max(1, -(-len(kept) // size))]) if kept else np.zeros((0, 0), np.float32)


def _build(
    batches: Batches, rows: int, folder: Path, name: str, dim: int, queries: list[np.ndarray], target_recall: float
) -> IndexPart:
    began = time.perf_counter()
    rowids: list[np.ndarray] = []
    index = FaissIndex.build(_split(batches, rowids), rows, dim)
    seconds = time.perf_counter() - began
    parameters, measured = tune(index, [each for each in queries if len(each)] or [np.zeros((0, dim))], target_recall)
    part = IndexPart(
        index_file=f"{name}.faiss",
        rowids_file=f"{name}.rowids.npy",
        factory=index.factory,
        rows=index.rows,
        parameters=dict(parameters),
        recall_at_10=round(measured.recall, 4),
        query_ms=round(measured.milliseconds, 3),
        build_seconds=round(seconds, 2),
    )
    index.save(folder / part.index_file)
    np.save(folder / part.rowids_file, np.concatenate(rowids) if rowids else np.zeros(0, np.int64))
    return part


def _split(batches: Batches, rowids: list[np.ndarray]) -> Iterator[np.ndarray]:
    for ids, vectors in batches:
        rowids.append(ids)
        yield unit(vectors)
