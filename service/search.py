"""The path of one search: query → vector → hits → page. Knows nothing of HTTP."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from pydantic import TypeAdapter, ValidationError

from index.schema import Record
from index.searcher import Hit
from service.cache import Cache
from service.embedding import Embedded, Timings
from service.errors import ItemUnknown, QueryInvalid
from service.runtime import Runtime
from service.schemas.hits import HitView, Item, SearchAnswer
from service.schemas.query import Query, SearchOptions
from service.served import Served

_PAGE = TypeAdapter(list[HitView])
_MIN_NORM = 1e-6


@dataclass(frozen=True)
class ImageFile:
    """A picture as it was uploaded."""

    data: bytes


async def search(runtime: Runtime, name: str, query: Query | ImageFile, options: SearchOptions) -> SearchAnswer:
    """Answer one query.

    Raises:
        ServiceError, InputError: as `service.problems` lists them.
    """
    served = runtime.served(name)
    timings = Timings(runtime.metrics)
    with timings.stage("total"):
        embedded = await _embed(runtime, served, query, timings)
        excluded = query.id if isinstance(query, Query) and options.target == "images" else None
        page, cached = await _page(runtime.cache, served, embedded.vector, options, excluded, timings)
    manifest = served.searcher.manifest
    return SearchAnswer(
        hits=[_only(hit, options.include) for hit in page],
        collection=name,
        version=manifest.items_version,
        snapshot=manifest.id,
        model=manifest.bundle_name,
        cached=cached,
        truncated=embedded.truncated,
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


def _fields(collection: str, record: Record) -> dict[str, Any]:
    # a browser resolves the segments "." and ".." before it asks: an id that has them travels as one segment
    safe = "" if {".", ".."} & set(record.id.split("/")) else "/"
    address = f"/v1/collections/{collection}/items/{quote(record.id, safe=safe)}"
    return {
        "id": record.id,
        "width": record.width,
        "height": record.height,
        "image_url": f"{address}/image",
        "thumbnail_url": f"{address}/thumbnail",
        "captions": list(record.captions),
        "metadata": dict(record.metadata),
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
    return Embedded(_checked(query.vector or [], served.searcher.dim))


def _checked(values: Sequence[float], dim: int) -> np.ndarray:
    """A client's vector as (d,) float32 of unit norm."""
    if len(values) != dim:
        raise QueryInvalid("query.vector", f"the vector has {len(values)} numbers, this collection's have {dim}")
    vector = np.asarray(values, np.float64)
    # scaled first, so that squares of great numbers do not overflow
    vector = vector / max(float(np.abs(vector).max()), _MIN_NORM)
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm) or norm < _MIN_NORM:
        raise QueryInvalid("query.vector", "the vector's length is zero or too large: send an embedding")
    return (vector / norm).astype(np.float32)


async def _page(
    cache: Cache, served: Served, vector: np.ndarray, options: SearchOptions, excluded: str | None, timings: Timings
) -> tuple[list[HitView], bool]:
    """The hits that were asked for, and whether the cache had them."""
    key = _page_key(served, vector, options, excluded)
    stored = await cache.get(key)
    if stored is not None:
        try:
            return _PAGE.validate_json(stored), True
        except ValidationError:
            # not written by us: as good as absent
            pass
    with timings.stage("search"):
        hits = await _hits(served, vector, options, excluded)
    page = [_hit_view(served.searcher.name, hit) for hit in hits]
    cache.put(key, _PAGE.dump_json(page))
    return page, False


async def _hits(served: Served, vector: np.ndarray, options: SearchOptions, excluded: str | None) -> list[Hit]:
    end = options.offset + options.limit
    if excluded is None:
        # only the records that are shown are looked up
        return await served.find(vector, end, options.target, skip=options.offset)
    # where the item itself stands among its neighbours is not known before they are looked up
    hits = await served.find(vector, end + 1, options.target)
    return [hit for hit in hits if hit.id != excluded][options.offset : end]


def _page_key(served: Served, vector: np.ndarray, options: SearchOptions, excluded: str | None) -> str:
    # the vector stands for the query, the snapshot for the collection's state
    asked = json.dumps([options.target, options.limit, options.offset, excluded]).encode()
    digest = hashlib.sha256(asked + b"\0" + vector.tobytes()).hexdigest()
    manifest = served.searcher.manifest
    return f"vilem:p:{manifest.collection}:{manifest.id}:{digest}"


def _hit_view(collection: str, hit: Hit) -> HitView:
    return HitView(**_fields(collection, hit.record), score=round(hit.score, 6), caption=hit.caption)


def _only(hit: HitView, include: Sequence[str]) -> HitView:
    left_out = {part: None for part in ("captions", "metadata") if part not in include}
    return hit.model_copy(update=left_out) if left_out else hit
