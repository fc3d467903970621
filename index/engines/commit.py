"""The driver's half: staged rows of many blocks become rows of the collection, in one commit of the items."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata

from index.collection import Collection
from index.commits import full_disk_told
from index.datasets import CAPTIONS, ITEMS
from index.engines.blocks import Block
from index.engines.staging import Staged, Staging
from index.replace import NO_ROWS, Rows, commit_rows, drop, located, with_row_ids
from index.rows import Entry, records_of, vectors_of
from index.schema import PATCHES


class StagedCommitter:
    """Commits staged blocks. One thread uses it, under the lease of the job; other writers come and go between.

    What others wrote or deleted after a block was compared with the collection stays as they left it: the source was
    read before. The next run of the job looks at it again.

    Attributes:
        committed: rows that are safe.
    """

    def __init__(self, collection: Collection, staging: Staging) -> None:
        self._collection = collection
        self._staging = staging
        self._columns = str(staging.dataset(ITEMS).lance_schema)
        self._own: list[int] = []
        self.committed = 0

    def commit(self, reports: Sequence[Staged]) -> None:
        """Make rows of the blocks; after a kill at any moment either all of them are there or, but for videos, none.

        Raises:
            StorageFull: there was no space.
            GenerationChanged: another model is served by now.
        """
        # one turn: nobody sees items without their rejects, and what is compared here stays as it is
        with full_disk_told(self._collection), self._collection.turn():
            before = self._collection.version
            others = self._written_by_others(reports)
            same = self._columns == str(self._collection.items.lance_schema)
            quick = [report for report in reports if same and not others[report.block] and report.entries is None]
            self._append_captions(quick)
            self._commit_items(quick)
            self._remove_stale(quick)
            # columns that came meanwhile, rows that must not be, and videos: by the plain job's way
            for report in reports:
                if report not in quick:
                    self._collection.add(self._entries(report, others[report.block]))
            # a video may have brought columns: that is a version too
            self._own.extend(range(before + 1, self._collection.version + 1))
            rejects = [reject for report in reports for reject in report.rejects]
            self._collection.note_rejects(rejects, [item_id for report in reports for item_id in report.cleared])
        self.committed += sum(report.summary.embedded + report.summary.updated for report in reports)

    def _written_by_others(self, reports: Sequence[Staged]) -> dict[Block, set[str]]:
        """Ids of each block that others have written, or removed, since it was compared with the collection."""
        written = self._written_since(min((report.version for report in reports), default=0))
        alive = located(self._collection.items, _row_ids(reports)).ids
        found: dict[Block, set[str]] = {}
        for report in reports:
            gone = {at for at, there in enumerate(np.isin(report.row_ids, alive)) if not there}
            found[report.block] = set()
            if gone or written:
                fresh, changed = self._ids(report.fresh), self._ids(report.changed)
                videos = self._staging.read_entries(report.entries) if report.entries else []
                mine = [*fresh, *changed, *(entry.record.id for entry in videos)]
                found[report.block] = {item_id for item_id in mine if written.get(item_id, 0) > report.version}
                found[report.block] |= {changed[at] for at in gone}
        return found

    def _written_since(self, version: int) -> dict[str, int]:
        """Ids of items that others wrote after that version, and the version of each."""
        column, items = "_row_last_updated_at_version", self._collection.items
        if items.version <= version:
            return {}
        mine = f" AND {column} NOT IN ({','.join(map(str, self._own))})" if self._own else ""
        table = items.to_table(columns=["id", column], filter=f"{column} > {version}{mine}")
        return dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))

    def _append_captions(self, reports: Sequence[Staged]) -> None:
        fragments = [self._moved(CAPTIONS, report.captions) for report in reports if report.captions is not None]
        commit_rows(self._collection.captions, fragments, [], NO_ROWS)
        self._collection.refresh()

    def _commit_items(self, reports: Sequence[Staged]) -> None:
        """The commit point."""
        fresh = [self._moved(ITEMS, report.fresh) for report in reports if report.fresh is not None]
        changed = [self._in_place(report) for report in reports if report.changed is not None]
        commit_rows(self._collection.items, fresh, changed, Rows(_row_ids(reports)))
        self._collection.refresh()

    def _remove_stale(self, reports: Sequence[Staged]) -> None:
        stale = [row for report in reports for row, _ in report.stale]
        drop(self._collection.captions, Rows(np.array(stale, np.int64)))
        self._collection.refresh()

    def _in_place(self, report: Staged) -> FragmentMetadata:
        """The fragment of a block's changed items, whose rows keep the ids of those that they replace."""
        return with_row_ids(self._moved(ITEMS, report.changed or ""), report.row_ids)

    def _moved(self, name: str, fragment: str) -> FragmentMetadata:
        """A staged fragment, whose files lie with the dataset's from now on."""
        folder = self._collection.path / name / "data"
        # a dataset without rows has none
        folder.mkdir(exist_ok=True)
        for file in self._staging.files(name, fragment):
            file.replace(folder / file.name)
        return FragmentMetadata.from_json(fragment)

    def _ids(self, fragment: str | None) -> list[str]:
        return self._table(ITEMS, fragment, ["id"])["id"].to_pylist() if fragment else []

    def _table(self, name: str, fragment: str, columns: list[str] | None = None) -> pa.Table:
        """The rows of a staged fragment."""
        files = self._staging.files(name, fragment)
        return pa.concat_tables([LanceFileReader(str(file), columns=columns).read_all().to_table() for file in files])

    def _entries(self, report: Staged, without: set[str]) -> list[Entry]:
        """What a block would write, but for those ids."""
        entries = self._staging.read_entries(report.entries) if report.entries else list(self._unpacked(report))
        return [entry for entry in entries if entry.record.id not in without]

    def _unpacked(self, report: Staged) -> Iterator[Entry]:
        """The items of a block's fragments."""
        dim = self._collection.info.dim
        vectors: dict[tuple[str, int], np.ndarray] = {}
        if report.captions:
            captions = self._table(CAPTIONS, report.captions)
            keys = zip(captions["item_id"].to_pylist(), captions["position"].to_pylist(), strict=True)
            vectors = dict(zip(keys, vectors_of(captions["vector"], dim), strict=True))
        # captions that were stored already have no vector here, and need none
        none = np.zeros(dim, np.float32)
        for table in [self._table(ITEMS, each) for each in (report.fresh, report.changed) if each]:
            patches = table[PATCHES].to_pylist() if PATCHES in table.column_names else [None] * table.num_rows
            rows = zip(records_of(table), vectors_of(table["vector"], dim), patches, strict=True)
            for record, vector, kept in rows:
                of_captions = [vectors.get((record.id, at), none) for at in range(len(record.captions))]
                yield Entry(record, vector, np.array(of_captions).reshape(-1, dim), kept)


def _row_ids(reports: Sequence[Staged]) -> np.ndarray:
    """(n,) int64 of the items that the blocks replace."""
    return np.array([row for report in reports for row in report.row_ids], np.int64)
