"""The path of one search: query → vector → hits → page. Knows nothing of HTTP."""

from dataclasses import dataclass

from models.matching import Matching
from service.encoding.embedding import Timings, check_length
from service.errors import CalibrationMissing, QueryInvalid
from service.operations import request_ids
from service.queries.asking import Asked, Asking, facets, matching
from service.queries.bounds import Tally, expect_few, pictures_in, read_anew, texts_in
from service.queries.diversified import Diversified
from service.queries.pages import ByVector, Order, Page
from service.queries.querying import ImageFile, Meant, Prepared, meant_by, prepare
from service.queries.reranked import Reranked
from service.queries.views import Views, only
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.schemas.parts import Query
from service.schemas.query import Reranking, SearchOptions
from service.served import Served


@dataclass(frozen=True)
class Begun:
    """A search of which is known how much it asks for; nothing is embedded yet.

    Attributes:
        query: what to search with.
        options: which hits, and what of them.
        reranking: how the best of them are ordered anew: pictures of a text, or captions of a picture.
    """

    query: Prepared
    options: SearchOptions
    reranking: Reranking | None


async def search(
    runtime: Runtime, name: str, query: Query | ImageFile, options: SearchOptions, reranking: Reranking | None = None
) -> SearchAnswer:
    """Answer one query by a collection as it is now.

    Raises:
        CollectionUnknown, NotReady: no such collection is served.
        AsksTooMuch: it asks for more than one request may.
        ServiceError, InputError: as `begin` and `answer`.
    """
    served, timings, most = runtime.served(name), Timings(runtime.metrics), runtime.settings.max_inputs
    expect_few(asked_at_least(query, options, reranking), most)
    tally = Tally(most)
    with timings.stage("total"):
        begun = await begin(runtime, served, query, options, reranking, timings, tally)
        tally.expect_few()
        found = await answer(begun)
    return found.model_copy(update={"took_ms": timings.ms})


async def begin(
    runtime: Runtime,
    served: Served,
    query: Query | ImageFile,
    options: SearchOptions,
    reranking: Reranking | None,
    timings: Timings,
    tally: Tally,
) -> Begun:
    """Read a query by a collection as it is at one moment, as far as that costs no embedding; *tally* counts what will.

    Raises:
        AsksTooMuch: as `Tally.add`.
        QueryInvalid: its words are longer than the setting allows.
        ServiceError, InputError: as `prepare`.
    """
    if options.hybrid is not None:
        check_length(options.hybrid.text or "", runtime.settings.max_text_chars, "hybrid.text")
        if runtime.settings.log_text and options.hybrid.text:
            request_ids.note_text(options.hybrid.text)
    tally.add(read_anew(options, reranking))
    return Begun(await prepare(runtime, served, query, timings, tally), options, reranking)


def asked_at_least(query: Query | ImageFile, options: SearchOptions, reranking: Reranking | None) -> int:
    """What a search asks of the towers before its texts are parted: known at no cost."""
    own = 1 if isinstance(query, ImageFile) else pictures_in(query) + len(texts_in(query))
    return own + read_anew(options, reranking)


async def answer(begun: Begun) -> SearchAnswer:
    """Answer a search; it took what its timings say when its `total` has ended.

    Raises:
        ServiceError, InputError: as `service.problems` lists them.
    """
    query, options, reranking = begun.query, begun.options, begun.reranking
    runtime, served, timings = query.runtime, query.served, query.timings
    meant = await meant_by(query)
    views = _views(served, meant, options)
    order = await _order(runtime, served, meant, options, reranking, views, timings)
    page = await order.page(options.offset, options.limit)
    counted = await facets(runtime, served, options, timings)
    searcher = served.searcher
    # a proofreader reads of a text what the model reads at once
    half_read = reranking is not None and meant.text is not None and meant.sentences is not None
    return SearchAnswer(
        hits=[only(hit, options.include) for hit in page.hits],
        collection=searcher.name,
        generation=searcher.generation,
        version=searcher.version,
        snapshot=searcher.manifest.id,
        model=served.model.bundle.manifest.name,
        cached=page.cached,
        truncated=meant.truncated or half_read,
        sentences=meant.sentences,
        text=page.text,
        next=page.next,
        facets=counted,
        took_ms={},
    )


async def _order(
    runtime: Runtime,
    served: Served,
    meant: Meant,
    options: SearchOptions,
    reranking: Reranking | None,
    views: Views,
    timings: Timings,
) -> Order:
    """The order that pages are cut from: by vector, by words too, and the best of it anew."""
    among = await matching(runtime, served, options, timings)
    # captions of an item are no items
    excluded = () if options.target == "texts" else meant.excluded
    plain = ByVector(runtime, served, meant.vector, options, excluded, among, views, timings)
    if reranking is not None:
        return Reranked(plain, meant, reranking)
    order: Order = plain
    if options.is_ranked:
        order = _Ranked(Asking(runtime, served, meant.vector, meant.text, options, excluded, among), views, timings)
    if options.diversify is None:
        return order
    asked = [sorted(excluded), views.key]
    return Diversified(runtime, served, order, options.diversify, options, meant.vector, asked, timings)


class _Ranked:
    """An order that more than the nearest vectors decide."""

    def __init__(self, asking: Asking, views: Views, timings: Timings) -> None:
        self._asking, self._views, self._timings = asking, views, timings

    async def page(self, offset: int, limit: int) -> Page:
        """See `Order`; raises as `Asking.page`."""
        found = self._of(await self._asking.sliced(offset, limit).page(self._timings))
        kept = self._views.kept(found.hits)
        # behind a hit that is too far away all are
        return Page(kept, next=found.next if len(kept) == len(found.hits) else None)

    def _of(self, asked: Asked) -> Page:
        return Page([self._views.hit(hit) for hit in asked.hits], next=asked.next)


def _views(served: Served, meant: Meant, options: SearchOptions) -> Views:
    """How hits are shown: with a probability where one is known; refuses a `min_score` that nothing is compared with."""
    known = _known(served, meant, options)
    if options.min_score is None:
        return Views(served.searcher.name, known)
    if known is None:
        raise _refusal(served, meant, options)
    return Views(served.searcher.name, known, options.min_score)


def _known(served: Served, meant: Meant, options: SearchOptions) -> Matching | None:
    """What cosines of the query and its hits mean: a text's with images, an image's with texts."""
    return served.matching if _crosses(meant, options) and options.hybrid is None else None


def _crosses(meant: Meant, options: SearchOptions) -> bool:
    """Whether a text is looked for among images, or an image among texts."""
    return meant.kind == ("image" if options.target == "texts" else "text")


def _refusal(served: Served, meant: Meant, options: SearchOptions) -> Exception:
    if _crosses(meant, options):
        return CalibrationMissing(
            f"model {served.model.bundle.manifest.name!r} is not calibrated, so nothing says what its scores mean: run `vilem "
            f"model calibrate --collection {served.searcher.name}`, or leave min_score out"
        )
    if meant.sentences is not None:
        why = f"this text is read in {meant.sentences} pieces, and the calibration is of texts that are read at once"
    else:
        asked = "an image or an item" if options.target == "texts" else "one text"
        why = f"a probability is known of a text and an image: with target {options.target} search by {asked}"
    return QueryInvalid("min_score", f"{why}; or leave min_score out")
