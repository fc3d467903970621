"""What a route may ask for."""

from typing import Annotated, Any

from fastapi import Depends, Path, Request

from service.guard.quotas import Entry
from service.problems import MEDIA_TYPE
from service.runtime import Runtime


async def _runtime(request: Request) -> Runtime:
    # async, or FastAPI would hand it to a thread: a tenth of what a request costs the event loop
    return request.app.state.runtime


async def _entry(request: Request) -> Entry | None:
    return request.scope.get("entry")


RuntimeDep = Annotated[Runtime, Depends(_runtime)]
# what the request's key was let in as; None where no key was asked for
EntryDep = Annotated[Entry | None, Depends(_entry)]
CollectionName = Annotated[str, Path(description="Name of a collection.", examples=["scenes"], max_length=64)]

_MEANING = {
    400: "The body is not UTF-8, or no multipart form.",
    502: "The storage of the pictures does not answer, or a Milvus not as it should.",
    401: "A key is needed, or it is none of this service.",
    403: "The key has not the scope for this, or the service takes no writes.",
    404: "No such collection, item or model.",
    409: "The model has no proofreader, or nothing is stored that it could read.",
    408: "The body does not come to its end.",
    413: "The request or an image in it is too large, or it asks for too much at a time.",
    416: "There is no such part of the file.",
    422: "The request is not valid; `errors` names the fields.",
    429: "Too much is waiting; see Retry-After.",
    503: "Still loading, or the request took too long.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the problems that a route answers."""
    return {
        status: {"description": _MEANING[status], "content": {MEDIA_TYPE: {"schema": _REFERENCE}}}
        for status in statuses
    }


_REFERENCE = {"$ref": "#/components/schemas/Problem"}
