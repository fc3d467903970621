"""Writes of many requests become few commits: while one is under way, those that come wait for the next together."""

from collections.abc import Callable
from dataclasses import dataclass

from index.collection import Collection
from index.live.writes import Change, Outcome, apply
from service.batching import MicroBatcher
from service.errors import CollectionUnknown
from service.metrics import Metrics
from service.served import Served
from service.settings import Settings

# A commit costs about the same for one item and for many; what it holds waits in memory.
_MAX_COMMIT = 256


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
        # opened each time: it costs a millisecond, and follows a collection that was replaced
        outcomes = apply(Collection.open(self._root, self._name), changes)
        version = self._advance(self._name).searcher.version
        return [Written(outcome, version) for outcome in outcomes]


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
