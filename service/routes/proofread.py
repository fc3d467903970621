"""Check a text, word by word, against pictures."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, File, Form, Request, UploadFile

from service.attended import AttendedRoute
from service.dependencies import RuntimeDep, problems
from service.encoding.inputs import decode_base64
from service.errors import QueryInvalid
from service.queries.proofreading import proofread_items, proofread_pictures
from service.schemas.proofread import EXAMPLES, MAX_IMAGES, ProofreadAnswer, ProofreadRequest

router = APIRouter(
    route_class=AttendedRoute,
    prefix="/v1/proofread",
    tags=["proofread"],
    responses=problems(400, 404, 408, 409, 413, 422, 429, 503),
)

_FIELDS = frozenset(("text", "model", "file"))


@router.post("")
async def proofread(
    request: Annotated[ProofreadRequest, Body(openapi_examples=EXAMPLES)], runtime: RuntimeDep
) -> ProofreadAnswer:
    """Check a text, word by word, against items of a collection (from what is stored of them) or pictures in base64."""
    if request.collection is not None:
        return await proofread_items(runtime, request.collection, request.ids or [], request.text)
    pictures = [
        partial(decode_base64, picture, f"images.{place}") for place, picture in enumerate(request.images or [])
    ]
    return await proofread_pictures(runtime, request.model or "", pictures, request.text)


@router.post("/image")
async def proofread_uploads(
    request: Request,
    runtime: RuntimeDep,
    text: Annotated[str, Form(min_length=1, pattern=r"\S", description="A sentence.")],
    model: Annotated[str, Form(description="A loaded model that proofreads: GET /v1/models lists them.")],
    file: Annotated[list[UploadFile], File(min_length=1, max_length=MAX_IMAGES, description="Image files.")],
) -> ProofreadAnswer:
    """Check a text, word by word, against uploaded pictures."""
    unknown = sorted((await request.form()).keys() - _FIELDS)
    if unknown:
        raise QueryInvalid(unknown[0], f"no such field; there are {', '.join(sorted(_FIELDS))}")
    contents = [await each.read() for each in file]
    return await proofread_pictures(runtime, model, [partial(bytes, each) for each in contents], text, field="file")
