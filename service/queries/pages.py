"""Hits in the order of their vectors, page by page, through the cache; and the best of an order anew, before the rest of it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from index.moment_search import PER_VIDEO
from index.searcher import Hit
from service.encoding.embedding import Timings
from service.queries.views import Views
from service.runtime import Runtime
from service.schemas.hits import HitView
from service.schemas.query import SearchOptions
from service.served import Served

_PAGE = TypeAdapter(list[HitView])
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Page:
    """Hits; the cursor of what follows, if there is one; the text as it was read, if that was asked for."""

    hits: list[HitView]
    cached: bool = False
    next: str | None = None
    text: str | None = None


class Order(Protocol):
    """An order of hits, of which pages are slices."""

    async def page(self, offset: int, limit: int) -> Page:
        """The hits from *offset* on, at most *limit*."""
        ...


@dataclass(frozen=True)
class ByVector:
    """Hits in the order of their vectors.

    Attributes:
        excluded: ids of items that are no hits.
        among: sorted row ids that may be found; None = all.
    """

    runtime: Runtime
    served: Served
    vector: np.ndarray
    options: SearchOptions
    excluded: tuple[str, ...]
    among: np.ndarray | None
    views: Views
    timings: Timings

    async def page(self, offset: int, limit: int) -> Page:
        """See `Order`; raises as `MicroBatcher.submit`."""
        options, runtime = self.options, self.runtime
        question = [options.target, limit, offset, sorted(self.excluded), options.filter, self.views.key]
        key = key_of("p", self.served, question, self.vector)
        stored = await cached(runtime, key, _PAGE)
        if stored is not None:
            return Page(self.views.kept(stored), cached=True)
        with self.timings.stage("search"):
            hits = await self._hits(offset, offset + limit)
        page = [self.views.hit(hit) for hit in hits]
        runtime.cache.put(key, await runtime.turns.take(lambda: _PAGE.dump_json(page), hits=len(page)))
        return Page(self.views.kept(page))

    async def _hits(self, offset: int, end: int) -> list[Hit]:
        target, among = self.options.target, self.among
        if not self.excluded:
            # only the records that are shown are looked up
            return await self.served.find(self.vector, end, target, skip=offset, among=among)
        # where an item stands among its neighbours is not known before they are looked up
        most = len(self.excluded) * (PER_VIDEO if target == "moments" else 1)
        hits = await self.served.find(self.vector, end + most, target, among=among)
        return [hit for hit in hits if hit.id not in self.excluded][offset:end]


async def best_first(
    best: Callable[[], Awaitable[Page]], rest: Order, candidates: int, offset: int, limit: int
) -> Page:
    """A page of an order whose best *candidates* stand otherwise than in *rest*, and all others as there.

    Args:
        best: gives those, in their new order; fewer where some were left out, and then *rest* has none behind them.
        rest: the order without that.
        candidates: how many.
        offset: hits before the page.
        limit: most hits on it.
    """
    end, first = offset + limit, Page([], cached=True)
    if offset < candidates:
        first = await best()
    hits, all_cached = first.hits[offset:end], first.cached
    if end > candidates:
        start = max(offset, candidates)
        others = await rest.page(start, end - start)
        hits, all_cached = hits + others.hits, all_cached and others.cached
    return Page(hits, all_cached, text=first.text)


async def cached(runtime: Runtime, key: str, form: TypeAdapter[_Made]) -> _Made | None:
    """What the cache has under *key*, if it is of that form."""
    stored = await runtime.cache.get(key)
    if stored is None:
        return None
    try:
        return await runtime.turns.take(lambda: form.validate_json(stored), size=len(stored))
    except ValidationError:
        # not written by us: as good as absent
        return None


def key_of(kind: str, served: Served, question: Sequence[object], vector: np.ndarray) -> str:
    """A cache's key for what *question* and *vector* are answered with."""
    # the vector stands for the query; what is read of words is the model's too
    digest = hashlib.sha256(json.dumps(question).encode() + b"\0" + vector.tobytes()).hexdigest()
    searcher = served.searcher
    return f"vilem:{kind}:{searcher.name}:{searcher.state}:{served.model.key}:{digest}"
