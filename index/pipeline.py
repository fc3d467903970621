"""The reading half of the embedding job: source items become pixels, in threads, in order, in bounded memory.

    source -> feeder thread -> bounded queue of futures -> whoever iterates
                   `-> reader threads: read, hash, compare with what is stored, decode, scale

Every thread waits when the queue is full: at most `window` items are in flight whatever the corpus holds.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from queue import Full, Queue
from types import TracebackType
from typing import Self

from index.collection import Collection
from index.options import EmbedOptions
from index.patches import ids_with_patches
from index.prepare import Outcome, prepare_item, reject
from index.schema import Record, is_valid_id
from index.sources.item import Source, SourceItem, Unusable, repeated
from index.sources.seen import SeenStrings
from models.bundle import Bundle

# Items whose stored rows are looked up together: one look-up costs about 3 ms at any size.
_BLOCK = 256
# How long the feeder sleeps before it looks again whether the job was stopped.
_PATIENCE = 0.2


class Preparation:
    """Reads one source ahead of whoever iterates over `outcomes`; a context manager that stops its threads."""

    def __init__(self, source: Source, stored: Collection, bundle: Bundle, options: EmbedOptions) -> None:
        self._source = source
        self._stored = stored if stored.count() else None
        self._bundle = bundle
        self._limits = options.limits
        self._patches = options.patches
        self._videos = options.videos
        # Taken by the feeder, in the source's order, and given back when the outcome was dealt with: a reader that waited for
        # it could wait for an item that is behind its own.
        self._video_room = threading.Semaphore(options.videos.window)
        self._held: set[Future[Outcome]] = set()
        self._queue: Queue[Future[Outcome] | BaseException | None] = Queue(options.window)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(options.readers, thread_name_prefix="reader")
        self._feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)

    def __enter__(self) -> Self:
        self._feeder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._feeder.join()

    def outcomes(self) -> Iterator[Outcome]:
        """What became of each item, in the source's order.

        Raises:
            SourceError: the source broke off; everything before has been yielded.
        """
        while (next_one := self._queue.get()) is not None:
            if isinstance(next_one, BaseException):
                raise next_one
            yield next_one.result()
            if next_one in self._held:
                self._held.remove(next_one)
                self._video_room.release()

    def _feed(self) -> None:
        try:
            with SeenStrings() as seen:
                for block in self._blocks():
                    ids = [item.id for item in block if isinstance(item, SourceItem) and is_valid_id(item.id)]
                    stored = self._look_up(ids)
                    for item in block:
                        started = self._start(item, seen, stored)
                        if started is None or not self._put(started):
                            return
            self._put(None)
        except BaseException as error:  # noqa: BLE001
            # the end of a thread: whoever waits at the queue must hear of it, whatever it is
            self._put(error)

    def _look_up(self, ids: list[str]) -> Mapping[str, Record]:
        """The stored rows of those ids that hold all that the job makes of an image; the others are made anew."""
        if self._stored is None:
            return {}
        found = self._stored.get_many(ids)
        if not self._patches:
            return found
        whole = ids_with_patches(self._stored.items, found)
        # a video has no patches of one picture
        return {item_id: record for item_id, record in found.items() if item_id in whole or record.video is not None}

    def _blocks(self) -> Iterator[list[SourceItem | Unusable]]:
        items = iter(self._source)
        while block := list(islice(items, _BLOCK)):
            yield block

    def _start(
        self, item: SourceItem | Unusable, seen: SeenStrings, stored: Mapping[str, Record]
    ) -> Future[Outcome] | None:
        """What will become of an item; None when the job was stopped before there was room for it."""
        if isinstance(item, SourceItem) and not seen.add(item.id):
            item = repeated(item)
        if isinstance(item, Unusable):
            return _done(reject(item.id, item.uri, item.reason, item.detail))
        if item.is_video and not self._wait_for_room():
            return None
        future = self._pool.submit(
            prepare_item, item, stored.get(item.id), self._bundle, self._limits, videos=self._videos
        )
        if item.is_video:
            self._held.add(future)
        return future

    def _wait_for_room(self) -> bool:
        """Wait until fewer videos are in flight; False when the job was stopped meanwhile."""
        while not self._stop.is_set():
            if self._video_room.acquire(timeout=_PATIENCE):
                return True
        return False

    def _put(self, value: Future[Outcome] | BaseException | None) -> bool:
        """Wait for room in the queue; False when the job was stopped meanwhile."""
        while not self._stop.is_set():
            try:
                self._queue.put(value, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future
