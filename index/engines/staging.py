"""What a worker does with a block: embed it by the stages of the plain job, and lay the rows down for the commit.

Rows are staged as fragments of Lance in a folder beside the datasets. Nobody sees them there; the commit moves their files
over and makes them rows. What a killed job leaves is the folder, which the next one removes.
"""

import json
import math
import pickle
import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import lance
import pyarrow as pa
from lance.fragment import FragmentMetadata, write_fragments

from index.assembly import Assembly
from index.collection import Collection
from index.commits import Chunk
from index.datasets import CAPTIONS, ITEMS, REJECTS, rows_of_ids, stored_captions
from index.engines.blocks import Block, BlockSource
from index.options import EmbedOptions
from index.pipeline import Preparation
from index.progress import Summary, Tally
from index.rows import CaptionRow, Entry, caption_rows, captions_table, items_like
from index.schema import Reject
from models.bundle import Bundle
from models.proofreader import Proofreader

STAGING = "staging"


@dataclass(frozen=True)
class Staged:
    """What became of a block.

    Attributes:
        block: which, without its items.
        version: of the items that it was compared with.
        summary: of the worker's part.
        rejects: what goes to the rejects table.
        cleared: ids that are there and have to leave it.
        fresh: fragment of the items that were not there; its metadata as JSON, as of the next two.
        changed: fragment of the items that take the place of others.
        row_ids: of those others, in their order.
        captions: fragment of their captions.
        stale: captions to remove once the items are committed, row id to item id.
        entries: file of items that no fragment can hold: videos, whose moments are a dataset of their own.
    """

    block: Block
    version: int
    summary: Summary
    rejects: tuple[Reject, ...] = ()
    cleared: tuple[str, ...] = ()
    fresh: str | None = None
    changed: str | None = None
    row_ids: tuple[int, ...] = ()
    captions: str | None = None
    stale: tuple[tuple[int, str], ...] = ()
    entries: str | None = None


class Staging:
    """The folder of one job's staged rows.

    Attributes:
        path: the folder; every worker sees it under this path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, collection: Collection) -> "Staging":
        """A new one, for rows of the columns that *collection* has now; those of killed jobs go. The caller has the lease."""
        root = collection.path / STAGING
        shutil.rmtree(root, ignore_errors=True)
        # a name of its own: a killed job's workers may be alive still, and write on
        path = root / uuid.uuid4().hex
        path.mkdir(parents=True)
        for dataset, name in ((collection.items, ITEMS), (collection.captions, CAPTIONS)):
            # a copy without rows of its own: what is written for it has the columns' numbers of the original
            dataset.shallow_clone(path / name, dataset.version)
        return cls(path)

    def remove(self) -> None:
        """Remove it with all that was not committed."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def dataset(self, name: str) -> lance.LanceDataset:
        """The dataset that fragments are written for; of its rows nobody reads any."""
        return lance.dataset(self.path / name)

    def write(self, name: str, table: pa.Table) -> str | None:
        """Stage the rows of a table; the fragment's metadata as JSON, None without rows."""
        if not table.num_rows:
            return None
        (fragment,) = write_fragments(table, self.dataset(name))
        return json.dumps(fragment.to_json())

    def files(self, name: str, fragment: str) -> list[Path]:
        """Where the files of a staged fragment lie."""
        return [self.path / name / "data" / file.path for file in FragmentMetadata.from_json(fragment).files]

    def write_entries(self, entries: Sequence[Entry]) -> str:
        """Stage items as they are; the file's name."""
        file = self.path / f"{uuid.uuid4().hex}.entries"
        file.write_bytes(pickle.dumps(entries))
        return file.name

    def read_entries(self, name: str) -> list[Entry]:
        """What `write_entries` staged."""
        # written by this job's own workers, in the collection's own folder
        return pickle.loads((self.path / name).read_bytes())  # noqa: S301


class _Gathered:
    """Keeps what would be committed."""

    def __init__(self) -> None:
        self.chunk = Chunk()

    def submit(self, chunk: Chunk) -> None:
        """Add a chunk."""
        self.chunk.entries.extend(chunk.entries)
        self.chunk.rejects.extend(chunk.rejects)
        self.chunk.unchanged.extend(chunk.unchanged)

    def finish(self) -> None:
        """Nothing waits."""


def stage(
    block: Block,
    stored: Collection,
    bundle: Bundle,
    options: EmbedOptions,
    staging: Staging,
    proofreader: Proofreader | None = None,
) -> Staged:
    """Embed a block and stage its rows.

    Args:
        block: what to embed.
        stored: the collection as it is now.
        bundle: opened.
        options: of the job; a block is one chunk.
        staging: where to.
        proofreader: of the bundle, when patches are to be stored.
    """
    # the block's end is the only commit
    bounds = replace(options, chunk_rows=sys.maxsize, chunk_seconds=math.inf)
    tally, gathered = Tally(), _Gathered()
    assembly = Assembly(stored, bundle, bounds, gathered, tally, proofreader)
    with Preparation(BlockSource(block.items), stored, bundle, bounds) as preparation:
        for outcome in preparation.outcomes():
            assembly.take(outcome)
    assembly.finish()
    chunk = gathered.chunk
    summary = tally.summary(
        captions=assembly.captions.embedded,
        captions_truncated=assembly.captions.truncated,
        version=stored.version,
        finished=True,
    )
    good = [entry.record.id for entry in chunk.entries] + chunk.unchanged
    report = Staged(
        replace(block, items=()),
        stored.version,
        summary,
        rejects=tuple(chunk.rejects),
        cleared=tuple(_rejected(stored, good)),
    )
    if any(entry.record.video is not None for entry in chunk.entries):
        return replace(report, entries=staging.write_entries(chunk.entries))
    return _with_rows(report, chunk.entries, stored, staging)


def _with_rows(report: Staged, entries: Sequence[Entry], stored: Collection, staging: Staging) -> Staged:
    """The report with the fragments of *entries*: as `Collection.add` would write them."""
    dim, ids = stored.info.dim, [entry.record.id for entry in entries]
    rows = row_ids_of(stored, ids)
    fresh = [entry for entry in entries if entry.record.id not in rows]
    changed = [entry for entry in entries if entry.record.id in rows]
    kept: dict[CaptionRow, int] = stored_captions(stored.captions, ids) if ids else {}
    stale = kept.keys() - {row for entry in entries for row in caption_rows(entry.record)}
    schema = staging.dataset(ITEMS).schema
    return replace(
        report,
        fresh=staging.write(ITEMS, items_like(schema, fresh, dim)),
        changed=staging.write(ITEMS, items_like(schema, changed, dim)),
        row_ids=tuple(rows[entry.record.id] for entry in changed),
        captions=staging.write(CAPTIONS, captions_table(entries, kept, dim)),
        stale=tuple((kept[row], row.item_id) for row in stale),
    )


def row_ids_of(collection: Collection, ids: Sequence[str]) -> dict[str, int]:
    """Row ids of the items of those ids that are there, by id."""
    if not ids or not collection.count():
        return {}
    table = rows_of_ids(collection.items, "id", ids, ["id"])
    return dict(zip(table["id"].to_pylist(), table["_rowid"].to_pylist(), strict=True))


def _rejected(stored: Collection, ids: Sequence[str]) -> list[str]:
    """Which of those ids are in the rejects table."""
    rejects = lance.dataset(stored.path / REJECTS)
    if not ids or not rejects.count_rows():
        return []
    return rows_of_ids(rejects, "id", ids, ["id"])["id"].to_pylist()
