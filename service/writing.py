"""Writes of many requests become few commits: while one is under way, those that come wait for the next together."""

import asyncio
import time
from collections.abc import Callable, Container
from dataclasses import dataclass

from index.generations import served
from index.live.changes import Commits
from index.live.remote import RemoteWriter
from index.live.writes import Change, Outcome
from index.live.writing import Done, LiveWriter
from index.searcher import Searcher
from service.encoding.batching import MicroBatcher
from service.errors import CollectionUnknown, NotReady
from service.operations.metrics import Metrics
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
    """Writes to one collection; one thread, so that its changes are made in the order they came, in a process of their own.

    Args:
        name: of the collection.
        settings: where it is, and how many changes may wait.
        metrics: where commits are counted.
        advance: makes what was committed visible; see `Runtime.advance`.
    """

    def __init__(
        self, name: str, settings: Settings, metrics: Metrics, advance: Callable[[str, Commits], Served]
    ) -> None:
        self._name = name
        self._root = settings.home / "collections"
        self._deadline_s = settings.deadline_s
        self._advance = advance
        self._here = LiveWriter(self._root, name)
        self._remote = RemoteWriter(self._root / name)
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
        """Finish the commit that is under way, and end the thread and the process."""
        self._changes.close()
        self._remote.close()

    def _commit(self, changes: list[Change]) -> list[Written]:
        done = self._remote.apply(changes)
        if done is None:
            # in this process, until the other one is there
            done = self._here.apply(changes)
        else:
            self._here.forget()
        version = self._shown(done).version
        return [Written(outcome, version) for outcome in done.outcomes]

    def _shown(self, done: Done) -> Searcher:
        """What searches see by now, of the generation that is served.

        Raises:
            NotReady: a new model took over, and is not loaded yet.
        """
        until = time.monotonic() + self._deadline_s
        home = self._root / self._name
        while (searcher := self._advance(self._name, done.made).searcher).view.collection.generation != served(home):
            if time.monotonic() >= until:
                raise NotReady("it was written, and is found once the service has loaded the collection's new model")
            time.sleep(_PAUSE_S)
        return searcher


class Writers:
    """The writers of all collections, each made when it is first needed; used from one event loop."""

    def __init__(self, settings: Settings, metrics: Metrics, advance: Callable[[str, Commits], Served]) -> None:
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

    async def keep(self, names: Container[str]) -> None:
        """End the writers of collections that are not among *names*, which are served; one that comes back gets another."""
        gone = [self._writers.pop(name) for name in list(self._writers) if name not in names]
        for writer in gone:
            await asyncio.to_thread(writer.close)

    def close(self) -> None:
        """End all threads."""
        self._closed = True
        for writer in self._writers.values():
            writer.close()
