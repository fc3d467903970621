"""The driver's half: staged rows of many blocks become rows of the collection, in one commit of the items."""

import itertools
from collections.abc import Iterator, Sequence

import lance
import numpy as np
import pyarrow as pa
from lance import LanceOperation
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, RowIdSequence

from index.collection import Collection
from index.commits import full_disk_told
from index.datasets import CAPTIONS, ITEMS, row_filter, row_ids
from index.engines.blocks import Block
from index.engines.staging import Staged, Staging
from index.rows import Entry, records_of, vectors_of
from index.schema import PATCHES

# Rows of a predicate: a longer one takes long to be parsed.
_ROWS_TOGETHER = 10_000
# A merge of small files beside us (`index.maintenance`) may take away the files that we delete rows of: look again.
_ATTEMPTS = 8


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
        alive, _ = _addresses(self._collection.items, [row for report in reports for row in report.row_ids])
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
        if fragments:
            captions = self._collection.captions
            lance.LanceDataset.commit(captions, LanceOperation.Append(fragments), read_version=captions.version)
            self._collection.refresh()

    def _commit_items(self, reports: Sequence[Staged]) -> None:
        """The commit point."""
        fresh = [self._moved(ITEMS, report.fresh) for report in reports if report.fresh is not None]
        changed = [self._in_place(report) for report in reports if report.changed is not None]
        if not fresh and not changed:
            return
        replaced = [row for report in reports for row in report.row_ids]
        for attempt in itertools.count(1):
            items = self._collection.items
            operation = _replacement(items, fresh, changed, replaced) if replaced else LanceOperation.Append(fresh)
            try:
                lance.LanceDataset.commit(items, operation, read_version=items.version)
                break
            except (OSError, RuntimeError) as error:
                if attempt == _ATTEMPTS or "conflict" not in str(error).lower():
                    raise
                self._collection.refresh()
        self._collection.refresh()

    def _remove_stale(self, reports: Sequence[Staged]) -> None:
        rows = [row for report in reports for row, _ in report.stale]
        for start in range(0, len(rows), _ROWS_TOGETHER):
            self._collection.captions.delete(row_filter(rows[start : start + _ROWS_TOGETHER]))
        if rows:
            self._collection.refresh()

    def _in_place(self, report: Staged) -> FragmentMetadata:
        """The fragment of a block's changed items, whose rows keep the ids of those that they replace."""
        fragment = self._moved(ITEMS, report.changed or "")
        fragment.row_id_meta = RowIdSequence(list(report.row_ids)).to_inline_metadata()
        return fragment

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


def _addresses(items: lance.LanceDataset, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Those of the row ids that are there, and where: fragment and offset in one number; both (n,)."""
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    wanted, found, places = np.array(rows, np.int64), list[np.ndarray](), list[np.ndarray]()
    # no column is read: a predicate of a million ids would take longer
    for batch in items.scanner(columns=[], with_row_id=True, with_row_address=True).to_batches():
        there = np.isin(row_ids(batch), wanted)
        found.append(row_ids(batch)[there])
        places.append(batch["_rowaddr"].to_numpy(zero_copy_only=False).astype(np.int64)[there])
    return np.concatenate(found), np.concatenate(places)


def _replacement(
    items: lance.LanceDataset, fresh: list[FragmentMetadata], changed: list[FragmentMetadata], replaced: Sequence[int]
) -> LanceOperation.Update:
    """One operation that adds rows, and puts others in the place of the rows with the ids *replaced*."""
    _, places = _addresses(items, replaced)
    left, emptied = list[FragmentMetadata](), list[int]()
    for number in np.unique(places >> 32).tolist():
        fragment = items.get_fragment(number)
        assert fragment is not None
        offsets = places[places >> 32 == number] & 0xFFFF_FFFF
        rest = fragment.delete_rows(offsets.tolist())
        if rest is None:
            emptied.append(number)
        else:
            left.append(rest)
    return LanceOperation.Update(removed_fragment_ids=emptied, updated_fragments=left, new_fragments=[*fresh, *changed])
