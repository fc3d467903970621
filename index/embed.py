"""The embedding job: a source's items become rows of a collection.

    Preparation (threads) -> Assembly: image batches, captions, chunks -> Committer (thread)

Inference runs in the thread that iterates over the job; reading, decoding and writing go on beside it. Everything
between two stages is bounded. A row is committed with its captions or not at all. A second run reads and hashes every
file, and spends nothing more on rows that are there.
"""

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from index.assembly import Assembly
from index.collection import Collection
from index.commits import Committer, full_disk_told
from index.errors import BundleMismatch, CollectionError, SourceError
from index.generations import remove_abandoned_files
from index.heap import give_back_large_buffers
from index.lease import lease
from index.options import EmbedOptions
from index.pipeline import Preparation
from index.prepare import reject_uri
from index.progress import Progress, Summary, Tally
from index.samplings import note_samplings
from index.sources.item import Source
from index.text_model import text_model
from index.versions import held
from models.bundle import Bundle
from models.proofreader import Proofreader

# Seconds between two reports: a progress bar needs no more.
_REPORT_EVERY = 0.1


class EmbedJob:
    """One run; see `embed`. Iterate once; `summary` is there afterwards, also when it was stopped."""

    def __init__(
        self,
        collection: Collection,
        source: Source,
        bundle: Bundle,
        options: EmbedOptions,
        proofreader: Proofreader | None,
        *,
        part: bool = False,
    ) -> None:
        self._proofreader = proofreader
        self._collection = collection
        self._source = source
        self._bundle = bundle
        self._options = options
        self._part = part
        self._summary: Summary | None = None
        self._running = self._run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def __iter__(self) -> Iterator[Progress]:
        return self._running

    @property
    def summary(self) -> Summary:
        """What was done.

        Raises:
            CollectionError: the job has not run.
        """
        if self._summary is None:
            raise CollectionError("the embedding job has not ended: iterate over it first")
        return self._summary

    def _run(self) -> Generator[Progress]:
        tally = Tally()
        # outside of the lease, which is written to the same disk
        with full_disk_told(self._collection), self._lease():
            self._begin()
            stored = self._collection.latest()
            with held(stored), Committer(self._collection, indexes=not self._part) as committer:
                assembly = Assembly(stored, self._bundle, self._options, committer, tally, self._proofreader)
                finished = False
                try:
                    yield from self._work(stored, assembly, committer, tally)
                    finished = True
                except (KeyboardInterrupt, GeneratorExit, SourceError):
                    # the job ends here and nothing is wrong with what it has: keep it
                    assembly.commit()
                    committer.finish()
                    raise
                finally:
                    self._summary = tally.summary(
                        captions=assembly.captions.embedded,
                        captions_truncated=assembly.captions.truncated,
                        version=self._collection.version,
                        finished=finished,
                    )

    def _begin(self) -> None:
        """Under the lease: make the collection ready for the rows of this job, and the process for its length."""
        give_back_large_buffers()
        # see what others committed before the lease was ours
        self._collection.remember_less()
        # faults of rows without an id, and of whole shards: this run finds them again, or they are mended
        self._collection.forget_rejects_at([reject_uri(uri) for uri in self._source.places])
        if self._options.patches:
            self._collection.keep_patches()
        remove_abandoned_files(self._collection.home)
        # before any row that bears it
        note_samplings(self._collection.path, [self._options.videos.sampling])

    def _lease(self) -> AbstractContextManager[None]:
        return nullcontext() if self._part else lease(self._collection.home, "embedding")

    def _work(self, stored: Collection, assembly: Assembly, committer: Committer, tally: Tally) -> Generator[Progress]:
        self._count_beside(tally)
        reported = time.monotonic()
        with Preparation(self._source, stored, self._bundle, self._options) as preparation:
            for outcome in preparation.outcomes():
                assembly.take(outcome)
                if time.monotonic() - reported >= _REPORT_EVERY:
                    reported = time.monotonic()
                    yield tally.progress(committer.committed)
        assembly.finish()
        # it was counted roughly: by now it is known
        tally.total = tally.seen
        yield tally.progress(committer.committed)

    def _count_beside(self, tally: Tally) -> None:
        """Count the source in a thread that nobody waits for: a walk over millions of files takes minutes."""

        def count() -> None:
            # whatever is wrong, the reader meets it too, and reports it
            with suppress(Exception):
                tally.total = self._source.count()

        threading.Thread(target=count, name="counter", daemon=True).start()


def embed(
    collection: Collection, source: Source, bundle: Bundle, options: EmbedOptions | None = None, *, part: bool = False
) -> EmbedJob:
    """A job that embeds *source* into *collection*; it runs while it is iterated over.

    Use it as a context manager, so that a stop by Ctrl-C commits at once what is done:

        with embed(collection, source, bundle) as job:
            for progress in job:
                ...
        print(job.summary)

    Iterating raises LeaseHeld when another job writes the collection, SourceError when the source breaks off, and
    StorageFull when the disk is full; what was committed before stays.

    *bundle* is the collection's, or its text model (`index.text_model`): that one gives images the same vectors, and new
    captions its own.

    A *part* of a larger job takes no lease, which that one holds, and leaves the indexes over ids as they are at its end.

    Raises:
        BundleMismatch: *bundle* is neither, or is the text model and *options* ask for patches.
        ProofreaderMissing: *options* ask for patches, and it has no proofreader.
    """
    options = settled_options(collection, bundle, options or EmbedOptions())
    proofreader = Proofreader.open(bundle) if options.patches else None
    return EmbedJob(collection, source, bundle, options, proofreader, part=part)


def settled_options(collection: Collection, bundle: Bundle, options: EmbedOptions) -> EmbedOptions:
    """The options with `patches` decided, for a bundle that may embed *collection*.

    Raises:
        BundleMismatch, ProofreaderMissing: see `embed`.
    """
    info = collection.info
    own = bundle.digest == info.bundle_digest
    if not own and bundle.digest != text_model(collection.path, info).bundle_digest:
        raise BundleMismatch(
            f"collection {info.name} was embedded by bundle {info.bundle_name} ({info.bundle_digest[:12]}…), not by "
            f"{bundle.manifest.name} ({bundle.digest[:12]}…): vectors of two models cannot be compared; "
            f"use that bundle, or another collection, or change this one's: `vilem index reindex {collection.info.name} --model "
            f"{bundle.manifest.name}`"
        )
    if options.patches and not own:
        raise BundleMismatch(
            f"collection {info.name} keeps what the proofreader of bundle {info.bundle_name} reads, and "
            f"{bundle.manifest.name} has not that one: use {info.bundle_name}, or leave --patches out"
        )
    wanted = own and bundle.manifest.proofreader is not None if options.patches is None else options.patches
    return replace(options, patches=wanted)
