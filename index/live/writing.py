"""A writer that stays with one collection, and finds whatever takes its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.collection import Collection
from index.errors import GenerationChanged
from index.generations import mark_of
from index.live.changes import Commits
from index.live.writes import Change, Outcome, apply


@dataclass(frozen=True)
class Done:
    """What became of changes: their outcomes, and the commits as their writer knows them."""

    outcomes: list[Outcome]
    made: Commits


class LiveWriter:
    """Used by one thread.

    Args:
        root: folder of collections.
        name: of the collection.
        holds_ids: those of all its items are held in memory: 50 MB of a million.
    """

    def __init__(self, root: Path, name: str, *, holds_ids: bool = False) -> None:
        self._root = root
        self._name = name
        self._holds_ids = holds_ids
        self._collection: Collection | None = None
        self._mark: object = None

    def apply(self, changes: Sequence[Change]) -> Done:
        """Make changes; see `index.live.writes.apply`.

        Raises:
            CollectionError: as `index.live.writes.apply`, and as `Collection.open`.
        """
        while True:
            collection = self.open()
            try:
                outcomes = apply(collection, changes)
                return Done(outcomes, collection.made)
            except GenerationChanged:
                # between the two another model took over: what is not for the old one can be written to the new one
                self.forget()

    def forget(self) -> None:
        """Let go of the collection and of what is known of it; the next changes open it again."""
        self._collection = self._mark = None

    def open(self) -> Collection:
        """The collection; the same object while it is the same collection, for that knows the rows that it wrote last.

        Raises:
            CollectionError: as `Collection.open`.
        """
        mark = mark_of(self._root / self._name)
        if mark is None or mark != self._mark or self._collection is None:
            self._collection, self._mark = Collection.open(self._root, self._name), mark
            if self._holds_ids:
                self._collection.hold_ids()
        return self._collection
