"""One item: its record, its picture or video, its thumbnail. Only addresses that the collection holds are opened."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse

from index.errors import UriMissing, UriUnreadable
from index.schema import Record
from index.searcher import Searcher
from models.decode import DecodeLimits
from service.attended import AttendedRoute
from service.dependencies import CollectionName, RuntimeDep, problems
from service.errors import ItemUnknown, PictureMissing, PictureUnreachable, RangeInvalid
from service.pictures import MAX_SIDE, THUMBNAIL_TYPE, media_type, thumbnail, video_type
from service.problems import problem_of, response
from service.queries.views import item_view
from service.runtime import Runtime
from service.schemas.hits import ItemDetail
from service.streaming import Span, pieces, size_of, span_of

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
    **problems(416, 502),
}
_PARTS: dict[int | str, dict[str, Any]] = {
    206: {"content": {"video/*": {}}, "description": "The part of the video that was asked for."},
}
# The address names the item, not its bytes, and what one client may see is not for others: each asks again, and an ETag
# of the bytes' hash makes that a short question.
_CACHING = "private, no-cache"


_IfNoneMatch = Annotated[str | None, Header(description="ETags that the client has.")]


@router.get("/{item_id:path}/image", response_class=Response, responses=_PICTURE | _PARTS)
async def item_image(
    name: CollectionName,
    item_id: ItemId,
    runtime: RuntimeDep,
    if_none_match: _IfNoneMatch = None,
    asked: Annotated[str | None, Header(alias="range", description="A part of a video.")] = None,
    if_range: Annotated[str | None, Header(description="ETag of the file that the part is wanted of.")] = None,
) -> Response:
    """The picture's file as it was indexed, or the video's, of which a part may be asked for."""
    record = await _record(runtime, name, item_id)
    if _has(if_none_match, record.sha256):
        return _unchanged(record.sha256)
    if record.video is not None:
        # a part of another file would be joined to what the client has
        return await _video(runtime, name, record, asked if if_range in (None, f'"{record.sha256}"') else None)
    async with runtime.pictures:
        data = await _bytes(runtime, name, record)
    return _picture(data, media_type(data), record.sha256)


@router.get("/{item_id:path}/thumbnail", response_class=Response, responses=_PICTURE)
async def item_thumbnail(
    name: CollectionName,
    item_id: ItemId,
    runtime: RuntimeDep,
    size: Annotated[int, Query(ge=32, le=MAX_SIDE, description="Longest side, pixels.")] = 256,
    at: Annotated[
        float | None,
        Query(ge=0, allow_inf_nan=False, description="Of a video: seconds; the nearest moment. None: its middle one."),
    ] = None,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """A small JPEG of the picture, or of a moment of the video."""
    record = await _record(runtime, name, item_id)
    # a video's stills depend on where its moments lie, a picture has no moments
    of = record.sha256 if record.video is None else f"{record.video.key}-{at}"
    tag = f"{of}-{size}"
    if _has(if_none_match, tag):
        return _unchanged(tag)
    small = runtime.thumbnails.get(tag)
    if small is None:
        limits = DecodeLimits(max_pixels=max(runtime.settings.max_pixels, record.width * record.height))
        async with runtime.pictures:
            data = await (_bytes(runtime, name, record) if record.video is None else _still(runtime, name, record, at))
            small = await runtime.decoders.run(lambda: thumbnail(data, size, limits))
        runtime.thumbnails.put(tag, small)
    return _picture(small, THUMBNAIL_TYPE, tag)


@router.get("/{item_id:path}")
async def show_item(name: CollectionName, item_id: ItemId, runtime: RuntimeDep) -> ItemDetail:
    """Show one item with its captions and metadata."""
    searcher = runtime.served(name).searcher
    record = await _found(runtime, searcher, item_id)
    return ItemDetail(**dict(item_view(name, record)), generation=searcher.generation, version=searcher.version)


async def _record(runtime: Runtime, name: str, item_id: str) -> Record:
    return await _found(runtime, runtime.served(name).searcher, item_id)


async def _found(runtime: Runtime, searcher: Searcher, item_id: str) -> Record:
    record = await runtime.readers.run(lambda: searcher.record(item_id))
    if record is None:
        raise ItemUnknown(f"collection {searcher.name!r} has no item {item_id[:100]!r}")
    return record


async def _bytes(runtime: Runtime, name: str, record: Record) -> bytes:
    searcher = runtime.served(name).searcher
    with _file_faults(name, record):
        return await runtime.files.run(lambda: searcher.image_bytes(record))


@contextmanager
def _file_faults(name: str, record: Record) -> Generator[None]:
    try:
        yield
    except UriUnreadable as error:
        # where the file is, is the operator's business: the log has it, the client has not
        _log.warning("the file of %r in %s: %s", record.id, name, error)
        if isinstance(error, UriMissing):
            raise PictureMissing(
                f"the file of item {record.id!r} is gone, or is another than was indexed: index it again"
            ) from error
        raise PictureUnreachable(f"the file of item {record.id!r} cannot be read at the moment") from error


async def _still(runtime: Runtime, name: str, record: Record, at: float | None) -> bytes:
    searcher = runtime.served(name).searcher
    still = await runtime.readers.run(lambda: searcher.still(record, at))
    if still is None:
        raise PictureMissing(f"the moments of video {record.id!r} were replaced just now: ask again")
    return still


async def _video(runtime: Runtime, name: str, record: Record, asked: str | None) -> Response:
    searcher = runtime.served(name).searcher
    with _file_faults(name, record):
        file = await runtime.files.run(lambda: searcher.video_file(record))
    size, head = await runtime.files.run(lambda: (size_of(file), _head(file)))
    headers = _headers(record.sha256) | {"Accept-Ranges": "bytes"}
    try:
        span = span_of(asked, size)
    except ValueError:
        file.close()
        unknown = RangeInvalid(f"the file has {size:,} bytes: ask for a part of these, or for all of it")
        return response(problem_of(unknown), runtime.metrics, headers | {"Content-Range": f"bytes */{size}"})
    part = span or Span(0, size)
    headers["Content-Length"] = str(part.end - part.start)
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    status = 200 if span is None else 206
    return StreamingResponse(pieces(file, part), status_code=status, media_type=video_type(head), headers=headers)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(100)


def _has(tags: str | None, tag: str) -> bool:
    """Whether an If-None-Match header holds the tag; weak tags compare as strong ones do, and a lone * is any."""
    if tags is None or tags.strip() == "*":
        return tags is not None
    return tag in {each.strip().removeprefix("W/").strip('"') for each in tags.split(",")}


def _unchanged(tag: str) -> Response:
    return Response(status_code=304, headers={"ETag": f'"{tag}"', "Cache-Control": _CACHING})


def _picture(data: bytes, kind: str, tag: str) -> Response:
    return Response(data, media_type=kind, headers=_headers(tag))


def _headers(tag: str) -> dict[str, str]:
    # an indexed SVG or HTML must not run as one: nosniff, and a policy that allows nothing
    return {
        "ETag": f'"{tag}"',
        "Cache-Control": _CACHING,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
