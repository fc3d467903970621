"""Live writes: a few items put and removed at a time, durable when `apply` returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from index.collection import Collection
from index.datasets import row_ids, rows_at
from index.disk import full_disk_named
from index.errors import BundleMismatch
from index.patches import patches_at
from index.replace import StoredRow
from index.rows import Entry, vectors_of
from index.schema import Record

_NOTHING_LOST = "free some and send it again; what was written before is safe"

Outcome = Literal["created", "updated", "removed", "absent", "unknown"]


@dataclass(frozen=True)
class Put:
    """An item to write whole; what it had before is replaced.

    Attributes:
        record: its row. Without a vector only captions and metadata of it are written, and the item must be there.
        vector: (d,) of its image, unit norm; None keeps image, vector and patches as they are stored.
        caption_vectors: (c, d) of its c captions, unit norm.
        patches: what a proofreader reads of its image.
        bundle_digest: of the collection that the vectors are for; another model's are refused.
    """

    record: Record
    vector: np.ndarray | None
    caption_vectors: np.ndarray
    bundle_digest: str
    patches: bytes | None = None

    @property
    def id(self) -> str:
        """Of the item."""
        return self.record.id


@dataclass(frozen=True)
class Remove:
    """An item to take out."""

    id: str


Change = Put | Remove


@dataclass(frozen=True)
class _Stored:
    """What is stored of the items that the changes name; more than the rows of those alone that keep their pictures."""

    rows: Mapping[str, StoredRow]
    records: Mapping[str, Record] = field(default_factory=dict[str, Record])
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    patches: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


def apply(collection: Collection, changes: Sequence[Change]) -> list[Outcome]:
    """Write changes as if one after the other, in one commit of puts and one of removals; what became of each.

    A put without a vector of an item that is not there is "unknown", a removal of one "absent". Of an item's changes the last
    one counts, and those before it are told as if they had been made. What was written, and what was to be removed, is no reject
    any more: an item that was let go as another model took over (`index.reindex`) does not come back with the old one.

    Raises:
        BundleMismatch: a put's vectors are another model's than the collection's; nothing was written.
        StorageFull, LeaseHeld: as `Collection.add`.
    """
    wrong = next((each for each in changes if isinstance(each, Put) and not _fits(each, collection)), None)
    if wrong is not None:
        raise BundleMismatch(
            f"the vectors of {wrong.id!r} were made by another model than that of collection {collection.info.name}: embed "
            "the item again"
        )
    with full_disk_named(collection.path, lambda: _NOTHING_LOST), collection.turn():
        return _apply(collection, changes)


def _apply(collection: Collection, changes: Sequence[Change]) -> list[Outcome]:
    stored = _stored(collection, changes)
    there = dict.fromkeys(stored.rows, True)
    outcomes: list[Outcome] = []
    last: dict[str, Change] = {}
    for change in changes:
        outcome = _outcome(change, there.get(change.id, False))
        outcomes.append(outcome)
        if outcome in ("created", "updated", "removed"):
            there[change.id] = isinstance(change, Put)
            last[change.id] = _whole(change, last.get(change.id), stored)
    rejected = collection.rejected(
        each.id for each, outcome in zip(changes, outcomes, strict=True) if outcome != "unknown"
    )
    puts = [each for each in last.values() if isinstance(each, Put)]
    # a row is one vector of an item; what keeps its vector keeps its row
    anew = {each.id for each in puts if each.vector is not None}
    collection.add([_entry(each, stored) for each in puts], stored.rows, anew)
    if rejected:
        # Between the two: after a kill an item that was let go still is, or it is there; and one that is gone was not let go.
        collection.note_rejects([], rejected)
    removed = [each.id for each in last.values() if isinstance(each, Remove)]
    if removed:
        collection.delete(removed)
    return outcomes


def _fits(put: Put, collection: Collection) -> bool:
    return put.bundle_digest == collection.info.bundle_digest


def _outcome(change: Change, there: bool) -> Outcome:  # noqa: FBT001 - said by its name at both calls
    if isinstance(change, Remove):
        return "removed" if there else "absent"
    if there:
        return "updated"
    return "unknown" if change.vector is None else "created"


def _whole(change: Change, before: Change | None, stored: _Stored) -> Change:
    """A change that stands alone: what a put keeps of the put before it is in it."""
    if not isinstance(change, Put) or change.vector is not None:
        return change
    if isinstance(before, Put) and before.vector is not None:
        kept = before.record
        record = replace(kept, captions=change.record.captions, metadata=change.record.metadata)
        return replace(change, record=record, vector=before.vector, patches=before.patches)
    kept = stored.records[change.id]
    return replace(change, record=replace(kept, captions=change.record.captions, metadata=change.record.metadata))


def _entry(put: Put, stored: _Stored) -> Entry:
    if put.vector is not None:
        return Entry(put.record, put.vector, put.caption_vectors, put.patches)
    return Entry(put.record, stored.vectors[put.id], put.caption_vectors, stored.patches.get(put.id))


def _stored(collection: Collection, changes: Sequence[Change]) -> _Stored:
    stored = collection.stored([change.id for change in changes])
    kept = {each.id for each in changes if isinstance(each, Put) and each.vector is None}
    ids = {stored[item_id].row: item_id for item_id in kept if item_id in stored}
    if not ids:
        return _Stored(stored)
    records = collection.records_at(list(ids))
    table = rows_at(collection.items, list(ids), ["vector"])
    vectors = zip(row_ids(table).tolist(), vectors_of(table["vector"], collection.info.dim), strict=True)
    return _Stored(
        stored,
        {record.id: record for record in records if record is not None},
        {ids[row]: vector for row, vector in vectors},
        {ids[row]: each for row, each in patches_at(collection.items, list(ids)).items()},
    )
