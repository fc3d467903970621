"""What is served."""

from fastapi import APIRouter, Request

from service.attended import AttendedRoute
from service.dependencies import CollectionName, RuntimeDep, problems
from service.errors import UNTOLD
from service.queries.views import item_view
from service.schemas.ability import Ability
from service.schemas.collections import CollectionDetail, CollectionList, CollectionView, FieldView
from service.served import Served

SAMPLE = 12

router = APIRouter(route_class=AttendedRoute, prefix="/v1/collections", tags=["collections"])


@router.get("")
async def list_collections(runtime: RuntimeDep, request: Request) -> CollectionList:
    """List the collections that are served, and what is not, or not as last published, with the reason.

    Where keys are asked for, reasons are for those with the scope admin; others are told whom to ask.
    """
    told = "admin" in request.scope["granted"]
    return CollectionList(
        collections=[CollectionView(**_summary(served)) for served in runtime.collections],
        unavailable={name: reason if told else UNTOLD for name, reason in runtime.unavailable.items()},
    )


@router.get("/{name}", responses=problems(404, 422, 503))
async def show_collection(name: CollectionName, runtime: RuntimeDep) -> CollectionDetail:
    """Show one collection, with the fields that a filter can name and some of its items."""
    served = runtime.served(name)
    sample = await runtime.readers.run(lambda: served.searcher.first(SAMPLE))
    return CollectionDetail(
        **_summary(served),
        fields=[FieldView(name=each.name, type=each.type) for each in served.searcher.fields],
        sample=[item_view(name, record) for record in sample],
    )


def _summary(served: Served) -> dict:
    manifest = served.searcher.manifest
    return {
        "name": manifest.collection,
        "count": served.searcher.count,
        "captions": served.searcher.caption_count,
        "moments": served.searcher.moment_count,
        "dim": manifest.dim,
        "generation": served.searcher.generation,
        "version": served.searcher.version,
        "engine": "faiss" if served.searcher.engine is None else "milvus",
        "snapshot": manifest.id,
        "published_at": manifest.created_at,
        "unpublished": served.searcher.unpublished,
        "behind": served.behind,
        "model": served.model.bundle.manifest.name,
        "bundle_digest": served.model.bundle.digest,
        "proofread": Ability.unless(served.cannot_proofread),
    }
