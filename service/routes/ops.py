"""For operators: is it alive, is it ready, what does it measure."""

import json

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from service.dependencies import RuntimeDep, problems
from service.errors import NotReady

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """Whether the process answers."""

    status: str


class Readiness(BaseModel):
    """Whether every collection answers; of those that do not, why; and how many are served, which may be none yet.

    Where keys are asked for, the names and reasons are for those with the scope admin, and `failed` is empty for others.
    """

    status: str
    failed: dict[str, str]
    collections: int


@router.get("/healthz")
async def healthz() -> Health:
    """Answer as long as the process lives."""
    return Health(status="ok")


@router.get("/readyz", responses=problems(503))
async def readyz(runtime: RuntimeDep, request: Request, response: Response) -> Readiness:
    """Tell what the last probe found: 200 when a search on every collection was answered, else 503 with the reasons.

    Before the first collection is published there is nothing that could fail: 200, and `collections` is 0.
    """
    if request.app.state.draining.is_set():
        raise NotReady("the service is being stopped: send requests elsewhere")
    failed = runtime.faults()
    if failed:
        response.status_code = 503
    told = failed if "admin" in request.scope["granted"] else {}
    return Readiness(status="degraded" if failed else "ready", failed=told, collections=len(runtime.collections))


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(runtime: RuntimeDep) -> Response:
    """Metrics for Prometheus."""
    return Response(runtime.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The description of the API. FastAPI would write its 100 KB anew for whoever asks, on the event loop."""
    state = request.app.state
    if not hasattr(state, "described"):
        state.described = json.dumps(request.app.openapi()).encode()
    return Response(state.described, media_type="application/json")
