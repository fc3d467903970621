"""Items written and removed: durable, and seen by the next search, when the answer comes."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.attended import AttendedRoute
from service.dependencies import CollectionName, RuntimeDep, problems
from service.ingest import put_items, remove_items
from service.schemas.items import PutItems, RemoveItems, WriteAnswer

router = APIRouter(
    route_class=AttendedRoute,
    prefix="/v1/collections/{name}/items",
    tags=["items"],
    responses=problems(400, 403, 404, 408, 413, 422, 429, 503),
)


@router.put("")
async def put(name: CollectionName, request: PutItems, runtime: RuntimeDep) -> WriteAnswer:
    """Write items: new ids are created, known ones replaced. Sending a request again does no harm.

    Each has a result of its own: what is wrong with one does not keep the others out.
    """
    return await put_items(runtime, name, request.items)


@router.delete("")
async def remove(name: CollectionName, request: RemoveItems, runtime: RuntimeDep) -> WriteAnswer:
    """Remove items, each with a result of its own. Those that are not there are told as absent."""
    return await remove_items(runtime, name, request.ids)


@router.delete("/{item_id:path}")
async def remove_one(
    name: CollectionName,
    item_id: Annotated[str, Path(description="Id of an item; may hold slashes.", max_length=512)],
    runtime: RuntimeDep,
) -> WriteAnswer:
    """Remove one item."""
    return await remove_items(runtime, name, [item_id])
