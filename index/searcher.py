"""One published snapshot, ready to search: vectors in, hits with their records out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from index.collection import Collection
from index.errors import SnapshotInvalid
from index.publish import current
from index.schema import Record
from index.snapshot import Snapshot, SnapshotManifest
from index.sources import read_uri

Target = Literal["images", "texts"]


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        id: of the item.
        score: cosine of query and hit, in [-1, 1].
        record: the item.
        caption: the text that was found, when captions were searched.
    """

    id: str
    score: float
    record: Record
    caption: str | None = None


class Searcher:
    """A collection as one snapshot shows it; immutable, safe to share between threads.

    Attributes:
        manifest: of the snapshot.
    """

    def __init__(self, collection: Collection, snapshot: Snapshot) -> None:
        self.manifest: SnapshotManifest = snapshot.manifest
        self._collection = collection
        self._snapshot = snapshot

    @classmethod
    def open(cls, root: Path, name: str, *, contents: bool = True) -> "Searcher":
        """Open the served snapshot of collection *name* in folder *root*, and the collection at its version.

        Args:
            root: folder of collections.
            name: of the collection.
            contents: compare the snapshot's files with their SHA-256; False compares sizes only.

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
        return cls(collection.at(manifest.items_version, manifest.captions_version), snapshot)

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
        return self.manifest.images.rows

    @property
    def caption_count(self) -> int:
        """Captions that can be found."""
        return self.manifest.texts.rows if self.manifest.texts else 0

    @property
    def version(self) -> int:
        """Version of the items that is shown."""
        return self.manifest.items_version

    def search(self, queries: np.ndarray, ks: Sequence[int], target: Target) -> list[list[Hit]]:
        """Answer n queries with one index call and one look-up of rows.

        Args:
            queries: (n, d) float32, unit norm.
            ks: how many hits each query wants.
            target: "images" finds items, "texts" finds captions.

        Returns:
            For each query its hits, best first; fewer than wanted when the collection has fewer.
        """
        part = self._snapshot.images if target == "images" else self._snapshot.texts
        if part is None or not len(queries):
            return [[] for _ in ks]
        scores, rowids = part.search(queries, max(ks))
        wanted = [
            [(int(row), float(score)) for row, score in zip(rows[:k], values[:k], strict=True) if row >= 0]
            for rows, values, k in zip(rowids, scores, ks, strict=True)
        ]
        rows = sorted({row for hits in wanted for row, _ in hits})
        found = self._items(rows) if target == "images" else self._captions(rows)
        return [[Hit(found[row][0].id, score, *found[row]) for row, score in hits if row in found] for hits in wanted]

    def record(self, item_id: str) -> Record | None:
        """The item of that id."""
        return self._collection.get(item_id)

    def vector(self, item_id: str) -> np.ndarray | None:
        """Image vector (d,) float32 of the item of that id."""
        return self._collection.vectors([item_id]).get(item_id)

    def first(self, limit: int) -> list[Record]:
        """Some items, for whoever does not know what to search for."""
        return self._collection.first(limit)

    def image_bytes(self, record: Record, *, max_bytes: int | None = None) -> bytes:
        """The picture's file, read from where the collection says it is.

        Raises:
            UriMissing: it is not there any more.
            UriUnreadable: it cannot be read, or has more than *max_bytes*.
        """
        return read_uri(record.uri, max_bytes=max_bytes)

    def _items(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        records = self._collection.records_at(rows)
        return {row: (record, None) for row, record in zip(rows, records, strict=True) if record is not None}

    def _captions(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        captions = self._collection.captions_at(rows)
        records = self._collection.get_many({each.item_id for each in captions if each is not None})
        return {
            row: (records[each.item_id], each.text)
            for row, each in zip(rows, captions, strict=True)
            if each is not None and each.item_id in records
        }
