"""Searches that ask for more than the nearest vectors: filters, words, duplicates as one, pages that hold still, facets.

Filters come first and give row ids; everything behind knows those alone. A ranking that is fused, and one that is gone on from
by a cursor, is made once and kept in the cache for its later pages (`service.queries.cursors`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from pydantic import JsonValue

from index.faiss_cpu import use_threads
from index.filters.facets import Facet
from index.lexical.columns import text_columns
from index.question import NO_ROWS, Question, Words
from index.ranking import Found, Ranking
from index.searcher import Hit
from models.ort import available_cores
from service.encoding.embedding import Timings
from service.errors import DuplicatesUnknown
from service.queries.cursors import Cursor, digest_of, freeze, page_after, thaw
from service.runtime import Runtime
from service.schemas.hits import FacetRange, FacetValue, FacetView
from service.schemas.query import SearchOptions
from service.served import Served

BEGIN = "*"


@dataclass(frozen=True)
class Asked:
    """Hits of one page, and the cursor of the next page."""

    hits: list[Hit]
    next: str | None


async def matching(runtime: Runtime, served: Served, options: SearchOptions, timings: Timings) -> np.ndarray | None:
    """Sorted row ids that a search may find, None = all.

    Raises:
        FilterInvalid, FieldUnknown: the filter cannot be understood.
    """
    where, target = options.filter, options.target
    if where is None:
        return None
    with timings.stage("filter"):
        return await runtime.readers.run(lambda: served.searcher.filtered.rows(where, target))


async def facets(
    runtime: Runtime, served: Served, options: SearchOptions, timings: Timings
) -> dict[str, FacetView] | None:
    """Counts over all items that match the filter, whatever the query.

    Raises:
        FieldUnknown, FieldInvalid: a field that is not there, or has no facets.
        FilterInvalid: as `matching`.
    """
    if not options.facets:
        return None
    searcher = served.searcher

    def count() -> dict[str, Facet]:
        rows = None if options.filter is None else searcher.filtered.rows(options.filter, "images")
        return searcher.facets(options.facets, rows, options.facet_limit)

    with timings.stage("facets"):
        found = await runtime.readers.run(count)
    return {name: _facet_view(facet) for name, facet in found.items()}


@dataclass(frozen=True)
class _Cut:
    """A page as it was cut, and the ranking that was made for it, if it is to be kept."""

    asked: Asked
    made: Ranking | None


@dataclass(frozen=True)
class Asking:
    """One search with words, folded duplicates or a cursor.

    Attributes:
        vector: of the query.
        text: whose words, when the options name none.
        excluded: ids of items that are left out: those of the query.
        among: sorted row ids that may be found; None = all.
    """

    runtime: Runtime
    served: Served
    vector: np.ndarray
    text: str | None
    options: SearchOptions
    excluded: tuple[str, ...]
    among: np.ndarray | None

    def sliced(self, offset: int, limit: int) -> "Asking":
        """The same search, for another page of it."""
        if (offset, limit) == (self.options.offset, self.options.limit):
            return self
        return replace(self, options=self.options.model_copy(update={"offset": offset, "limit": limit}))

    async def page(self, timings: Timings) -> Asked:
        """The page that was asked for.

        Raises:
            CursorInvalid, CursorExpired: the cursor cannot be gone on from.
            DuplicatesUnknown: duplicates were not looked for.
            TextIndexMissing: captions cannot be searched by words yet.
        """
        digest, token = digest_of(self._said(), self.vector), self.options.cursor
        cursor = None if token in (None, BEGIN) else Cursor.resume(token, digest)
        state = self.served.searcher.state if cursor is None else cursor.state
        key = f"vilem:c:{digest.hex()}:{state}"
        # scores of a fused ranking depend on all its rows: its pages are cut from one that is kept
        stored = await self.runtime.cache.get(key) if self.options.hybrid is not None else None
        kept = None if stored is None else thaw(stored)
        with timings.stage("search"):
            cut = await self.runtime.readers.run(lambda: self._cut(digest, cursor, kept))
        if cut.made is not None:
            self.runtime.cache.put(key, freeze(cut.made))
        return cut.asked

    def _cut(self, digest: bytes, cursor: Cursor | None, kept: Ranking | None) -> _Cut:
        # here, because it holds for the thread that calls it
        use_threads(self.runtime.settings.threads or available_cores())
        searcher, options = self.served.searcher, self.options
        question, made = self._question(), None
        ranked: Callable[[int], Ranking] = partial(searcher.ranked, question)
        if question.words is None and options.cursor is None:
            return _Cut(self._asked(searcher.paged(question, options.offset, options.limit), question, None), made)
        if question.words is not None:
            if kept is None:
                if cursor is not None:
                    cursor.expect_state(searcher.state)
                kept = made = ranked(2 * question.words.depth)
            ranked = kept.top
        if options.cursor is None:
            found = ranked(options.offset + options.limit).top(options.offset + options.limit)
            page = Ranking(found.rows[options.offset :], found.scores[options.offset :])
            return _Cut(self._asked(page, question, None), made)
        # a cursor may be made up, and says how deep is looked at first
        most = searcher.caption_count if options.target == "texts" else searcher.count
        shown = 0 if cursor is None else min(cursor.shown, most)
        there = None if question.words is None else lambda rows: searcher.there(rows, _rows_of(options.target))
        cut = page_after(ranked, options.limit, None if cursor is None else cursor.after, shown=shown, there=there)
        following = None
        if cut.last is not None:
            state = searcher.state if cursor is None else cursor.state
            following = Cursor(digest, state, cut.last, shown + len(cut.hits)).encode()
        return _Cut(self._asked(cut.hits, question, following), made)

    def _asked(self, page: Ranking | Found, question: Question, following: str | None) -> Asked:
        return Asked(self.served.searcher.hits(page, question), following)

    def _question(self) -> Question:
        options, searcher = self.options, self.served.searcher
        groups = None
        if options.collapse is not None:
            groups = searcher.duplicates
            if groups is None:
                raise DuplicatesUnknown(
                    f"duplicates of collection {searcher.name!r} were not looked for: run `vilem index duplicates "
                    f"{searcher.name}`"
                )
        words, asked = None, options.hybrid
        if asked is not None:
            text = asked.text or self.text
            assert text is not None, "the request was checked"
            columns = text_columns(searcher.view.collection.items.schema, asked.fields, "hybrid.fields")
            words = Words(text, asked.operator, asked.method, asked.weight, asked.depth, columns)
        without = searcher.rows_of(self.excluded) if self.excluded else NO_ROWS
        return Question(self.vector, _rows_of(options.target), self.among, words, groups, without)

    def _said(self) -> JsonValue:
        """All that decides the ranking, and nothing of pages."""
        options, searcher = self.options, self.served.searcher
        excluded: list[JsonValue] = [*sorted(self.excluded)]
        return {
            "collection": searcher.name,
            "model": self.served.model.key,
            "bundle": searcher.manifest.bundle_digest,
            "target": options.target,
            "filter": options.filter,
            "hybrid": None if options.hybrid is None else options.hybrid.model_dump(),
            "text": self.text,
            "collapse": options.collapse,
            "excluded": excluded,
        }


def _rows_of(target: str) -> Literal["images", "texts"]:
    """Whose rows a target's rankings are of."""
    return "texts" if target == "texts" else "images"


def _facet_view(facet: Facet) -> FacetView:
    return FacetView(
        missing=facet.missing,
        distinct=facet.distinct,
        values=[FacetValue(value=value, count=count) for value, count in facet.values],
        ranges=[FacetRange(low=each.low, high=each.high, count=each.count) for each in facet.buckets],
    )
