"""The new generation beside the old one: canaries, neighbours, and captions that look for their pictures.

Everything but the canaries is made of stored vectors: the old model need not be there any more. Queries are items and
captions that both generations hold, n of them; d is a generation's own dimension.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from index.collection import Collection
from index.datasets import rows_at
from index.errors import SnapshotMissing, TailFull, UriUnreadable
from index.live.part import LiveVectors
from index.live.view import View
from index.publish import current
from index.reindex.report import Retrieval, standard_error
from index.snapshot import Snapshot
from index.sources import read_uri
from index.uploads import located
from index.vectors import unit
from models.bundle import Bundle
from models.decode import DecodeLimits
from models.errors import InputError

CANARIES = 32
ITEMS = 500
CAPTIONS = 1_000
K = 10
_KS = (1, 5, 10)

# What a vector may lose of its cosine with itself: half precision, and inference in batches of another size.
_SAME = 0.99
_TIE = 2e-3


@dataclass(frozen=True)
class Generation:
    """One generation, opened to be searched: its rows now, by the index it has."""

    collection: Collection
    images: LiveVectors
    recall_at_10: float

    @classmethod
    def open(cls, collection: Collection) -> "Generation":
        """Open it; raises as `Snapshot.open`."""
        snapshot = Snapshot.open(current(collection.path), contents=False)
        manifest = snapshot.manifest
        now = collection.latest()
        view = View.of(snapshot, now.at(manifest.items_version, manifest.captions_version))
        with suppress(TailFull):
            view = view.advanced(now)
        return cls(view.collection, view.images, manifest.images.recall_at_10)

    def found(self, queries: np.ndarray, k: int) -> list[list[tuple[str, Sequence[str]]]]:
        """The k best items of each query (n, d), each with its captions."""
        _, rows = self.images.search(queries, k)
        wanted = np.unique(rows[rows >= 0]).tolist()
        table = rows_at(self.collection.items, wanted, ["id", "captions"])
        columns = (table[name].to_pylist() for name in ("_rowid", "id", "captions"))
        items = {row: (item_id, captions) for row, item_id, captions in zip(*columns, strict=True)}
        return [[items[row] for row in line if row in items] for line in rows.tolist()]


@dataclass(frozen=True)
class Neighbours:
    """Overlap@10 of the rankings in [0, 1], its mean over so many items; None where there are none."""

    overlap: float | None
    items: int


def open_published(collection: Collection) -> Generation | None:
    """The generation ready to be searched; None when it was never published."""
    with suppress(SnapshotMissing):
        return Generation.open(collection)
    return None


def sampled_ids(collection: Collection, size: int) -> list[str]:
    """Ids of at most *size* items, evenly spread in storage order."""
    rows = collection.count()
    places = np.unique(np.linspace(0, max(0, rows - 1), min(size, rows)).astype(np.int64)).tolist()
    return collection.items.take(places, columns=["id"])["id"].to_pylist() if places else []


def lost_pictures(new: Generation, bundle: Bundle, limits: DecodeLimits) -> tuple[int, list[str]]:
    """Embed some stored pictures anew and look for them.

    Returns:
        How many could be read, and the ids of those that do not find themselves.
    """
    ids: list[str] = []
    pixels: list[np.ndarray] = []
    for record in new.collection.get_many(sampled_ids(new.collection, CANARIES)).values():
        if record.video is not None:
            continue
        with suppress(UriUnreadable, InputError):
            data = read_uri(located(new.collection.home, record.uri), max_bytes=limits.max_bytes)
            # another picture by now: it is not the one that was embedded
            if hashlib.sha256(data).hexdigest() == record.sha256:
                pixels.append(bundle.prepare(data, limits))
                ids.append(record.id)
    if not ids:
        return 0, []
    queries = unit(bundle.embed_images(np.stack(pixels)))
    stored = new.collection.vectors(ids)
    own = np.array([unit(stored[each]) @ query for each, query in zip(ids, queries, strict=True)])
    scores, _ = new.images.search(queries, K)
    found = new.found(queries, K)
    lost = [
        item_id
        for item_id, similar, values, hits in zip(ids, own, scores, found, strict=True)
        # of many equal pictures any may stand for it
        if similar < _SAME or (item_id not in {hit for hit, _ in hits} and values[-1] < similar - _TIE)
    ]
    return len(ids), lost


def neighbours(old: Generation, new: Generation) -> Neighbours:
    """How alike the two rank the items around an item."""
    ids = _shared(old, new, ITEMS)
    if len(ids) < 2:
        # nothing has a neighbour
        return Neighbours(None, 0)
    rankings = [_nearest(each, ids) for each in (old, new)]
    shares = [len(one & other) / max(1, min(len(one), len(other))) for one, other in zip(*rankings, strict=True)]
    return Neighbours(float(np.mean(shares)), len(ids))


def text_to_image(old: Generation, new: Generation) -> tuple[int, list[Retrieval]]:
    """How often captions find a picture that has them, in both; a caption an item."""
    ids = _shared(old, new, CAPTIONS)
    vectors = [each.collection.vectors_of_captions(ids) for each in (old, new)]
    chosen: dict[str, tuple[str, str]] = {}
    for key in vectors[0]:
        if key in vectors[1]:
            chosen.setdefault(key[0], key)
    pairs = list(chosen.values())
    if not pairs:
        return 0, []
    ranks = [_ranks(each, pairs, stored) for each, stored in zip((old, new), vectors, strict=True)]
    return len(pairs), [_retrieval(k, *ranks) for k in _KS]


def _retrieval(k: int, old: np.ndarray, new: np.ndarray) -> Retrieval:
    hits = [(ranks < k).astype(float) for ranks in (old, new)]
    return Retrieval(
        k=k,
        old=100 * float(hits[0].mean()),
        new=100 * float(hits[1].mean()),
        error=100 * standard_error((hits[1] - hits[0]).tolist()),
    )


def _ranks(
    generation: Generation, pairs: Sequence[tuple[str, str]], vectors: dict[tuple[str, str], np.ndarray]
) -> np.ndarray:
    """(n,) place of the first item that has the caption, K where there is none among the K best."""
    found = generation.found(unit(np.stack([vectors[pair] for pair in pairs])), K)
    places = [
        next((place for place, (_, captions) in enumerate(hits) if text in captions), K)
        for (_, text), hits in zip(pairs, found, strict=True)
    ]
    return np.array(places)


def _nearest(generation: Generation, ids: Sequence[str]) -> list[set[str]]:
    """Ids of the K nearest others of each item."""
    stored = generation.collection.vectors(ids)
    found = generation.found(unit(np.stack([stored[each] for each in ids])), K + 1)
    return [set([hit for hit, _ in hits if hit != item_id][:K]) for item_id, hits in zip(ids, found, strict=True)]


def _shared(old: Generation, new: Generation, size: int) -> list[str]:
    """Ids of items that both hold, evenly spread."""
    ids = sampled_ids(new.collection, size)
    there = old.collection.known(ids)
    return [each for each in ids if each in there]
