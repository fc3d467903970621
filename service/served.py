"""One collection as it is served."""

from dataclasses import dataclass

import numpy as np

from index.faiss_cpu import use_threads
from index.searcher import Hit, Searcher, Target
from models.ort import available_cores
from service.batching import MicroBatcher
from service.errors import NotReady
from service.metrics import Metrics
from service.models import Model
from service.settings import Settings


@dataclass(frozen=True)
class Lookup:
    """One vector to search with: its hits from the skipped ones to the k-th, with their patches if they are wanted."""

    vector: np.ndarray
    k: int
    target: Target
    skip: int = 0
    patches: bool = False


class Served:
    """One collection as it is served: a searcher, the model of its vectors, and the batcher in front.

    Attributes:
        searcher: the open snapshot.
        model: what embeds queries: its text model.
    """

    def __init__(self, searcher: Searcher, model: Model, settings: Settings, metrics: Metrics) -> None:
        self.searcher = searcher
        self.model = model
        self._deadline_s = settings.deadline_s
        self._threads = settings.threads or available_cores()
        self._lookups: MicroBatcher[Lookup, list[Hit]] = MicroBatcher(
            self._search, name="search", max_batch=settings.max_batch, max_queue=settings.max_queue, metrics=metrics
        )

    async def find(
        self, vector: np.ndarray, k: int, target: Target, *, skip: int = 0, patches: bool = False
    ) -> list[Hit]:
        """The hits of one vector from the skipped ones to the k-th, best first; raises as `MicroBatcher.submit`."""
        return await self._lookups.submit(Lookup(vector, k, target, skip, patches), self._deadline_s)

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
        tokens = await self.model.tokenize("ready?", self._deadline_s)
        vector = await self.model.encode_text(tokens, self._deadline_s)
        if not await self.find(vector, 1, "images") and self.searcher.count:
            raise NotReady("a search found nothing in a collection that has items")

    def close(self) -> None:
        """End the worker thread."""
        self._lookups.close()

    def _search(self, batch: list[Lookup]) -> list[list[Hit]]:
        # here, because it holds for the thread that calls it: the batcher's worker
        use_threads(self._threads)
        found: list[list[Hit]] = [[] for _ in batch]
        kinds: dict[tuple[Target, bool], None] = {(lookup.target, lookup.patches): None for lookup in batch}
        for target, patches in kinds:
            places = [place for place, each in enumerate(batch) if (each.target, each.patches) == (target, patches)]
            asked = [batch[place] for place in places]
            queries = np.stack([each.vector for each in asked])
            ks, skips = [each.k for each in asked], [each.skip for each in asked]
            hits = self.searcher.search(queries, ks, target, skips=skips, patches=patches)
            for place, each in zip(places, hits, strict=True):
                found[place] = each
        return found
