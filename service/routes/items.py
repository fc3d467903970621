"""One item: its record, its picture, its thumbnail. Only addresses that the collection holds are opened."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from index.errors import UriMissing, UriUnreadable
from index.schema import Record
from models.decode import DecodeLimits
from service.attended import AttendedRoute
from service.dependencies import CollectionName, RuntimeDep, problems
from service.errors import ItemUnknown, PictureMissing, PictureUnreachable
from service.pictures import THUMBNAIL_TYPE, media_type, thumbnail
from service.runtime import Runtime
from service.schemas.hits import Item
from service.search import item_view

_log = logging.getLogger("vilem.service")

router = APIRouter(
    route_class=AttendedRoute,
    prefix="/v1/collections/{name}/items",
    tags=["items"],
    responses=problems(404, 413, 422, 429, 503),
)

ItemId = Annotated[
    str, Path(description="Id of an item; may hold slashes.", examples=["test-0-000001"], max_length=512)
]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/*": {}}, "description": "The picture."},
    304: {"description": "The client has it."},
    **problems(502),
}
# The address names the item, not its bytes, and what one client may see is not for others: each asks again, and an ETag
# of the bytes' hash makes that a short question.
_CACHING = "private, no-cache"


_IfNoneMatch = Annotated[str | None, Header(description="ETags that the client has.")]


@router.get("/{item_id:path}/image", response_class=Response, responses=_PICTURE)
async def item_image(
    name: CollectionName, item_id: ItemId, runtime: RuntimeDep, if_none_match: _IfNoneMatch = None
) -> Response:
    """The picture's file as it was indexed."""
    record = await _record(runtime, name, item_id)
    if _has(if_none_match, record.sha256):
        return _unchanged(record.sha256)
    async with runtime.pictures:
        data = await _bytes(runtime, name, record)
    return _picture(data, media_type(data), record.sha256)


@router.get("/{item_id:path}/thumbnail", response_class=Response, responses=_PICTURE)
async def item_thumbnail(
    name: CollectionName,
    item_id: ItemId,
    runtime: RuntimeDep,
    size: Annotated[int, Query(ge=32, le=512, description="Longest side, pixels.")] = 256,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """A small JPEG of the picture."""
    record = await _record(runtime, name, item_id)
    tag = f"{record.sha256}-{size}"
    if _has(if_none_match, tag):
        return _unchanged(tag)
    small = runtime.thumbnails.get(tag)
    if small is None:
        limits = DecodeLimits(max_pixels=max(runtime.settings.max_pixels, record.width * record.height))
        async with runtime.pictures:
            data = await _bytes(runtime, name, record)
            small = await runtime.decoders.run(lambda: thumbnail(data, size, limits))
        runtime.thumbnails.put(tag, small)
    return _picture(small, THUMBNAIL_TYPE, tag)


@router.get("/{item_id:path}")
async def show_item(name: CollectionName, item_id: ItemId, runtime: RuntimeDep) -> Item:
    """Show one item with its captions and metadata."""
    return item_view(name, await _record(runtime, name, item_id))


async def _record(runtime: Runtime, name: str, item_id: str) -> Record:
    searcher = runtime.served(name).searcher
    record = await runtime.readers.run(lambda: searcher.record(item_id))
    if record is None:
        raise ItemUnknown(f"collection {name!r} has no item {item_id[:100]!r}")
    return record


async def _bytes(runtime: Runtime, name: str, record: Record) -> bytes:
    searcher = runtime.served(name).searcher
    try:
        return await runtime.files.run(lambda: searcher.image_bytes(record))
    except UriUnreadable as error:
        # where the file is, is the operator's business: the log has it, the client has not
        _log.warning("the picture of %r in %s: %s", record.id, name, error)
        if isinstance(error, UriMissing):
            raise PictureMissing(
                f"the file of item {record.id!r} is gone, or is another than was indexed: index it again"
            ) from error
        raise PictureUnreachable(f"the file of item {record.id!r} cannot be read at the moment") from error


def _has(tags: str | None, tag: str) -> bool:
    """Whether an If-None-Match header holds the tag; weak tags compare as strong ones do."""
    return tags is not None and tag in {each.strip().removeprefix("W/").strip('"') for each in tags.split(",")}


def _unchanged(tag: str) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{tag}"', "Cache-Control": _CACHING})


def _picture(data: bytes, kind: str, tag: str) -> Response:
    # an indexed SVG or HTML must not run as one: nosniff, and a policy that allows nothing
    headers = {
        "ETag": f'"{tag}"',
        "Cache-Control": _CACHING,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return Response(data, media_type=kind, headers=headers)
