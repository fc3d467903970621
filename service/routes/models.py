"""Which models are loaded, and what they can do."""

from fastapi import APIRouter

from service.attended import AttendedRoute
from service.dependencies import RuntimeDep
from service.schemas.ability import Ability
from service.schemas.models import ModelList, ModelView

router = APIRouter(route_class=AttendedRoute, prefix="/v1/models", tags=["embeddings"])


@router.get("")
async def list_models(runtime: RuntimeDep) -> ModelList:
    """List the loaded models: those of served collections, and those that VILEM_MODELS names."""
    return ModelList(
        data=[
            ModelView(
                id=model.bundle.manifest.name,
                bundle_digest=model.bundle.digest,
                dim=model.bundle.manifest.dim,
                collections=[served.searcher.name for served in runtime.collections if served.model is model],
                proofread=Ability.unless(model.cannot_proofread),
            )
            for model in runtime.models
        ]
    )
