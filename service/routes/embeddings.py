"""Vectors of texts and images, in the shape of OpenAI's API."""

import asyncio
import base64
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter

from service.attended import AttendedRoute
from service.dependencies import RuntimeDep, problems
from service.encoding import urgency
from service.encoding.embedding import Embedded, Timings
from service.encoding.inputs import decode_base64, told_by
from service.encoding.models import Model
from service.queries.bounds import expect_few
from service.runtime import Runtime
from service.schemas.embeddings import Embedding, EmbeddingsAnswer, EmbeddingsRequest, ImageInput, Usage

router = APIRouter(
    route_class=AttendedRoute, prefix="/v1", tags=["embeddings"], responses=problems(400, 404, 408, 413, 422, 429, 503)
)


@router.post("/embeddings")
async def create_embeddings(request: EmbeddingsRequest, runtime: RuntimeDep) -> EmbeddingsAnswer:
    """Embed texts and images with a loaded model."""
    model = runtime.model(request.model)
    inputs = request.input if isinstance(request.input, list) else [request.input]
    expect_few(len(inputs), runtime.settings.max_inputs)
    if len(inputs) > 1:
        urgency.prefer(urgency.BATCH)
    made = await _embed_all(runtime, model, inputs)
    tokens = sum(each.tokens for each in made)
    return EmbeddingsAnswer(
        data=[
            Embedding(index=place, embedding=_encoded(each.vector, request.encoding_format))
            for place, each in enumerate(made)
        ],
        model=request.model,
        usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
        truncated=[each.truncated for each in made],
    )


async def _embed_all(runtime: Runtime, model: Model, inputs: Sequence[str | ImageInput]) -> list[Embedded]:
    # no more at a time than share a batch: one request must not fill the queue, or find it too short for itself
    settings = runtime.settings
    turn = asyncio.Semaphore(min(settings.max_batch, settings.max_queue))

    async def one(place: int, each: str | ImageInput) -> Embedded:
        async with turn:
            return await _embed(runtime, model, each, place)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(place, each)) for place, each in enumerate(inputs)]
    except ExceptionGroup as failed:
        # with the first that fails the others end: one problem is told
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


async def _embed(runtime: Runtime, model: Model, each: str | ImageInput, place: int) -> Embedded:
    timings = Timings(runtime.metrics)
    if isinstance(each, ImageInput):
        with told_by(f"input.{place}.image"):
            data = await runtime.decoders.run(lambda: decode_base64(each.image, f"input.{place}.image"))
            return await runtime.embedder.image(model, data, timings)
    with told_by(f"input.{place}"):
        return await runtime.embedder.text(model, each, timings, field=f"input.{place}")


def _encoded(vector: np.ndarray, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
