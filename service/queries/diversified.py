"""An order whose best hits are chosen anew, so that none shows what another shows already."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from service.encoding.embedding import Timings
from service.queries.diversity import diverse_order
from service.queries.pages import Order, Page, best_first, cached, key_of
from service.runtime import Runtime
from service.schemas.hits import HitView
from service.schemas.query import Diversify, SearchOptions
from service.served import Served

_HITS = TypeAdapter(list[HitView])


@dataclass(frozen=True)
class Diversified:
    """The best of *plain* by maximal marginal relevance; behind them the others follow as they stand there.

    Attributes:
        plain: the order to begin from.
        how: how they are chosen.
        vector: of the query; with *asked*, *options* and the collection it decides the order.
        asked: what else decides it.
    """

    runtime: Runtime
    served: Served
    plain: Order
    how: Diversify
    options: SearchOptions
    vector: np.ndarray
    asked: Sequence[object]
    timings: Timings

    async def page(self, offset: int, limit: int) -> Page:
        """See `Order`; raises as its *plain*."""
        return await best_first(self._best, self.plain, self.how.candidates, offset, limit)

    async def _best(self) -> Page:
        options, how, runtime = self.options, self.how, self.runtime
        question = [how.candidates, how.trade, options.target, options.filter, options.min_score, *self.asked]
        key = key_of("d", self.served, question, self.vector)
        # of words and folded duplicates the key says nothing: such an order is not kept, nor is the one it comes from
        keeps = not options.is_ranked
        stored = await cached(runtime, key, _HITS) if keeps else None
        if stored is not None:
            return Page(stored, cached=True)
        found = (await self.plain.page(0, how.candidates)).hits
        with self.timings.stage("diversify"):
            hits = await runtime.readers.run(lambda: self._chosen(found))
        if keeps:
            runtime.cache.put(key, await runtime.turns.take(lambda: _HITS.dump_json(hits), hits=len(hits)))
        return Page(hits)

    def _chosen(self, found: list[HitView]) -> list[HitView]:
        scores = np.array([hit.score for hit in found])
        return [found[place] for place in diverse_order(scores, self._vectors(found), self.how.trade)]

    def _vectors(self, found: list[HitView]) -> np.ndarray:
        """(n, d) float32 unit vectors as they are stored; zeros for what is not there any more."""
        searcher = self.served.searcher
        ids = [hit.id for hit in found]
        if self.options.target == "texts":
            captions = searcher.caption_vectors(ids)
            vectors = [captions.get((hit.id, hit.caption or "")) for hit in found]
        else:
            items = searcher.vectors(ids)
            vectors = [items.get(each) for each in ids]
        nothing = np.zeros(searcher.dim, np.float32)
        return np.stack([nothing if each is None else each for each in vectors]) if vectors else nothing[None][:0]
