"""The job that changes a collection's model while it is served, and the one that goes back.

    begin: all rows embedded -> catch up -> publish -> check -> catch up -> [writers wait: last rows, swap] -> garbage

Everything before the brackets may be stopped or killed: the served generation is not touched, and the same job goes on
from what is there. The swap is one file replaced. Embedding jobs and publications of the served generation go on beside
it; the swap waits for their end.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from index.collection import Collection
from index.disk import full_disk_named
from index.errors import CollectionError, LeaseHeld, ReindexRefused
from index.generations import serve
from index.lease import GENERATIONS_LEASE_FILE, lease, turn
from index.live.changes import written
from index.milvus.push import name_served
from index.options import EmbedOptions
from index.plan import Budget
from index.progress import Progress
from index.publish import current, publish_held, wishes
from index.reindex.carried import has_fields_of, settle_like
from index.reindex.compare import Generation, lost_pictures, neighbours, open_published, text_to_image
from index.reindex.follow import Follower
from index.reindex.garbage import KEEP, collect, remove_leftovers, unfinished
from index.reindex.report import Report, Side, failures, write_report
from index.snapshot import Snapshot, SnapshotManifest
from models.bundle import Bundle

# How long writers may wait for the last rows, by estimate; they are patient for ten times that.
_HOLD_S = 3.0
# So many rounds in a row that leave more to do than the best one before: writes come faster than the model embeds.
_STUCK = 8
_PAUSE_S = 1.0
# Vectors that a search compares one by one; with more a new index is made first.
_MAX_TAIL = 10_000
_STILL_SERVED = "free some and run the same command again: it goes on from there; the old model is still served"


@dataclass(frozen=True)
class ReindexOptions:
    """What a change of models must keep to.

    Attributes:
        recall: recall@10 that the new index must reach; None = as the served one was asked for.
        budget: what may be spent on it; None = as the served one was given.
        min_overlap: least mean overlap@10 with the old ranking; None = any.
        max_loss: points of text-to-image recall that may be lost; see `index.reindex.report.failures`.
        max_lost: items that may be lost, because their pictures cannot be read any more.
        compare: measure both beside each other; False for going back, when whoever asks has seen enough.
        force: swap although the comparison speaks against it.
        keep: generations that stay, the served one among them.
        embedding: bounds of the embedding job.
        same_moments: take each video at the times at which it was taken; else all as *embedding* says.
        milvus_token: for the removal of what was pushed of generations that go.
    """

    recall: float | None = None
    budget: Budget | None = None
    min_overlap: float | None = None
    max_loss: float = 2.0
    max_lost: int = 0
    compare: bool = True
    force: bool = False
    keep: int = KEEP
    embedding: EmbedOptions = field(default_factory=EmbedOptions)
    same_moments: bool = True
    milvus_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class Step:
    """What the job is doing: "embedding", "publishing", "checking", "following", "waiting"; how far, or for whom."""

    doing: str
    progress: Progress | None = None
    note: str = ""


class ModelChange:
    """One change of a collection's model, which runs while it is iterated over; a context manager that stops it cleanly.

    Attributes:
        report: what was measured; None before, and where nothing was to be measured.
        removed: generations that were not kept.
        aliases: why aliases in Milvus may not name what is served, and what to do; "" where they do.

    Args:
        served: the collection.
        target: makes or opens the generation that shall be served; called under the lease on generations.
        bundle: of the target.
        options: see there.
    """

    def __init__(
        self, served: Collection, target: Callable[[], Collection], bundle: Bundle, options: ReindexOptions
    ) -> None:
        self._served = served
        self._home = served.home
        self._open_target = target
        self._bundle = bundle
        self._options = options
        self.report: Report | None = None
        self.removed: list[str] = []
        self.aliases = ""
        self._running = self._run()

    @property
    def model(self) -> str:
        """Name of the bundle that shall serve."""
        return self._bundle.manifest.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def __iter__(self) -> Iterator[Step]:
        """Do it.

        Raises:
            LeaseHeld: another such job runs on the collection.
            ReindexUnfinished: a change to another model was begun before.
            ReindexRefused: it must not be made; the old model is still served.
            SelfCheckFailed: the new index does not find what it should; the old model is still served.
            StorageFull: the disk is full; the old model is still served.
        """
        return self._running

    def _run(self) -> Generator[Step]:
        held = lease(self._home, f"changing to model {self._bundle.manifest.name}", file_name=GENERATIONS_LEASE_FILE)
        with full_disk_named(self._home, lambda: _STILL_SERVED), held:
            self._served.expect_served()
            # first: it may be what fills the disk
            remove_leftovers(self._home)
            target = self._open_target()
            embedding, same_moments = self._options.embedding, self._options.same_moments
            follower = Follower(self._served, target, self._bundle, embedding, same_moments=same_moments)
            yield from _shown("embedding", follower.begin())
            yield from self._follow(follower, "embedding")
            self._refuse_lost(follower)
            yield from self._settle(target)
            yield Step("publishing")
            self._publish(target)
            yield Step("checking")
            self._check(target, follower)
            yield from self._swap(target, follower)
            self._point_aliases(target)
            self.removed = collect(self._home, keep=self._options.keep, milvus_token=self._options.milvus_token)

    def _follow(self, follower: Follower, doing: str) -> Generator[Step]:
        """Catch up until what is lacking takes no longer than writers may wait.

        Raises:
            ReindexRefused: what is written in a round takes longer than the round.
        """
        best, stuck = float("inf"), 0
        while (lacking := follower.behind()) is None or follower.seconds(lacking) > _HOLD_S:
            if lacking is None:
                yield from _shown(doing, follower.compare_all())
                continue
            stuck = stuck + 1 if len(lacking) >= best else 0
            best = min(best, len(lacking))
            if stuck >= _STUCK:
                raise ReindexRefused(
                    f"items are written faster than {self._bundle.manifest.name} embeds them: {len(lacking):,} are lacking "
                    "and they get no fewer; run the same command again when there are fewer writes, it goes on from there"
                )
            yield from _shown(doing, follower.catch_up(lacking))

    def _settle(self, target: Collection) -> Generator[Step]:
        """Typed fields and indexes, as the served generation has them by now."""
        while True:
            try:
                settle_like(self._served, target)
            except LeaseHeld as error:
                yield from _waiting(error)
            else:
                target.refresh()
                return

    def _publish(self, target: Collection) -> None:
        recall, budget = wishes(self._served.path)
        recall = recall if self._options.recall is None else self._options.recall
        budget = self._options.budget or budget
        if _usable(target.latest(), recall, budget) is None:
            publish_held(target, target_recall=recall, budget=budget)

    def _check(self, target: Collection, follower: Follower) -> None:
        """Measure, store what was measured, and refuse what is not good enough.

        Raises:
            ReindexRefused: with what is wrong.
        """
        new = Generation.open(target)
        pictures, lost = lost_pictures(new, self._bundle, self._options.embedding.limits)
        if self._options.compare:
            measured = self._measured(new, follower, (pictures, len(lost)))
            found = failures(measured, min_overlap=self._options.min_overlap, max_loss=self._options.max_loss)
            forced = bool(found) and self._options.force
            self.report = write_report(target.path, measured.model_copy(update={"failures": found, "forced": forced}))
        if lost:
            raise ReindexRefused(
                f"{len(lost)} of {pictures} stored pictures do not find themselves in the new index (the first is {lost[0]!r}): "
                f"the old model is still served; see whether the bundle is whole{self._dropped_by(target)}"
            )
        if self.report is not None and self.report.failures and not self.report.forced:
            raise ReindexRefused(
                f"{'; '.join(self.report.failures)}: the old model is still served; what was embedded is kept: the same "
                f"command with --force takes it{self._dropped_by(target)}"
            )

    def _dropped_by(self, target: Collection) -> str:
        begun = target.generation in unfinished(self._home)
        return f", `vilem index gc {self._served.info.name} --unfinished` drops it" if begun else ""

    def _measured(self, new: Generation, follower: Follower, pictures: tuple[int, int]) -> Report:
        served = self._served.latest()
        old = open_published(served)
        around = neighbours(old, new) if old else None
        captions, retrieval = text_to_image(old, new) if old else (0, [])
        return Report(
            collection=served.info.name,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            old=_side(served, old),
            new=_side(new.collection, new),
            embedded=follower.embedded,
            lost=len(follower.lost()),
            pictures=pictures[0],
            pictures_lost=pictures[1],
            sampled=around.items if around else 0,
            overlap_at_10=around.overlap if around else None,
            captions=captions,
            retrieval=retrieval,
            not_compared=None if old else "the collection was never published with its old model",
        )

    def _swap(self, target: Collection, follower: Follower) -> Generator[Step]:
        """Bring over the last rows while nobody writes, and let the target be served."""
        while True:
            yield Step("following")
            yield from self._follow(follower, "following")
            if not has_fields_of(self._served.latest(), target.latest()):
                yield from self._settle(target)
            try:
                with lease(self._home, f"changing to model {self._bundle.manifest.name}"), turn(self._home):
                    if self._finish(target, follower):
                        return
            except LeaseHeld as error:
                yield from _waiting(error)

    def _finish(self, target: Collection, follower: Follower) -> bool:
        """Under lease and turn: the last rows, then the swap; False when it would take too long."""
        lacking = follower.behind()
        if lacking is None or follower.seconds(lacking) > _HOLD_S:
            return False
        if not has_fields_of(lacking.now, target.latest()):
            return False
        for _ in follower.catch_up(lacking):
            pass
        self._refuse_lost(follower)
        lost = [each.id for each in follower.lost()]
        if lost:
            # an older row of an item whose new picture cannot be read would be found by what it is not any more
            target.delete(lost)
        follower.note_in_step()
        serve(self._home, target.generation)
        return True

    def _point_aliases(self, target: Collection) -> None:
        """For others, who follow them: what was pushed of the target answers again, if anything was."""
        try:
            name_served(target.latest(), token=self._options.milvus_token)
        except CollectionError as error:
            # the model is served already: our own readers follow no alias
            name = self._served.info.name
            self.aliases = f"aliases in Milvus may name another generation ({error}): run `vilem index push {name}`"

    def _refuse_lost(self, follower: Follower) -> None:
        lost = follower.lost()
        if len(lost) > self._options.max_lost:
            raise ReindexRefused(
                f"{len(lost):,} items would be lost: their pictures cannot be read any more (the first is {lost[0].id!r}: "
                f"{lost[0].detail}); bring them back and run the same command again, or let them go with --max-lost {len(lost)}"
            )


def _shown(doing: str, progress: Iterator[Progress]) -> Generator[Step]:
    for each in progress:
        yield Step(doing, each)


def _waiting(error: LeaseHeld) -> Generator[Step]:
    yield Step("waiting", note=str(error))
    time.sleep(_PAUSE_S)


def _usable(target: Collection, recall: float, budget: Budget) -> SnapshotManifest | None:
    """The target's snapshot, if it is as wanted and can be served with what was written since beside it."""
    with suppress(CollectionError):
        manifest = Snapshot.open(current(target.path)).manifest
        parts = [part for part in (manifest.images, manifest.texts) if part is not None]
        then = target.at(manifest.items_version, manifest.captions_version)
        since = written(then.items, target.items) + written(then.captions, target.captions)
        wanted = manifest.budget == budget and all(part.recall_at_10 >= recall for part in parts)
        if wanted and since <= _MAX_TAIL:
            return manifest
    return None


def _side(collection: Collection, published: Generation | None) -> Side:
    return Side(
        generation=collection.generation,
        bundle_name=collection.info.bundle_name,
        bundle_digest=collection.info.bundle_digest,
        dim=collection.info.dim,
        rows=collection.count(),
        recall_at_10=published.recall_at_10 if published else None,
    )
