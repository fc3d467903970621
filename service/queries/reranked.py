"""A query whose best hits are ordered anew by words: pictures of a text, or captions of a picture."""

from dataclasses import dataclass

import numpy as np
from pydantic import TypeAdapter

from index.rerank import Reread
from service.queries.pages import ByVector, Page, best_first, cached, key_of
from service.queries.proofreading import rerank, rerank_captions, word_views
from service.queries.querying import Meant
from service.schemas.hits import HitProof, HitView
from service.schemas.query import Reranking

_REREAD = TypeAdapter(tuple[str | None, list[HitView]])


@dataclass(frozen=True)
class Reranked:
    """The best hits by their words; behind them the others follow by vector, so pages are slices of one order.

    The query is a text, or an item, or a picture, whose pixels came with its vector.
    """

    plain: ByVector
    meant: Meant
    how: Reranking

    async def page(self, offset: int, limit: int) -> Page:
        """See `Order`; raises as `service.queries.proofreading.rerank` and `rerank_captions`."""
        return await best_first(self._best, self.plain, self.how.candidates, offset, limit)

    async def _best(self) -> Page:
        """All candidates in their new order: the pages of one question are cut from one reading."""
        plain, how, meant = self.plain, self.how, self.meant
        runtime = plain.runtime
        # no part of the bundle's digest, which the key has
        reading = plain.served.model.bundle.manifest.proofreader
        limit = None if reading is None else reading.calibration.threshold
        asked = [how.candidates, how.explain, meant.text, meant.item, plain.options.filter, plain.views.key, limit]
        key = key_of("r", plain.served, asked, plain.vector)
        stored = await cached(runtime, key, _REREAD)
        if stored is not None:
            text, views = stored
            return Page(plain.views.kept(views), cached=True, text=text)
        ordered = await self._ordered()
        views = [self._view(each) for each in ordered]
        told = how.explain and meant.text is not None
        text = next((each.proof.text for each in ordered if each.proof), None) if told else None
        runtime.cache.put(key, await runtime.turns.take(lambda: _REREAD.dump_json((text, views)), hits=len(views)))
        return Page(plain.views.kept(views), text=text)

    async def _ordered(self) -> list[Reread]:
        plain, how, meant = self.plain, self.how, self.meant
        runtime, served, vector, timings = plain.runtime, plain.served, plain.vector, plain.timings
        many, words, among = how.candidates, how.explain, plain.among
        if meant.text is not None:
            return await rerank(runtime, served, meant.text, vector, many, timings, words=words, among=among)
        picture: str | np.ndarray | None = meant.pixels if meant.item is None else meant.item
        assert picture is not None, "a query that is neither text nor item nor picture is not re-ranked"
        return await rerank_captions(runtime, served, picture, vector, many, timings, words=words, among=among)

    def _view(self, each: Reread) -> HitView:
        view = self.plain.views.hit(each.hit)
        if each.proof is None or each.mixed is None:
            return view
        proof = HitProof(score=round(each.proof.score, 4), mixed=round(each.mixed, 6))
        if self.how.explain:
            told = {"threshold": each.proof.threshold, "words": word_views(each.proof)}
            text = each.proof.text if each.hit.caption is not None else None
            proof = proof.model_copy(update={"text": text, **told})
        return view.model_copy(update={"proof": proof})
