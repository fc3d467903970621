"""The embedding job on an engine: workers read, embed and stage; the driver takes their reports and commits."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from index.collection import Collection
from index.commits import full_disk_told
from index.embed import EmbedJob
from index.engines.arrivals import Arrivals
from index.engines.blocks import Block, parts_of
from index.engines.commit import StagedCommitter
from index.engines.staging import Staged, Staging, stage
from index.errors import BundleMismatch, SourceError
from index.options import EmbedOptions
from index.progress import Progress, Summary, Tally
from index.sources.item import Source
from models.bundle import Bundle
from models.ort import Runtime
from models.proofreader import Proofreader

# What the death of the driver may cost at most. A shorter job commits once.
COMMIT_SECONDS = 900.0


@dataclass(frozen=True)
class Work:
    """All that a worker needs to know; it travels to other machines, which see the same files under the same paths.

    Attributes:
        root: folder of collections.
        name: of the collection.
        generation: of it.
        bundle: folder.
        bundle_digest: what must lie there.
        staging: folder of the job.
        options: of the job.
        threads: of one worker's inference; 0 = all cores.
    """

    root: Path
    name: str
    generation: str
    bundle: Path
    bundle_digest: str
    staging: Path
    options: EmbedOptions
    threads: int = 0


class Worker:
    """Embeds blocks, one after the other; what it opens stays open."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @cached_property
    def _bundle(self) -> Bundle:
        work = self._work
        bundle = Bundle.open(work.bundle, runtime=Runtime(threads=work.threads))
        if bundle.digest != work.bundle_digest:
            raise BundleMismatch(
                f"{work.bundle} is another bundle on a worker ({bundle.digest[:12]}…) than where the job was started "
                f"({work.bundle_digest[:12]}…): put the same one there, or on storage that all machines share"
            )
        return bundle

    @cached_property
    def _proofreader(self) -> Proofreader | None:
        if not self._work.options.patches:
            return None
        return Proofreader.open(self._bundle, Runtime(threads=self._work.threads))

    @cached_property
    def _collection(self) -> Collection:
        return Collection.open(self._work.root, self._work.name, generation=self._work.generation)

    def embed(self, block: Block) -> Staged:
        """Embed one block and stage its rows."""
        work = self._work
        return stage(
            block, self._collection.latest(), self._bundle, work.options, Staging(work.staging), self._proofreader
        )


# Gives the reports of all blocks of those parts of a source, in any order, some of them twice; closed when it may stop.
Engine = Callable[[list[Source], Work], Generator[Staged]]


class StagedJob(EmbedJob):
    """As `index.embed.EmbedJob`, with an engine in place of this process; see `index.engines.ray_job.embed_on_ray`."""

    def __init__(
        self,
        collection: Collection,
        source: Source,
        bundle: Bundle,
        options: EmbedOptions,
        engine: Engine,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> None:
        super().__init__(collection, source, bundle, options, None)
        self._engine = engine
        self._commit_seconds = commit_seconds

    def _run(self) -> Generator[Progress]:
        tally = _Sums()
        with full_disk_told(self._collection), self._lease(), ExitStack() as cleaned:
            self._begin()
            # this also removes what a killed job left
            staging = Staging.create(self._collection)
            cleaned.callback(staging.remove)
            committer = StagedCommitter(self._collection, staging)
            arrivals = Arrivals(len(parts := parts_of(self._source)))
            finished = False
            try:
                yield from self._take(parts, staging, arrivals, committer, tally)
                finished = True
            except (KeyboardInterrupt, GeneratorExit, SourceError):
                # the job ends here and nothing is wrong with what it has: keep it
                committer.commit(arrivals.ready())
                raise
            finally:
                self._summary = tally.summary(
                    captions=tally.captions,
                    captions_truncated=tally.captions_truncated,
                    version=self._collection.version,
                    finished=finished,
                )

    def _take(
        self, parts: list[Source], staging: Staging, arrivals: Arrivals, committer: StagedCommitter, tally: "_Sums"
    ) -> Generator[Progress]:
        """Take the reports as they come, commit from time to time, and at the end."""
        self._count_beside(tally)
        committed_at = time.monotonic()
        with closing(self._engine(parts, self._for_workers(staging))) as reports:
            for report in reports:
                if not arrivals.take(report):
                    continue
                tally.add(report.summary)
                if time.monotonic() - committed_at >= self._commit_seconds:
                    committer.commit(arrivals.ready())
                    committed_at = time.monotonic()
                yield tally.progress(committer.committed)
        committer.commit(arrivals.ready())
        arrivals.check_whole()
        self._collection.index_ids()
        yield tally.progress(committer.committed)

    def _for_workers(self, staging: Staging) -> Work:
        collection, bundle = self._collection, self._bundle
        return Work(
            root=collection.home.parent.absolute(),
            name=collection.info.name,
            generation=collection.generation,
            bundle=bundle.path.absolute(),
            bundle_digest=bundle.digest,
            staging=staging.path.absolute(),
            options=self._options,
        )


@dataclass
class _Sums(Tally):
    """The counters of all workers."""

    captions: int = 0
    captions_truncated: int = 0

    def add(self, part: Summary) -> None:
        """Count what a worker did."""
        self.seen += part.seen
        self.embedded += part.embedded
        self.updated += part.updated
        self.unchanged += part.unchanged
        self.moments += part.moments
        self.patch_bytes += part.patch_bytes
        self.rejected.update(part.rejected)
        self.captions += part.captions
        self.captions_truncated += part.captions_truncated
