"""A collection at its latest version, ready to search.

What was written since the snapshot is compared vector by vector and held in memory, so there is a limit to it: beyond, the
view stays where it is until a new snapshot is published, or pushed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import lance

from index.collection import Collection
from index.errors import TailFull
from index.live.changes import NO_COMMITS, Changes, Commits, Made, changes, known, written
from index.live.part import LivePart, LiveVectors
from index.records import Records
from index.schema import Record
from index.snapshot import Snapshot

# 100,000 x 512 floats: 200 MB, and about 20 ms a query on two cores
MAX_TAIL = 100_000


@dataclass(frozen=True)
class View:
    """What one search sees from end to end.

    Attributes:
        collection: pinned at the version that is seen.
        images: vectors of the items.
        texts: vectors of the captions. Some may not count: their item does not list them, or not any more.
        moments: vectors of the moments of videos. Some may not count, as of the captions.
        max_tail: most vectors of a kind that were written since.
        records: of the items that a snapshot shows, by position there; None where there is none that has them.
    """

    collection: Collection
    images: LiveVectors
    texts: LiveVectors
    moments: LiveVectors
    max_tail: int = MAX_TAIL
    records: Records | None = None

    @classmethod
    def of(cls, snapshot: Snapshot, collection: Collection, max_tail: int = MAX_TAIL) -> "View":
        """The collection as *snapshot* shows it.

        Args:
            snapshot: what was published.
            collection: pinned at the snapshot's versions.
            max_tail: most vectors of a kind that were written since.
        """
        dim = collection.info.dim
        parts = (LivePart.of(part, dim) for part in (snapshot.images, snapshot.texts, snapshot.moments))
        return cls(collection, *parts, max_tail=max_tail, records=snapshot.records)

    def items(self, rows: Sequence[int]) -> dict[int, Record]:
        """The items of those row ids that are there, by row id."""
        found = dict[int, Record]()
        if self.records is not None and isinstance(self.images, LivePart):
            # what is alive in the snapshot is as it was
            positions = self.images.positions(rows)
            found = dict(zip(positions, self.records.at(list(positions.values())), strict=True))
        # of what was written since, that whose writer told; the others are looked up
        found |= self.images.tail.records(row for row in rows if row not in found)
        rest = [row for row in rows if row not in found]
        records = zip(rest, self.collection.records_at(rest) if rest else (), strict=True)
        return found | {row: record for row, record in records if record is not None}

    def advanced(self, to: Collection, made: Commits = NO_COMMITS) -> "View":
        """The view at the later version *to*; itself when nothing was written. Only the newest view may be advanced.

        Args:
            to: the collection as it is to be shown.
            made: commits that are known, of items and captions (`Collection.made`): if they lead there, nothing is read.

        Raises:
            TailFull: more was written than is searched without an index; this view stays good.
        """
        old = self.collection
        if [each.version for each in to.datasets] == [each.version for each in old.datasets]:
            return self
        # versions of another generation are other versions
        made = made if made.generation == to.generation else NO_COMMITS
        # all, before one of the tails grows
        images = self._changes(self.images, old.items, to.items, made.items)
        texts = self._changes(self.texts, old.captions, to.captions, made.captions)
        moments = self._changes(self.moments, old.moments.dataset, to.moments.dataset, ())
        return replace(
            self,
            collection=to,
            images=_after(self.images, images),
            texts=_after(self.texts, texts),
            moments=_after(self.moments, moments),
        )

    def _changes(
        self, part: LiveVectors, old: lance.LanceDataset | None, new: lance.LanceDataset | None, made: Sequence[Made]
    ) -> list[Changes]:
        """What happened to a part, one after the other."""
        if new is None:
            return []
        steps = None if old is None else known(made, old, new)
        # counted before a vector is read
        room = self.max_tail - part.tail.entries
        fresh = written(old, new, room) if steps is None else sum(len(each.rows) for each in steps)
        entries = part.tail.entries + fresh
        if entries > self.max_tail:
            raise TailFull(
                f"{entries:,} vectors of collection {self.collection.info.name!r} were written since its index was made, and "
                f"{self.max_tail:,} are searched without one: `{part.remedy} {self.collection.info.name}`"
            )
        return [changes(old, new, self.collection.info.dim)] if steps is None else steps


def _after(part: LiveVectors, steps: Sequence[Changes]) -> LiveVectors:
    for each in steps:
        part = part.after(each)
    return part
