"""A published collection as it is at one moment, ready to search: vectors in, hits with their records out."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from index.collection import Collection
from index.errors import SnapshotInvalid, TailFull, UriMissing
from index.live.part import LivePart
from index.live.view import MAX_TAIL, View
from index.maintenance import tidy
from index.patches import has_patches, patches_at
from index.publish import current
from index.rows import CaptionRow
from index.schema import Record
from index.snapshot import Snapshot, SnapshotManifest
from index.sources import read_uri
from index.text_model import TextModel, text_model
from index.uploads import located
from index.vectors import unit
from models.decode import DecodeLimits

Target = Literal["images", "texts"]

# Of the first pages, and of everything deeper that the service allows.
_DEPTHS = (128, 2048)
_MAX_BYTES = DecodeLimits().max_bytes


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        id: of the item.
        score: cosine of query and hit, in [-1, 1].
        record: the item.
        caption: the text that was found, when captions were searched.
        patches: what a proofreader reads of the item's image, when that was asked for and is stored.
    """

    id: str
    score: float
    record: Record
    caption: str | None = None
    patches: bytes | None = None


class Searcher:
    """A collection at one version, by its snapshot and what was written since; immutable, safe to share between threads.

    Attributes:
        manifest: of the snapshot.
        text_model: the bundle that embeds queries; see `index.text_model`.
    """

    def __init__(self, manifest: SnapshotManifest, model: TextModel, view: View) -> None:
        self.manifest = manifest
        self.text_model = model
        self._view = view

    @classmethod
    def open(cls, root: Path, name: str, *, contents: bool = True, max_tail: int = MAX_TAIL) -> "Searcher":
        """Open the served snapshot of collection *name* in folder *root*, and the collection as it is now.

        Args:
            root: folder of collections.
            name: of the collection.
            contents: compare the snapshot's files with their SHA-256; False compares sizes only.
            max_tail: most vectors of a kind, written since, that are searched without an index. If there are more, the
                collection is shown as it was when the snapshot was made.

        Raises:
            CollectionError: the collection or its snapshot is missing, too new, altered, or they do not match.
        """
        collection = Collection.open(root, name)
        snapshot = Snapshot.open(current(collection.path), contents=contents)
        manifest, info = snapshot.manifest, collection.info
        said = (manifest.collection, manifest.bundle_digest, manifest.dim)
        if said != (info.name, info.bundle_digest, info.dim):
            raise SnapshotInvalid(
                f"snapshot {manifest.id} belongs to collection {manifest.collection!r} of bundle "
                f"{manifest.bundle_name!r}, not to {info.name!r} of {info.bundle_name!r}: publish the collection again"
            )
        at_snapshot = collection.at(manifest.items_version, manifest.captions_version)
        view = View.of(snapshot, at_snapshot, max_tail)
        with suppress(TailFull):
            view = view.advanced(collection)
        return cls(manifest, text_model(collection.path, info), view)

    def advanced(self) -> "Searcher":
        """The collection as it is now; itself when nothing was written. Only the newest searcher may be advanced.

        Raises:
            CollectionInvalid: a dataset is damaged, or gone.
            TailFull: too much was written; this searcher stays good.
        """
        view = self._view.advanced(self._view.collection.latest())
        return self if view is self._view else Searcher(self.manifest, self.text_model, view)

    def tidy(self) -> bool:
        """Merge small files of the collection, if there are many; see `index.maintenance.tidy`."""
        return tidy(self._view.collection)

    @property
    def folder(self) -> Path:
        """Of the collection."""
        return self._view.collection.home

    @property
    def keeps_patches(self) -> bool:
        """Whether its items have room for what a proofreader reads."""
        return self._view.collection.keeps_patches

    @property
    def view(self) -> View:
        """What it searches: for jobs that walk over all rows."""
        return self._view

    @cached_property
    def has_patches(self) -> bool:
        """Whether at least one of its items has what a proofreader reads."""
        return has_patches(self._view.collection.items)

    @property
    def name(self) -> str:
        """Of the collection."""
        return self.manifest.collection

    @property
    def dim(self) -> int:
        """Dimension d of queries."""
        return self.manifest.dim

    @property
    def count(self) -> int:
        """Items that can be found."""
        return self._view.images.rows

    @property
    def caption_count(self) -> int:
        """Captions that can be found."""
        return self._view.texts.rows

    @property
    def version(self) -> int:
        """Version of the items that is shown."""
        return self._view.collection.version

    @property
    def state(self) -> str:
        """Names what an answer depends on: snapshot, items and captions. Equal states give equal answers."""
        collection = self._view.collection
        return f"{self.manifest.id}:{collection.version}:{collection.captions_version}"

    @property
    def unpublished(self) -> int:
        """What a search costs beyond the snapshot: vectors that are compared one by one, and dead ones passed over."""
        parts = (self._view.images, self._view.texts)
        return sum(part.tail.entries + part.dead for part in parts)

    def search(
        self,
        queries: np.ndarray,
        ks: Sequence[int],
        target: Target,
        *,
        skips: Sequence[int] | None = None,
        patches: bool = False,
        among: np.ndarray | None = None,
    ) -> list[list[Hit]]:
        """Answer n queries with one look-up of rows; pages of one query are slices of one order.

        Args:
            queries: (n, d) float32, unit norm.
            ks: how deep each query looks.
            target: "images" finds items, "texts" finds captions.
            skips: how many of its best each query leaves out; none by default.
            patches: read those of the found images too.
            among: sorted int64 row ids, of items or of captions as *target* says, that may be found; None = all.

        Returns:
            For each query its hits from the skipped ones to the k-th, best first; fewer when the collection has fewer.
        """
        part = self._view.images if target == "images" else self._view.texts
        if not part.rows or not len(queries):
            return [[] for _ in ks]
        wanted = _rows(part, queries, ks, skips or [0] * len(ks), among)
        rows = sorted({row for hits in wanted for row, _ in hits})
        found = self._items(rows) if target == "images" else self._captions(rows)
        read = patches_at(self._view.collection.items, rows) if patches and target == "images" else {}
        return [
            [Hit(found[row][0].id, score, *found[row], read.get(row)) for row, score in hits if row in found]
            for hits in wanted
        ]

    def record(self, item_id: str) -> Record | None:
        """The item of that id."""
        return self._view.collection.get(item_id)

    def vector(self, item_id: str) -> np.ndarray | None:
        """Image vector (d,) float32 of unit norm of the item of that id."""
        found = self._view.collection.vectors([item_id]).get(item_id)
        return None if found is None else unit(found)

    def patches(self, ids: Sequence[str]) -> dict[str, bytes | None]:
        """Of the items of those ids that are there, what a proofreader reads of each; None where it is not stored."""
        stored = self._view.collection.patches(ids)
        return {item_id: stored.get(item_id) for item_id in self._view.collection.known(ids)}

    def first(self, limit: int) -> list[Record]:
        """Some items, for whoever does not know what to search for."""
        return self._view.collection.first(limit)

    def image_bytes(self, record: Record) -> bytes:
        """The picture's file, as it was when it was indexed: whatever else lies there now is not handed out.

        Raises:
            UriMissing: it is not there any more, or something else is; or the item came without a picture.
            UriUnreadable: it cannot be read.
        """
        if not record.uri:
            raise UriMissing(f"item {record.id!r} was written with a vector and without a picture")
        data = read_uri(located(self._view.collection.home, record.uri), max_bytes=_MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise UriMissing(
                f"the picture of {record.id!r} has changed since it was indexed: index the collection again"
            )
        return data

    def _items(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        records = self._view.collection.records_at(rows)
        return {row: (record, None) for row, record in zip(rows, records, strict=True) if record is not None}

    def _captions(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        captions = self._view.collection.captions_at(rows)
        records = self._view.collection.get_many({each.item_id for each in captions if each is not None})
        return {
            row: (records[each.item_id], each.text)
            for row, each in zip(rows, captions, strict=True)
            # between two commits of another writer there are captions that their item does not list, or not any more
            if each is not None and each.item_id in records and _lists(records[each.item_id], each)
        }


def _lists(record: Record, caption: CaptionRow) -> bool:
    return record.captions[caption.position : caption.position + 1] == (caption.text,)


def _rows(
    part: LivePart, queries: np.ndarray, ks: Sequence[int], skips: Sequence[int], among: np.ndarray | None
) -> list[list[tuple[int, float]]]:
    """(row id, score) of the hits from skip to k of each query.

    How deep an index is searched decides which of equals, and in a graph which neighbours, are found. So there are few
    depths: a query's answer depends neither on the page it is for nor on the queries that are answered beside it.
    """
    found: list[list[tuple[int, float]]] = [[] for _ in ks]
    depths = [next((depth for depth in _DEPTHS if k <= depth), k) for k in ks]
    for depth in set(depths):
        places = [place for place, each in enumerate(depths) if each == depth]
        scores, rowids = part.search(queries[places], depth, among=among)
        for place, values, rows in zip(places, scores, rowids, strict=True):
            page = slice(skips[place], ks[place])
            hits = zip(rows[page].tolist(), values[page].tolist(), strict=True)
            found[place] = [(row, score) for row, score in hits if row >= 0]
    return found
