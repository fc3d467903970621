"""Search a collection."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, File, Form, Request, Response, UploadFile
from pydantic import Json, JsonValue

from service.attended import AttendedRoute
from service.dependencies import CollectionName, EntryDep, RuntimeDep, problems
from service.errors import QueryInvalid
from service.queries.answered import AnsweredRoute, AnswerResponse
from service.queries.querying import ImageFile
from service.queries.search import search
from service.queries.several import search_each, written
from service.schemas.examples import EXAMPLES, SEVERAL
from service.schemas.hits import SearchAnswer
from service.schemas.query import (
    CANDIDATES,
    MAX_CANDIDATES,
    Diversify,
    Include,
    Rerank,
    Reranking,
    SearchOptions,
    SearchRequest,
    fault_of_diversify,
    fault_of_rerank,
)
from service.schemas.searches import SearchesAnswer, SearchesRequest


class SearchRoute(AttendedRoute, AnsweredRoute):
    """A route with a deadline, that may find its answer ready."""


router = APIRouter(
    route_class=SearchRoute,
    prefix="/v1/collections/{name}",
    tags=["search"],
    responses=problems(400, 404, 408, 409, 413, 422, 429, 502, 503),
)


_RERANKING = ("candidates", "explain")
_OPTIONS = ("target", "limit", "offset", "include", "filter", "min_score", "diversify", "rerank")
_FIELDS = frozenset(("file", *_OPTIONS, *_RERANKING))


@router.post("/search", response_model=SearchAnswer)
async def search_collection(
    name: CollectionName, request: Annotated[SearchRequest, Body(openapi_examples=EXAMPLES)], runtime: RuntimeDep
) -> Response:
    """Search by text, image (base64), item or vector, or by several of them together; find items or captions.

    With `rerank` the best pictures of a text are read beside its words, or the best captions of a picture beside it, and
    ordered by what is contradicted.
    """
    found = await search(runtime, name, request.query, request, request.reranking())
    # another picture may lie at the same address the next time; and a page's `next` is good for an hour, an answer for ever
    keeps = not request.query.fetches and request.cursor is None
    return AnswerResponse(found) if keeps else _answer(found)


@router.post("/search/image", response_model=SearchAnswer)
async def search_by_upload(
    name: CollectionName,
    request: Request,
    runtime: RuntimeDep,
    file: Annotated[UploadFile, File(description="An image file.")],
    target: Annotated[
        Literal["images", "texts", "moments"], Form(description="Find items, captions of items, or moments of videos.")
    ] = "images",
    limit: Annotated[int, Form(ge=1, le=100)] = 10,
    offset: Annotated[int, Form(ge=0, le=1000)] = 0,
    include: Annotated[list[Include], Form(max_length=2)] = ["metadata", "captions"],  # noqa: B006 - FastAPI copies it
    where: Annotated[
        Json[JsonValue] | None,
        Form(
            alias="filter",
            description="Which items may be found (docs/filters.md): the filter of a search's body, as JSON.",
            examples=['{"price": {"lt": 50}}'],
        ),
    ] = None,
    min_score: Annotated[
        float | None,
        Form(
            ge=0, le=1, allow_inf_nan=False, description="Leave out captions of a lower `probability` (target: texts)."
        ),
    ] = None,
    diversify: Annotated[
        Json[Diversify] | None,
        Form(
            description="Do not show the same again and again: the object of a search's body, as JSON.", examples=["{}"]
        ),
    ] = None,
    rerank: Annotated[Rerank | None, Form(description="Order the best captions anew by what the picture says.")] = None,
    candidates: Annotated[int, Form(ge=1, le=MAX_CANDIDATES, description="How many.")] = CANDIDATES,
    *,
    explain: Annotated[bool, Form(description="Tell which of their words are contradicted.")] = False,
) -> Response:
    """Search by an uploaded image file; with `rerank` the best captions are ordered by what it contradicts."""
    form = await request.form()
    given = form.keys()
    unknown = sorted(given - _FIELDS)
    if unknown:
        raise QueryInvalid(unknown[0], f"no such field; there are {', '.join(sorted(_FIELDS))}")
    if twice := sorted(each for each in given - {"include"} if len(form.getlist(each)) > 1):
        raise QueryInvalid(twice[0], f"the form has {len(form.getlist(twice[0]))} of it: send one")
    idle = () if rerank else given & set(_RERANKING)
    if fault := fault_of_rerank(idle, able=rerank is None or target == "texts"):
        raise QueryInvalid(next(iter(sorted(idle)), "rerank"), fault)
    options = SearchOptions(
        target=target,
        limit=limit,
        offset=offset,
        include=tuple(include),
        filter=where,
        min_score=min_score,
        diversify=diversify,
    )
    if fault := fault_of_diversify(options, reranked=rerank is not None):
        raise QueryInvalid("diversify", fault)
    reranking = Reranking(candidates, explain) if rerank else None
    return AnswerResponse(await search(runtime, name, ImageFile(await file.read()), options, reranking))


@router.post("/searches", response_model=SearchesAnswer)
async def search_several(
    name: CollectionName,
    request: Annotated[SearchesRequest, Body(openapi_examples=SEVERAL)],
    runtime: RuntimeDep,
    entry: EntryDep,
) -> Response:
    """Several searches at a time: to each its answer, or its problem alone; all meet one version of the collection.

    To the rate of a key they count as so many requests.
    """
    if entry is not None:
        await runtime.quotas.charge(entry, len(request.queries))
    found = await search_each(runtime, name, request.queries)
    return Response(await written(runtime, found), media_type="application/json")


def _answer(answer: SearchAnswer) -> Response:
    # written once, by pydantic's Rust: FastAPI would validate what we just made, and write it in Python
    return Response(answer.model_dump_json(), media_type="application/json")
