"""A published collection as it is at one moment, ready to search: vectors in, hits with their records out."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Literal

import numpy as np

from index.collection import Collection
from index.datasets import row_ids, rows_at, rows_of_ids
from index.depths import depth_of, in_order
from index.duplicates.groups import Groups, last_found, load_groups
from index.errors import SnapshotInvalid, TailFull, UriMissing
from index.fields.types import Field, fields_of
from index.filters.facets import Facet, facet_counts
from index.gpu.device import Gpus
from index.live.changes import NO_COMMITS, Commits
from index.live.part import LivePart
from index.live.view import MAX_TAIL, View
from index.maintenance import tidy
from index.milvus.engine import Engine, open_engine
from index.moment_search import moments_found
from index.moments import BestMoment
from index.patches import has_patches, patches_at
from index.publish import current
from index.question import Filtered, Question, Target, folded, paged, ranked
from index.ranking import Found, Ranking
from index.schema import Record, lists
from index.snapshot import Snapshot, SnapshotManifest, open_moments
from index.sources import read_uri
from index.stored import StoredFiles
from index.text_model import TextModel, text_model
from index.uploads import located
from index.vectors import unit
from models.decode import DecodeLimits

_MAX_BYTES = DecodeLimits().max_bytes
# what is known of files outlives the searchers, of which every write makes a new one
_FILES = StoredFiles()


@dataclass(frozen=True)
class Hit:
    """One result.

    Attributes:
        id: of the item.
        score: cosine of query and hit, in [-1, 1].
        record: the item.
        caption: the text that was found, when captions were searched.
        patches: what a proofreader reads of the item's image, when that was asked for and is stored.
        moment: of a video the moment that was found, or the one that is nearest to the query when items were searched.
        duplicates: how many others it stands for, when duplicates were folded together.
    """

    id: str
    score: float
    record: Record
    caption: str | None = None
    patches: bytes | None = None
    moment: BestMoment | None = None
    duplicates: int | None = None


class Searcher:
    """A collection at one version, by its index and what was written since; immutable, safe to share between threads.

    Attributes:
        manifest: of the snapshot.
        text_model: the bundle that embeds queries; see `index.text_model`.
        engine: the Milvus that answers in the snapshot's place; None where the snapshot does. All later searchers share it.
    """

    def __init__(self, manifest: SnapshotManifest, model: TextModel, view: View, engine: Engine | None = None) -> None:
        self.manifest = manifest
        self.text_model = model
        self.engine = engine
        self._view = view
        # found without a write, and an answer depends on them all the same
        self._grouped = last_found(view.collection.path)

    @classmethod
    def open(
        cls,
        root: Path,
        name: str,
        *,
        contents: bool = True,
        max_tail: int = MAX_TAIL,
        milvus_token: str | None = None,
        gpus: Gpus | None = None,
    ) -> "Searcher":
        """Open what answers for collection *name* in folder *root*, and the collection as it is now.

        Args:
            root: folder of collections.
            name: of the collection.
            contents: compare the snapshot's files with their SHA-256; False compares sizes only.
            max_tail: most vectors of a kind, written since, that are searched without an index. If there are more, the
                collection is shown as it was when the snapshot was made.
            milvus_token: where the collection was pushed to a Milvus, that is asked: `user:password`, an API key, or "" where
                it wants none. Of the snapshot only moments are loaded then. None = the snapshot answers in any case.
            gpus: cards to search the snapshot on, where it fits.

        Raises:
            MilvusError: the Milvus does not answer, or does not hold what was pushed.
            CollectionError: the collection or its snapshot is missing, too new, altered, or they do not match.
        """
        collection = Collection.open(root, name)
        engine = None if milvus_token is None else open_engine(collection, token=milvus_token)
        try:
            if engine is None:
                manifest, view = _published(collection, max_tail, contents=contents, gpus=gpus)
            else:
                manifest, view = _pushed(collection, engine, max_tail, contents=contents, gpus=gpus)
            with suppress(TailFull):
                # no older than what was published or pushed since it was opened
                view = view.advanced(collection.latest())
            return cls(manifest, text_model(collection.path, collection.info), view, engine)
        except BaseException:
            if engine is not None:
                engine.close()
            raise

    def close(self) -> None:
        """Let go of the Milvus, of all searchers that share it, once nobody searches any more."""
        if self.engine is not None:
            self.engine.close()

    def advanced(self, made: Commits = NO_COMMITS) -> "Searcher":
        """The collection as it is now; itself when nothing was written and no duplicates found. Only the newest may be.

        Args:
            made: commits that are known; see `View.advanced`.

        Raises:
            CollectionInvalid: a dataset is damaged, or gone.
            TailFull: too much was written; this searcher stays good.
        """
        view = self._view.advanced(self._view.collection.latest(), made)
        if view is self._view and last_found(view.collection.path) == self._grouped:
            return self
        return Searcher(self.manifest, self.text_model, view, self.engine)

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
    def moment_count(self) -> int:
        """Moments of videos that can be found."""
        return self._view.moments.rows

    @property
    def generation(self) -> str:
        """The generation that is shown; versions compare within one (`index.generations`)."""
        return self._view.collection.generation

    @property
    def version(self) -> int:
        """Version of the items that is shown."""
        return self._view.collection.version

    @property
    def state(self) -> str:
        """Names what an answer depends on: index, items, captions, moments, duplicates. Equal states give equal answers."""
        versions = ":".join(str(dataset.version) for dataset in self._view.collection.datasets)
        pushed = "" if self.engine is None else f":{self.engine.record.seal[:16]}"
        grouped = "" if self._grouped is None else f":{self._grouped}"
        return f"{self.manifest.id}{pushed}:{versions}{grouped}"

    @property
    def unpublished(self) -> int:
        """What a search costs beyond the index: vectors that are compared one by one, and dead ones passed over."""
        parts = (self._view.images, self._view.texts, self._view.moments)
        return sum(part.tail.entries + part.dead for part in parts)

    @property
    def unpublished_moments(self) -> int:
        """Of those the moments: a snapshot has them whatever the engine."""
        return self._view.moments.tail.entries + self._view.moments.dead

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
            target: "images" finds items, "texts" finds captions, "moments" finds moments of videos: of one video no more
                than a few, and not two beside each other (`index.moment_search`).
            skips: how many of its best each query leaves out; none by default.
            patches: read those of the found images too.
            among: sorted int64 row ids, of items, captions or moments as *target* says, that may be found; None = all.

        Returns:
            For each query its hits from the skipped ones to the k-th, best first; fewer when the collection has fewer.
        """
        if target == "moments":
            found = moments_found(self._view, queries, ks, skips or [0] * len(ks), among)
            return [[Hit(one.record.id, one.best.score, one.record, moment=one.best) for one in hits] for hits in found]
        part = self._view.images if target == "images" else self._view.texts
        if not part.rows or not len(queries):
            return [[] for _ in ks]
        orders = zip(in_order(part, queries, ks, among), skips or [0] * len(ks), ks, strict=True)
        pages = [found.cut(skip, k) for found, skip, k in orders]
        wanted = [list(zip(page.rows.tolist(), page.scores.tolist(), strict=True)) for page in pages]
        return self._looked_up(wanted, queries, target, patches=patches)

    def _looked_up(
        self,
        wanted: list[list[tuple[int, float]]],
        queries: np.ndarray,
        target: Target,
        *,
        patches: bool = False,
        others: Mapping[int, int] = MappingProxyType({}),
    ) -> list[list[Hit]]:
        """The hits of each query's row ids and scores, with their records; what is not there any more is left out."""
        rows = sorted({row for hits in wanted for row, _ in hits})
        found = self._items(rows) if target == "images" else self._captions(rows)
        read = patches_at(self._view.collection.items, rows) if patches and target == "images" else {}
        hits = [
            [
                Hit(found[row][0].id, score, *found[row], read.get(row), duplicates=others.get(row))
                for row, score in hits
                if row in found
            ]
            for hits in wanted
        ]
        return self._with_moments(hits, queries) if target == "images" else hits

    def _with_moments(self, hits: list[list[Hit]], queries: np.ndarray) -> list[list[Hit]]:
        """The hits, and of each video among them the moment nearest to its query."""
        asked = [(hit.record, query) for found, query in zip(hits, queries, strict=True) for hit in found]
        best = iter(self._view.collection.moments.best(asked))
        return [[replace(hit, moment=next(best)) for hit in found] for found in hits]

    def video_file(self, record: Record) -> BinaryIO:
        """The video's file, as it was when it was indexed, opened for reading with seek; the caller closes it.

        Raises:
            UriMissing: it is not there any more, or something else is.
            UriUnreadable: it cannot be read.
        """
        return _FILES.open(located(self.folder, record.uri), record.sha256)

    def still(self, record: Record, seconds: float | None) -> bytes | None:
        """A small JPEG of a video's moment nearest to *seconds*, or of its middle; None for a picture."""
        return self._view.collection.moments.still(record, seconds)

    @property
    def fields(self) -> list[Field]:
        """What a filter of it can name: the fields of every item, then those of its metadata."""
        return list(fields_of(self._view.collection.items.schema).values())

    @cached_property
    def filtered(self) -> Filtered:
        """Rows by filter."""
        return Filtered(self._view)

    @cached_property
    def duplicates(self) -> Groups | None:
        """Groups of duplicates, if they were looked for.

        Raises:
            DuplicatesInvalid: what was found is damaged.
        """
        found = load_groups(self._view.collection.path, contents=False)
        # a picture that was replaced since is another
        return None if found is None else found.at(self._view.collection.items)

    def ranked(self, question: Question, depth: int) -> Ranking:
        """The best of a question, as many as *depth* and maybe more; see `index.question.ranked`."""
        return ranked(self._view, question, depth_of(depth))

    def paged(self, question: Question, offset: int, limit: int) -> Found:
        """The hits of a question from *offset* on, at most *limit*; see `index.question.paged`."""
        return paged(self._view, question, offset + limit).cut(offset, offset + limit)

    def hits(self, ranking: Ranking | Found, question: Question) -> list[Hit]:
        """The hits of a question's ranking; what is not there any more is left out."""
        rows = ranking.rows.tolist()
        wanted = list(zip(rows, ranking.scores.tolist(), strict=True))
        others = (
            {} if question.groups is None else dict(zip(rows, folded(self._view, question, ranking.rows), strict=True))
        )
        return self._looked_up([wanted], question.vector[None], question.target, others=others)[0]

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Row ids (n,) int64, in any order, of the items of those ids that are there."""
        return row_ids(rows_of_ids(self._view.collection.items, "id", ids, ["id"]))

    def there(self, rows: np.ndarray, target: Literal["images", "texts"]) -> np.ndarray:
        """(n,) bool: which of those row ids are there."""
        dataset = self._view.collection.items if target == "images" else self._view.collection.captions
        return np.isin(rows, row_ids(rows_at(dataset, rows.tolist(), []))) if len(rows) else np.zeros(0, bool)

    def facets(self, names: Sequence[str], rows: np.ndarray | None, limit: int) -> dict[str, Facet]:
        """Counts of values over the items of those sorted row ids, None = all; raises as `facet_counts`."""
        return facet_counts(self._view.collection.items, names, rows, limit=limit)

    def record(self, item_id: str) -> Record | None:
        """The item of that id."""
        return self._view.collection.get(item_id)

    def vector(self, item_id: str) -> np.ndarray | None:
        """Image vector (d,) float32 of unit norm of the item of that id."""
        return self.vectors([item_id]).get(item_id)

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Of the items of those ids that are there, as `vector`."""
        return {item_id: unit(found) for item_id, found in self._view.collection.vectors(ids).items()}

    def caption_vectors(self, ids: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
        """Vectors (d,) float32 of unit norm of those items' captions, by item id and text."""
        return {key: unit(found) for key, found in self._view.collection.vectors_of_captions(ids).items()}

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
        data = read_uri(located(self.folder, record.uri), max_bytes=_MAX_BYTES)
        if hashlib.sha256(data).hexdigest() != record.sha256:
            raise UriMissing(
                f"the picture of {record.id!r} has changed since it was indexed: index the collection again"
            )
        return data

    def _items(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        return {row: (record, None) for row, record in self._view.items(rows).items()}

    def _captions(self, rows: list[int]) -> dict[int, tuple[Record, str | None]]:
        captions = self._view.collection.captions_at(rows)
        records = self._view.collection.get_many({each.item_id for each in captions if each is not None})
        owned = (
            (row, records[each.item_id], each)
            for row, each in zip(rows, captions, strict=True)
            if each is not None and each.item_id in records
        )
        # between two commits of another writer there are captions that their item does not list, or not any more
        return {row: (item, each.text) for row, item, each in owned if lists(item.captions, each.position, each.text)}


def _published(
    collection: Collection, max_tail: int, *, contents: bool, gpus: Gpus | None
) -> tuple[SnapshotManifest, View]:
    snapshot = Snapshot.open(current(collection.path), contents=contents, gpus=gpus)
    manifest = snapshot.manifest
    _expect_of(manifest, collection)
    pinned = collection.at(manifest.items_version, manifest.captions_version, manifest.moments_version)
    return manifest, View.of(snapshot, pinned, max_tail)


def _pushed(
    collection: Collection, engine: Engine, max_tail: int, *, contents: bool, gpus: Gpus | None
) -> tuple[SnapshotManifest, View]:
    """Moments are not pushed: the snapshot has them."""
    manifest, moments = open_moments(current(collection.path), contents=contents, gpus=gpus)
    _expect_of(manifest, collection)
    pushed = engine.record.pushed
    pinned = collection.at(pushed.items_version, pushed.captions_version, manifest.moments_version)
    return manifest, View(pinned, engine.images, engine.texts, LivePart.of(moments, manifest.dim), max_tail)


def _expect_of(manifest: SnapshotManifest, collection: Collection) -> None:
    info = collection.info
    said = (manifest.collection, manifest.bundle_digest, manifest.dim)
    if said != (info.name, info.bundle_digest, info.dim):
        raise SnapshotInvalid(
            f"snapshot {manifest.id} belongs to collection {manifest.collection!r} of bundle "
            f"{manifest.bundle_name!r}, not to {info.name!r} of {info.bundle_name!r}: publish the collection again"
        )
