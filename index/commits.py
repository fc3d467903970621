"""The writing half of the embedding job: what is ready gathers in a chunk, and a chunk becomes one commit."""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from index.collection import Collection
from index.disk import full_disk_named
from index.rows import Entry
from index.schema import Reject

# Ids of unchanged items that a chunk may hold, in rows: they cost no row, only a look into the rejects table.
_UNCHANGED_FACTOR = 16
# After so many commits the look-ups by id are indexed anew; what is younger is read through.
_COMMITS_TO_INDEX = 16


@dataclass
class Chunk:
    """What waits for the next commit."""

    entries: list[Entry] = field(default_factory=list[Entry])
    rejects: list[Reject] = field(default_factory=list[Reject])
    unchanged: list[str] = field(default_factory=list[str])

    def size(self) -> float:
        """In rows, of items and of moments."""
        moments = sum(len(entry.moments.stills) for entry in self.entries if entry.moments is not None)
        return len(self.entries) + moments + len(self.rejects) + len(self.unchanged) / _UNCHANGED_FACTOR


class ChunkSink(Protocol):
    """Where chunks go: `Committer`, or what keeps them for a commit elsewhere."""

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk."""
        ...

    def finish(self) -> None:
        """All chunks have come."""
        ...


class Committer:
    """Writes chunks in a thread of its own, one at a time, so that inference goes on meanwhile.

    Args:
        collection: where to.
        indexes: bring those over ids up to date at the end.

    Attributes:
        committed: rows that are safe.
    """

    def __init__(self, collection: Collection, *, indexes: bool = True) -> None:
        self._collection = collection
        self._indexes = indexes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="committer")
        self._last: Future[None] | None = None
        self._commits = 0
        self.committed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)

    def submit(self, chunk: Chunk) -> None:
        """Write *chunk* soon; waits until the one before is written, so at most one is under way.

        Raises:
            StorageFull: there was no space for the one before.
        """
        self.wait()
        self._last = self._thread.submit(self._write, chunk)

    def wait(self) -> None:
        """Wait until everything submitted is safe.

        Raises:
            StorageFull: there was no space for it.
        """
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def finish(self) -> None:
        """Wait, then bring the indexes over ids up to date.

        Raises:
            StorageFull: there was no space.
        """
        self.wait()
        if self._indexes:
            with full_disk_told(self._collection):
                self._collection.index_ids()

    def _write(self, chunk: Chunk) -> None:
        with full_disk_told(self._collection):
            self._collection.add(chunk.entries)
            # after the items: if we die in between, the next run finds these ids unchanged and clears them
            cleared = [entry.record.id for entry in chunk.entries] + chunk.unchanged
            self._collection.note_rejects(chunk.rejects, cleared)
            self.committed += len(chunk.entries)
            self._commits += 1
            if self._commits % _COMMITS_TO_INDEX == 0:
                self._collection.index_ids()


@contextmanager
def full_disk_told(collection: Collection) -> Generator[None]:
    """Tell a full disk under *collection* by what is safe.

    Raises:
        StorageFull: instead of the writer's OSError or RuntimeError.
    """

    def what_is_safe() -> str:
        rows = collection.latest().count()
        return f"free some and run the same command again; the {rows:,} items committed before are safe"

    with full_disk_named(collection.path, what_is_safe):
        yield
