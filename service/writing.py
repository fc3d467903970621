"""Writes of many requests become few commits: while one is under way, those that come wait for the next together."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from index.collection import Collection
from index.errors import GenerationChanged
from index.generations import mark_of, served
from index.live.writes import Change, Outcome, apply
from index.searcher import Searcher
from service.batching import MicroBatcher
from service.errors import CollectionUnknown, NotReady
from service.metrics import Metrics
from service.served import Served
from service.settings import Settings

# A commit costs about the same for one item and for many; what it holds waits in memory.
_MAX_COMMIT = 256
_PAUSE_S = 0.01


@dataclass(frozen=True)
class Written:
    """What became of a change, and the version of the items from which on searches see it."""

    outcome: Outcome
    version: int


class Writer:
    """Writes to one collection; one thread, so that its changes are made in the order they came.

    Args:
        name: of the collection.
        settings: where it is, and how many changes may wait.
        metrics: where commits are counted.
        advance: makes what was committed visible; see `Runtime.advance`.
    """

    def __init__(self, name: str, settings: Settings, metrics: Metrics, advance: Callable[[str], Served]) -> None:
        self._name = name
        self._root = settings.home / "collections"
        self._deadline_s = settings.deadline_s
        self._advance = advance
        self._collection: Collection | None = None
        self._mark: object = None
        self._changes: MicroBatcher[Change, Written] = MicroBatcher(
            self._commit, name="write", max_batch=_MAX_COMMIT, max_queue=settings.max_queue, metrics=metrics
        )

    async def write(self, change: Change) -> Written:
        """Make one change; it is durable and visible when this returns.

        Raises:
            QueueFull, DeadlineExceeded, NotReady: as `MicroBatcher.submit`.
            CollectionError: as `index.live.writes.apply`.
            CollectionUnknown: the collection is served no more.
        """
        return await self._changes.submit(change, self._deadline_s)

    def close(self) -> None:
        """Finish the commit that is under way, and end the thread."""
        self._changes.close()

    def _commit(self, changes: list[Change]) -> list[Written]:
        while True:
            collection = self._opened()
            try:
                outcomes = apply(collection, changes)
            except GenerationChanged:
                # between the two another model took over: what is not for the old one can be written to the new one
                continue
            version = self._shown(collection.home).version
            return [Written(outcome, version) for outcome in outcomes]

    def _opened(self) -> Collection:
        """The collection; the same object while it is the same collection, for that knows the rows that it wrote last."""
        mark = mark_of(self._root / self._name)
        if mark is None or mark != self._mark or self._collection is None:
            self._collection, self._mark = Collection.open(self._root, self._name), mark
        return self._collection

    def _shown(self, home: Path) -> Searcher:
        """What searches see by now, of the generation that is served.

        Raises:
            NotReady: a new model took over, and is not loaded yet.
        """
        until = time.monotonic() + self._deadline_s
        while (searcher := self._advance(self._name).searcher).view.collection.generation != served(home):
            if time.monotonic() >= until:
                raise NotReady("it was written, and is found once the service has loaded the collection's new model")
            time.sleep(_PAUSE_S)
        return searcher


class Writers:
    """The writers of all collections, each made when it is first needed; used from one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics, advance: Callable[[str], Served]) -> None:
        self._make: Callable[[str], Writer] = lambda name: Writer(name, settings, metrics, advance)
        self._writers: dict[str, Writer] = {}
        self._closed = False

    def of(self, name: str) -> Writer:
        """The writer of a collection that is served.

        Raises:
            CollectionUnknown: the service is shutting down.
        """
        if self._closed:
            raise CollectionUnknown("the service is shutting down: send the request again")
        if name not in self._writers:
            self._writers[name] = self._make(name)
        return self._writers[name]

    def close(self) -> None:
        """End all threads."""
        self._closed = True
        for writer in self._writers.values():
            writer.close()
