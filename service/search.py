"""The path of one search: query → vector → hits → page. Knows nothing of HTTP."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
from pydantic import JsonValue, TypeAdapter, ValidationError

from index.moment_search import PER_VIDEO
from index.moments import BestMoment
from index.rerank import Reread
from index.schema import Record
from index.searcher import Hit
from service.asking import Asked, Asking, facets, matching
from service.cache import Cache
from service.embedding import Embedded, Timings
from service.errors import ItemUnknown, QueryInvalid
from service.pictures import MAX_SIDE
from service.proofreading import rerank, rerank_captions, word_views
from service.runtime import Runtime
from service.schemas.hits import HitProof, HitView, Item, Moment, SearchAnswer, VideoView
from service.schemas.query import Query, Reranking, SearchOptions
from service.served import Served

_PAGE = TypeAdapter(list[HitView])
_REREAD = TypeAdapter(tuple[str | None, list[HitView]])
_Made = TypeVar("_Made")
_MIN_NORM = 1e-6


@dataclass(frozen=True)
class ImageFile:
    """A picture as it was uploaded."""

    data: bytes


async def search(
    runtime: Runtime, name: str, query: Query | ImageFile, options: SearchOptions, reranking: Reranking | None = None
) -> SearchAnswer:
    """Answer one query.

    Args:
        runtime: the app's.
        name: of the collection.
        query: what to search with.
        options: which hits, and what of them.
        reranking: how the best of them are ordered anew: pictures of a text, or captions of a picture.

    Raises:
        ServiceError, InputError: as `service.problems` lists them.
    """
    served = runtime.served(name)
    timings = Timings(runtime.metrics)
    with timings.stage("total"):
        embedded = await _embed(runtime, served, query, timings)
        among = await matching(runtime, served, options, timings)
        item, text = (query.id, query.text) if isinstance(query, Query) else (None, None)
        excluded = None if options.target == "texts" else item
        read, following, cached = None, None, False
        if reranking is not None:
            asked = _Reranked(runtime, served, text, item, embedded, reranking, among)
            read, page, cached = await asked.page(options, timings)
        elif options.is_ranked:
            asking = Asking(runtime, served, embedded.vector, text, options, excluded, among)
            page, following = _asked_views(name, await asking.page(timings))
        else:
            page, cached = await _page(runtime.cache, served, embedded.vector, options, excluded, timings, among)
        counted = await facets(runtime, served, options, timings)
    searcher = served.searcher
    return SearchAnswer(
        hits=[_only(hit, options.include) for hit in page],
        collection=name,
        version=searcher.version,
        snapshot=searcher.manifest.id,
        model=served.model.bundle.manifest.name,
        cached=cached,
        truncated=embedded.truncated,
        text=read,
        next=following,
        facets=counted,
        took_ms=timings.ms,
    )


def decode_base64(text: str, field: str) -> bytes:
    """The bytes of a base64 string, with or without a `data:` prefix.

    Raises:
        QueryInvalid: it is not base64; names *field*.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise QueryInvalid(
            field, f"not base64 ({error}): send the image file's bytes in base64, not an address"
        ) from error


def item_view(collection: str, record: Record) -> Item:
    """An item as the API shows it."""
    return Item(**_fields(collection, record))


def _address(collection: str, record: Record) -> str:
    # a browser resolves the segments "." and ".." before it asks: an id that has them travels as one segment
    safe = "" if {".", ".."} & set(record.id.split("/")) else "/"
    return f"/v1/collections/{collection}/items/{quote(record.id, safe=safe)}"


def _fields(collection: str, record: Record) -> dict[str, Any]:
    address, video = _address(collection, record), record.video
    # whoever shows pictures shows a still of a video
    image, still = f"{address}/image", f"{address}/thumbnail?size={MAX_SIDE}"
    return {
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "image_url": image if video is None else still,
        "thumbnail_url": f"{address}/thumbnail",
        "captions": list(record.captions),
        "metadata": dict(record.metadata),
        "video": video and VideoView(seconds=round(video.seconds, 3), moments=video.moments, video_url=image),
    }


async def _embed(runtime: Runtime, served: Served, query: Query | ImageFile, timings: Timings) -> Embedded:
    embedder = runtime.embedder
    if isinstance(query, ImageFile):
        return await embedder.image(served.model, query.data, timings)
    if query.text is not None:
        return await embedder.text(served.model, query.text, timings)
    if query.image is not None:
        text = query.image
        data = await runtime.decoders.run(lambda: decode_base64(text, "query.image"))
        return await embedder.image(served.model, data, timings)
    if query.id is not None:
        item_id = query.id
        with timings.stage("lookup"):
            vector = await runtime.readers.run(lambda: served.searcher.vector(item_id))
        if vector is None:
            raise ItemUnknown(f"collection {served.searcher.name!r} has no item {item_id[:100]!r}")
        return Embedded(vector)
    return Embedded(checked_vector(query.vector or [], served.searcher.dim, "query.vector"))


def checked_vector(values: Sequence[float], dim: int, field: str) -> np.ndarray:
    """A client's vector as (d,) float32 of unit norm.

    Raises:
        QueryInvalid: it is no such vector; names *field*.
    """
    if len(values) != dim:
        raise QueryInvalid(field, f"the vector has {len(values)} numbers, this collection's have {dim}")
    vector = np.asarray(values, np.float64)
    # scaled first, so that squares of great numbers do not overflow
    vector = vector / max(float(np.abs(vector).max()), _MIN_NORM)
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < _MIN_NORM:
        raise QueryInvalid(field, "the vector's length is zero or too large: send an embedding")
    return (vector / norm).astype(np.float32)


async def _page(
    cache: Cache,
    served: Served,
    vector: np.ndarray,
    options: SearchOptions,
    excluded: str | None,
    timings: Timings,
    among: np.ndarray | None,
) -> tuple[list[HitView], bool]:
    """The hits that were asked for, and whether the cache had them."""
    key = _key("p", served, [options.target, options.limit, options.offset, excluded, options.filter], vector)
    stored = await _cached(cache, key, _PAGE)
    if stored is not None:
        return stored, True
    with timings.stage("search"):
        hits = await _hits(served, vector, options, excluded, among)
    page = [_hit_view(served.searcher.name, hit) for hit in hits]
    cache.put(key, _PAGE.dump_json(page))
    return page, False


async def _hits(
    served: Served, vector: np.ndarray, options: SearchOptions, excluded: str | None, among: np.ndarray | None
) -> list[Hit]:
    end = options.offset + options.limit
    if excluded is None:
        # only the records that are shown are looked up
        return await served.find(vector, end, options.target, skip=options.offset, among=among)
    # where the item itself stands among its neighbours is not known before they are looked up
    hits = await served.find(vector, end + (PER_VIDEO if options.target == "moments" else 1), options.target)
    return [hit for hit in hits if hit.id != excluded][options.offset : end]


@dataclass(frozen=True)
class _Reranked:
    """A query whose best hits are ordered anew; behind them the others follow by vector, so pages are slices of one order.

    The query is a text, or an item, or a picture, whose pixels came with its vector.
    """

    runtime: Runtime
    served: Served
    text: str | None
    item: str | None
    embedded: Embedded
    how: Reranking
    among: np.ndarray | None

    async def page(self, options: SearchOptions, timings: Timings) -> tuple[str | None, list[HitView], bool]:
        """The text as it was read, the hits that were asked for, and whether the cache had them."""
        end, best = options.offset + options.limit, self.how.candidates
        text, page, all_cached = None, [], True
        if options.offset < best:
            text, ordered, all_cached = await self._best(options.filter, timings)
            page = ordered[options.offset : end]
        if end > best:
            start = max(options.offset, best)
            rest = options.model_copy(update={"offset": start, "limit": end - start})
            others, cached = await _page(
                self.runtime.cache, self.served, self.embedded.vector, rest, None, timings, self.among
            )
            page, all_cached = page + others, all_cached and cached
        return text, page, all_cached

    async def _best(self, where: JsonValue, timings: Timings) -> tuple[str | None, list[HitView], bool]:
        """All candidates in their new order: the pages of one question are cut from one reading."""
        cache, asked = self.runtime.cache, [self.how.candidates, self.how.explain, self.text, self.item, where]
        key = _key("r", self.served, asked, self.embedded.vector)
        stored = await _cached(cache, key, _REREAD)
        if stored is not None:
            return *stored, True
        ordered = await self._ordered(timings)
        name = self.served.searcher.name
        views = [self._view(name, each) for each in ordered]
        told = self.how.explain and self.text is not None
        text = next((each.proof.text for each in ordered if each.proof), None) if told else None
        cache.put(key, _REREAD.dump_json((text, views)))
        return text, views, False

    async def _ordered(self, timings: Timings) -> list[Reread]:
        vector, how = self.embedded.vector, self.how
        if self.text is not None:
            return await rerank(
                self.runtime,
                self.served,
                self.text,
                vector,
                how.candidates,
                timings,
                words=how.explain,
                among=self.among,
            )
        picture = self.embedded.pixels if self.item is None else self.item
        assert picture is not None, "a query that is neither text nor item nor picture is not re-ranked"
        return await rerank_captions(
            self.runtime, self.served, picture, vector, how.candidates, timings, words=how.explain, among=self.among
        )

    def _view(self, collection: str, each: Reread) -> HitView:
        view = _hit_view(collection, each.hit)
        if each.proof is None or each.mixed is None:
            return view
        words = word_views(each.proof) if self.how.explain else None
        text = each.proof.text if self.how.explain and each.hit.caption is not None else None
        proof = HitProof(score=round(each.proof.score, 4), mixed=round(each.mixed, 6), text=text, words=words)
        return view.model_copy(update={"proof": proof})


def _asked_views(collection: str, asked: Asked) -> tuple[list[HitView], str | None]:
    views = [_hit_view(collection, hit) for hit in asked.hits]
    if asked.duplicates is not None:
        found = zip(views, asked.duplicates, strict=True)
        views = [view.model_copy(update={"duplicates": others}) for view, others in found]
    return views, asked.next


async def _cached(cache: Cache, key: str, form: TypeAdapter[_Made]) -> _Made | None:
    stored = await cache.get(key)
    if stored is None:
        return None
    try:
        return form.validate_json(stored)
    except ValidationError:
        # not written by us: as good as absent
        return None


def _key(kind: str, served: Served, question: Sequence[object], vector: np.ndarray) -> str:
    # the vector stands for the query; what is read of words is the model's too
    digest = hashlib.sha256(json.dumps(question).encode() + b"\0" + vector.tobytes()).hexdigest()
    searcher = served.searcher
    return f"vilem:{kind}:{searcher.name}:{searcher.state}:{served.model.key}:{digest}"


def _hit_view(collection: str, hit: Hit) -> HitView:
    score, moment = round(hit.score, 6), hit.moment and _moment(collection, hit.record, hit.moment)
    return HitView(**_fields(collection, hit.record), score=score, caption=hit.caption, moment=moment)


def _moment(collection: str, record: Record, moment: BestMoment) -> Moment:
    seconds = round(moment.seconds, 3)
    still = f"{_address(collection, record)}/thumbnail?at={seconds:g}"
    return Moment(seconds=seconds, score=round(moment.score, 6), thumbnail_url=still)


def _only(hit: HitView, include: Sequence[str]) -> HitView:
    left_out = {part: None for part in ("captions", "metadata") if part not in include}
    return hit.model_copy(update=left_out) if left_out else hit
