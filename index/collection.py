"""A collection on Lance: the system of record that everything else is derived from.

A collection is a folder with `collection.json` and three datasets, and a fourth one with the moments of videos
(`index.moments`) where there are any. An item is there from the moment its row in `items.lance` is committed. Its
captions are written first; a caption row counts only while its item lists that text at that position. So a writer may be
killed anywhere: what it leaves without an item is ignored by readers, and removed when the item
comes again.

One object sees one pair of versions (items, captions), whatever others write; what it writes itself moves it on. Any
number of threads may read one object; one thread writes. Processes write one after the other: each write takes its turn
(`index.lease`) and begins with what the others have committed. A collection may have several generations, embedded by
different models (`index.generations`): an object stays with the one that it was opened at, and writes to it only while that
one is served.
"""

from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lance
import numpy as np

from index import rejects
from index.datasets import (
    CAPTION_COLUMNS,
    captions_in,
    job_session,
    live_captions,
    make_datasets,
    newest_pair,
    open_pair,
    read_info,
    row_ids,
    rows_at,
    rows_of_ids,
)
from index.errors import CollectionExists, GenerationChanged
from index.generations import folder_of, generation_of, mark_of, served
from index.ids import update_index
from index.lease import lease, turn
from index.live.changes import Commits
from index.live.rejected import RejectedIds
from index.moments import Moments, with_videos
from index.patches import keeps_patches, patches_of, with_patches
from index.replace import Rows, StoredRow
from index.rows import (
    CaptionRow,
    Entry,
    caption_rows,
    captions_table,
    items_like,
    record_columns,
    records_of,
    vectors_of,
)
from index.schema import (
    COLLECTION_FILE,
    CollectionInfo,
    Record,
    Reject,
    check_name,
)
from index.table import Table


class Collection:
    """One collection at one version.

    Attributes:
        path: its folder; of a later generation, that one's.
        home: the folder that all its generations share: leases, turns, uploads.
        info: what does not change: name, d, bundle.
    """

    def __init__(
        self,
        path: Path,
        info: CollectionInfo,
        items: lance.LanceDataset,
        captions: lance.LanceDataset,
        *,
        home: Path | None = None,
        mark: object = None,
        moments_version: int | None = None,
    ) -> None:
        self.path = path
        self.home = path if home is None else home
        self.info = info
        # of what is served; None where its job alone writes to it
        self._mark = mark
        self._writes = False
        self._items = Table(items, "id", info.dim)
        self._captions = Table(captions, "item_id", info.dim)
        self._rejected = RejectedIds(path)
        # After the items: moments are written before them. Those of a video that is replaced just now may be gone already.
        self._moments = Moments.open(path, info.dim, moments_version)

    @classmethod
    def create(cls, root: Path, name: str, *, dim: int, bundle_digest: str, bundle_name: str) -> "Collection":
        """Make an empty collection in folder *root*.

        Raises:
            CollectionNameInvalid: *name* breaks the rule.
            CollectionExists: it is there already.
            LeaseHeld: another process is making it.
        """
        check_name(name)
        path = root / name
        info = CollectionInfo.new(name, dim=dim, bundle_digest=bundle_digest, bundle_name=bundle_name)
        path.mkdir(parents=True, exist_ok=True)
        # two first jobs at once: the second must not take the first one's rows for what a killed attempt left
        with lease(path, "creation"):
            if (path / COLLECTION_FILE).exists():
                raise CollectionExists(f"{path} is a collection already: open it, or choose another name")
            make_datasets(path, info)
        return cls.open(root, name)

    def create_generation(self, generation: str, *, dim: int, bundle_digest: str, bundle_name: str) -> "Collection":
        """Make an empty generation of this collection; see `open`. The caller holds the lease on generations."""
        info = CollectionInfo.new(self.info.name, dim=dim, bundle_digest=bundle_digest, bundle_name=bundle_name)
        path = folder_of(self.home, generation)
        path.mkdir(parents=True, exist_ok=True)
        make_datasets(path, info)
        return Collection.open(self.home.parent, self.info.name, generation=generation)

    @classmethod
    def open(
        cls,
        root: Path,
        name: str,
        *,
        version: int | None = None,
        captions_version: int | None = None,
        generation: str | None = None,
    ) -> "Collection":
        """Open collection *name* in folder *root*, at the given versions or the latest.

        Args:
            root: folder of collections.
            name: of the collection.
            version: of the items.
            captions_version: of the captions.
            generation: None = the one that is served. Another one is written by the job alone that holds the lease on
                generations, so its writes take no turns.

        Raises:
            CollectionNameInvalid: *name* breaks the rule.
            CollectionMissing: no such collection, or no such version of it.
            CollectionTooNew: its schema is newer than this program's.
            CollectionInvalid: its files break the schema.
        """
        check_name(name)
        home = root / name
        # before it is opened: one that is made anew meanwhile is not taken for it
        mark = mark_of(home) if generation is None else None
        path = folder_of(home, generation or served(home))
        info = read_info(path, name)
        items, captions = open_pair(path, version, captions_version)
        return cls(path, info, items, captions, home=home, mark=mark)

    def at(self, version: int, captions_version: int, moments_version: int | None = None) -> "Collection":
        """The same collection at earlier versions; of the moments None = the latest.

        Raises:
            CollectionMissing: they are gone.
        """
        return self._like(*open_pair(self.path, version, captions_version), moments_version)

    def latest(self) -> "Collection":
        """The same collection as it is now."""
        return self._like(*newest_pair(self.items, self.captions))

    def refresh(self) -> None:
        """See what others have committed; for the writer, once it holds the lease."""
        items, captions = newest_pair(self.items, self.captions)
        self._items.begin(items)
        self._captions.begin(captions)
        self._moments = Moments.open(self.path, self.info.dim)

    @property
    def generation(self) -> str:
        """The generation that this object sees; see `index.generations`."""
        return generation_of(self.home, self.path)

    def expect_served(self) -> None:
        """Make sure that its generation is the one that is served, or one that its job builds.

        Raises:
            GenerationChanged: another one has taken its place, or the collection was removed and made anew.
        """
        if self._mark is not None and mark_of(self.home) != self._mark:
            raise GenerationChanged(
                f"collection {self.info.name} was made anew meanwhile, or has changed from model {self.info.bundle_name} to "
                "another: open it again, with the model that it has now"
            )

    @property
    def version(self) -> int:
        """Version of the items that this object sees."""
        return self.items.version

    @property
    def captions_version(self) -> int:
        """Version of the captions that this object sees."""
        return self.captions.version

    @property
    def items(self) -> lance.LanceDataset:
        """The items' dataset at this version; row ids are stable."""
        return self._items.dataset

    @property
    def captions(self) -> lance.LanceDataset:
        """The captions' dataset at this version. It may hold rows that do not count: see `caption_vectors`."""
        return self._captions.dataset

    @property
    def made(self) -> Commits:
        """What this object's commits since its last turn began made of items and captions; see `Table`."""
        return Commits(self.generation, self._items.made, self._captions.made)

    @property
    def moments(self) -> Moments:
        """The moments of its videos at this version."""
        return self._moments

    @property
    def datasets(self) -> list[lance.LanceDataset]:
        """All that are versioned together: items, captions, and moments where there are any."""
        moments = self._moments.dataset
        return [self.items, self.captions, *([] if moments is None else [moments])]

    @property
    def keyed(self) -> list[tuple[lance.LanceDataset, str]]:
        """The same, each with its column of items' ids."""
        return list(zip(self.datasets, ("id", "item_id", "item_id"), strict=False))

    def count(self) -> int:
        """Number of items."""
        return self.items.count_rows()

    def get(self, item_id: str) -> Record | None:
        """The item of that id."""
        return self.get_many([item_id]).get(item_id)

    def get_many(self, ids: Iterable[str]) -> dict[str, Record]:
        """The items of those ids that are there, by id."""
        table = rows_of_ids(self.items, "id", ids, record_columns(self.items.schema))
        return {record.id: record for record in records_of(table)}

    def known(self, ids: Iterable[str]) -> dict[str, str]:
        """SHA-256 of the items of those ids that are there, by id."""
        table = rows_of_ids(self.items, "id", ids, ["id", "sha256"])
        return dict(zip(table["id"].to_pylist(), table["sha256"].to_pylist(), strict=True))

    def vectors(self, ids: Iterable[str]) -> dict[str, np.ndarray]:
        """Image vectors (d,) float32 of the items of those ids that are there, by id."""
        table = rows_of_ids(self.items, "id", ids, ["id", "vector"])
        return dict(zip(table["id"].to_pylist(), vectors_of(table["vector"], self.info.dim), strict=True))

    @property
    def keeps_patches(self) -> bool:
        """Whether its items have a column for patches; see `index.patches`."""
        return keeps_patches(self.items)

    def keep_patches(self) -> None:
        """Give its items a column for patches, if they have none; for the writer, who holds the lease."""
        with self.turn():
            self._items.begin(with_patches(self.items))

    def patches(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Stored patches of the items of those ids that have them, by id."""
        return patches_of(self.items, ids)

    def vectors_of_captions(self, ids: Iterable[str]) -> dict[tuple[str, str], np.ndarray]:
        """Vectors (d,) float32 of the captions stored for those items, by item id and text."""
        table = rows_of_ids(self.captions, "item_id", ids, ["item_id", "text", "vector"])
        keys = zip(table["item_id"].to_pylist(), table["text"].to_pylist(), strict=True)
        return dict(zip(keys, vectors_of(table["vector"], self.info.dim), strict=True))

    def records_at(self, rows: Sequence[int]) -> list[Record | None]:
        """The items of those row ids, in their order; None where the row is not there at this version."""
        table = rows_at(self.items, rows, record_columns(self.items.schema))
        found = dict(zip(table["_rowid"].to_pylist(), records_of(table), strict=True))
        return [found.get(row) for row in rows]

    def captions_at(self, rows: Sequence[int]) -> list[CaptionRow | None]:
        """The captions of those row ids, in their order; None where the row is not there at this version."""
        table = rows_at(self.captions, rows, CAPTION_COLUMNS)
        found = {row.pop("_rowid"): CaptionRow(**row) for row in table.to_pylist()}
        return [found.get(row) for row in rows]

    def first(self, limit: int) -> list[Record]:
        """The first *limit* items in storage order."""
        return records_of(self.items.to_table(columns=record_columns(self.items.schema), limit=limit))

    def item_vectors(self, batch_rows: int = 8_192) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All image vectors in storage order, in batches: row ids (n,) int64 and vectors (n, d) float32."""
        scan = self.items.scanner(columns=["vector"], with_row_id=True, batch_size=batch_rows, scan_in_order=True)
        for batch in scan.to_batches():
            yield row_ids(batch), vectors_of(batch["vector"], self.info.dim)

    def caption_vectors(self, batch_rows: int = 8_192) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Vectors of all captions that count, in batches: row ids (n,) int64 and vectors (n, d) float32."""
        scan = self.captions.scanner(with_row_id=True, batch_size=batch_rows, scan_in_order=True)
        for batch in scan.to_batches():
            live = live_captions(self.items, batch)
            if live.any():
                yield row_ids(batch)[live], vectors_of(batch["vector"], self.info.dim)[live]

    def rejects(self) -> list[Reject]:
        """What could not be read in, by id."""
        return rejects.read(self.path)

    def rejected(self, ids: Iterable[str]) -> list[str]:
        """Those of the ids that are rejects; for the writer, in its turn: nothing is read while none are noted or taken out."""
        return self._rejected.among(ids)

    def stored(self, ids: Iterable[str]) -> dict[str, StoredRow]:
        """The rows of the items of those ids that are there, by id; for the writer, in its turn."""
        table = self._items.rows(ids)
        return dict(zip(table["id"].to_pylist(), StoredRow.each_of(table), strict=True))

    def add(
        self,
        entries: Sequence[Entry],
        stored: Mapping[str, StoredRow] | None = None,
        anew: Container[str] = (),
    ) -> None:
        """Write items, in one commit: new ids are appended, known ids are replaced, each with its captions.

        After a kill at any moment each item is there as it was before or as it should be. Ids must differ.

        Args:
            entries: what to write.
            stored: those of their ids that are there, if that was found out in this very turn.
            anew: those that get new rows, as if they had been removed and added. Any number of rows may keep their ids at
                the price of a look at all of them: right for many, wrong for a few at a time.
        """
        if not entries:
            return
        ids = [entry.record.id for entry in entries]
        if len(set(ids)) != len(ids):
            raise ValueError("two of the items to write have one id: write the later one in another call")
        with self.turn():
            before = self.version
            if any(entry.record.video is not None for entry in entries):
                self._items.begin(with_videos(self.items))
            # columns may have come after a merge, which moves rows
            stored = self.stored(ids) if stored is None or before != self.version else stored
            kept, orphans = self._stored_captions(ids, stored)
            self._captions.drop(Rows.each(orphans))
            self._captions.put(captions_table(entries, kept, self.info.dim))
            self._moments = self._moments.written(entries, self._video_keys(entries, stored))
            # the commit point: from here on the items and their captions are there
            self._write_items(entries, stored, anew)
            stale = kept.keys() - {row for entry in entries for row in caption_rows(entry.record)}
            # by id alone: the new captions are another version, and others may have merged files
            self._captions.drop(Rows(np.array([kept[row].row for row in stale], np.int64)))
            self._moments = self._moments.without_stale(entry.record for entry in entries)

    def delete(self, ids: Iterable[str]) -> list[str]:
        """Remove the items of those ids, in one commit, and then their captions; the ids that were there."""
        ids = list(ids)
        with self.turn():
            table = self._items.rows(ids)
            # the commit point: captions of no item count no more
            self._items.drop(Rows.of(table))
            # what a kill left of an earlier removal goes too
            if self.captions.count_rows():
                self._captions.drop(Rows.of(self._captions.rows(ids)))
            self._moments = self._moments.without_items(ids)
        return table["id"].to_pylist()

    def note_rejects(self, found: Sequence[Reject], cleared: Sequence[str]) -> None:
        """Take the ids *cleared* out of the rejects, then put *found* in; one row for an id and URI."""
        with self.turn():
            rejects.forget(self.path, "id", cleared)
            rejects.note(self.path, found)

    def forget_rejects_at(self, uris: Sequence[str]) -> None:
        """Take the rejects with those URIs out: what bears them has no id that could come again and succeed."""
        with self.turn():
            rejects.forget(self.path, "uri", uris)

    def remember_less(self) -> None:
        """Go on with the latest version, and with Lance's memory of files and indexes as small as a job needs it."""
        items, captions = open_pair(self.path, None, None, job_session())
        self._items.begin(items)
        self._captions.begin(captions)
        self._moments = Moments.open(self.path, self.info.dim)

    def hold_ids(self) -> None:
        """Hold the ids of items and captions in memory, unless they are too many: for a writer that stays."""
        self._items.hold_all()
        self._captions.hold_all()

    def index_ids(self) -> None:
        """Bring the B-trees over ids up to date, so that look-ups stay quick; a small collection needs none."""
        with self.turn():
            for dataset, key in self.keyed:
                update_index(dataset, key)

    @contextmanager
    def turn(self) -> Generator[None]:
        """The right to write, at the latest version; several writes in one turn see nothing of others in between.

        Raises:
            GenerationChanged: as `expect_served`; nothing may be written to this one.
            LeaseHeld: another writer does not come to its end.
        """
        if self._writes:
            yield
            return
        with nullcontext() if self._mark is None else turn(self.home):
            self.expect_served()
            self.refresh()
            self._writes = True
            try:
                yield
            finally:
                self._writes = False

    def _like(
        self, items: lance.LanceDataset, captions: lance.LanceDataset, moments_version: int | None = None
    ) -> "Collection":
        return Collection(
            self.path, self.info, items, captions, home=self.home, mark=self._mark, moments_version=moments_version
        )

    def _stored_captions(
        self, ids: list[str], stored: Mapping[str, StoredRow]
    ) -> tuple[dict[CaptionRow, StoredRow], list[StoredRow]]:
        """The rows of the captions of those items that count, and of those that a killed writer left.

        What it left is older than the commit that would make it count, and may be older than a snapshot without it: who looks
        for what was written since would not see it. So it is not used, but written anew.
        """
        if not self.captions.count_rows():
            return {}, []
        table = self._captions.rows(ids, CAPTION_COLUMNS)
        rows = dict(zip(captions_in(table), StoredRow.each_of(table), strict=True))
        records = self.records_at([stored[each].row for each in {row.item_id for row in rows} if each in stored])
        listed = {caption for record in records if record is not None for caption in caption_rows(record)}
        orphans = [at for caption, at in rows.items() if caption not in listed]
        return {caption: at for caption, at in rows.items() if caption in listed}, orphans

    def _video_keys(self, entries: Sequence[Entry], stored: Mapping[str, StoredRow]) -> dict[str, str]:
        """Of the entries that come with moments, and whose items are videos already: their keys, by id."""
        ids = [entry.record.id for entry in entries if entry.moments is not None]
        records = self.records_at([stored[each].row for each in ids if each in stored])
        return {record.id: record.video.key for record in records if record is not None and record.video is not None}

    def _write_items(self, entries: Sequence[Entry], stored: Mapping[str, StoredRow], anew: Container[str]) -> None:
        table = items_like(self.items.schema, entries, self.info.dim)
        there = [entry.record.id for entry in entries if entry.record.id in stored]
        keeps = np.array([entry.record.id in stored and entry.record.id not in anew for entry in entries], bool)
        rows = Rows.each(stored[item_id] for item_id in there if item_id not in anew)
        dropped = Rows.each(stored[item_id] for item_id in there if item_id in anew)
        self._items.put(table.filter(~keeps), table.filter(keeps), rows, dropped)


def list_collections(root: Path) -> list[str]:
    """Names of the collections in folder *root*, sorted."""
    return sorted(file.parent.name for file in root.glob(f"*/{COLLECTION_FILE}"))
