"""One collection as it is served."""

import logging
from dataclasses import dataclass, replace

import numpy as np

from index.errors import TailFull
from index.faiss_cpu import use_threads
from index.live.changes import NO_COMMITS, Commits
from index.searcher import Hit, Searcher, Target
from models.matching import Matching
from models.ort import available_cores
from service.encoding.batching import MicroBatcher
from service.encoding.models import Model
from service.errors import NotReady
from service.operations.metrics import Metrics
from service.settings import Settings

_log = logging.getLogger("vilem.service")


@dataclass(frozen=True)
class Lookup:
    """One vector to search with: its hits from the skipped ones to the k-th, with their patches if they are wanted."""

    searcher: Searcher
    vector: np.ndarray
    k: int
    target: Target
    skip: int = 0
    patches: bool = False
    among: np.ndarray | None = None

    @property
    def kind(self) -> tuple[Searcher, Target, bool, int]:
        """Lookups of one kind are searched for together."""
        return self.searcher, self.target, self.patches, id(self.among)


class Lookups:
    """One worker thread that searches a collection for all requests, those that wait together in one call."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._deadline_s = settings.deadline_s
        self._threads = settings.threads or available_cores()
        self._batches: MicroBatcher[Lookup, list[Hit]] = MicroBatcher(
            self._search,
            name="search",
            max_batch=settings.max_batch,
            max_queue=settings.max_queue,
            max_wait_s=settings.max_wait_s,
            metrics=metrics,
        )

    async def find(self, lookup: Lookup) -> list[Hit]:
        """The hits of one vector, best first; raises as `MicroBatcher.submit`."""
        return await self._batches.submit(lookup, self._deadline_s)

    def close(self) -> None:
        """End the worker thread."""
        self._batches.close()

    def _search(self, batch: list[Lookup]) -> list[list[Hit]]:
        # here, because it holds for the thread that calls it: the batcher's worker
        use_threads(self._threads)
        found: list[list[Hit]] = [[] for _ in batch]
        for kind in dict.fromkeys(each.kind for each in batch):
            places = [place for place, each in enumerate(batch) if each.kind == kind]
            asked = [batch[place] for place in places]
            first, queries = asked[0], np.stack([each.vector for each in asked])
            ks, skips = [each.k for each in asked], [each.skip for each in asked]
            hits = first.searcher.search(
                queries, ks, first.target, skips=skips, patches=first.patches, among=first.among
            )
            for place, each in zip(places, hits, strict=True):
                found[place] = each
        return found


@dataclass(frozen=True, eq=False)
class Served:
    """One collection as it is served at one moment: a request that took one sees it from end to end.

    Attributes:
        searcher: the collection at one version.
        model: what embeds queries: its text model.
        lookups: the worker in front of it, which later moments share.
        deadline_s: how long a search may wait.
        matching: what cosines of its texts and images mean, if it or its model was calibrated.
        behind: why it does not show what was written last; None when it does.
        stuck: it could not follow what was written, for no reason that is known: it is opened anew.
    """

    searcher: Searcher
    model: Model
    lookups: Lookups
    deadline_s: float
    matching: Matching | None = None
    behind: str | None = None
    stuck: bool = False

    def advanced(self, made: Commits = NO_COMMITS) -> "Served":
        """The collection as it is now; itself when nothing was written. Only the newest may be advanced.

        Commits that are known to have been *made* are not read again.
        """
        try:
            searcher = self.searcher.advanced(made)
        except TailFull as error:
            return self._kept(str(error))
        except Exception as error:  # noqa: BLE001 - see below
            # whatever is broken in what was written last, what was served goes on being served
            if not self.stuck:
                _log.exception("%s cannot be followed: it is opened anew", self.searcher.name)
            kept = self._kept(f"what was written last cannot be read ({type(error).__name__}): see the log")
            return kept if kept.stuck else replace(kept, stuck=True)
        if searcher is self.searcher and self.behind is None:
            return self
        return replace(self, searcher=searcher, behind=None, stuck=False)

    async def find(
        self,
        vector: np.ndarray,
        k: int,
        target: Target,
        *,
        skip: int = 0,
        patches: bool = False,
        among: np.ndarray | None = None,
    ) -> list[Hit]:
        """The hits of one vector from the skipped ones to the k-th, best first; raises as `MicroBatcher.submit`.

        *among*, sorted row ids, bounds what may be found.
        """
        return await self.lookups.find(Lookup(self.searcher, vector, k, target, skip, patches, among))

    @property
    def cannot_proofread(self) -> str | None:
        """Why words cannot be checked against its items, and what to do; None when they can."""
        if self.model.cannot_proofread is not None:
            return self.model.cannot_proofread
        manifest = self.searcher.manifest
        if self.model.bundle.digest != manifest.bundle_digest:
            return (
                f"collection {self.searcher.name!r} is answered by model {self.model.bundle.manifest.name!r}, and what is "
                f"stored of its items is for the proofreader of {manifest.bundle_name!r}: choose that one with "
                f"`vilem index text-model {self.searcher.name} --model {manifest.bundle_name}`"
            )
        if self.searcher.has_patches:
            return None
        return (
            f"collection {self.searcher.name!r} has no stored patches: run `vilem index build {self.searcher.name}` "
            "with its source again; it adds them and publishes"
        )

    async def probe(self) -> None:
        """Encode a text and search with it, past every cache.

        Raises:
            ServiceError: as `MicroBatcher.submit`; NotReady when nothing is found among items.
        """
        tokens = await self.model.tokenize("ready?", self.deadline_s)
        vector = await self.model.encode_text(tokens, self.deadline_s)
        if not await self.find(vector, 1, "images") and self.searcher.count:
            raise NotReady("a search found nothing in a collection that has items")

    def _kept(self, why: str) -> "Served":
        return self if self.behind == why else replace(self, behind=why)
