"""Routes that look for an answer that is kept when the body has come, before anything is made of it.

To read, check and write anew what has not changed costs several times as much as all the rest. What is behind keeps vectors and
pages for requests that are not equal to the byte.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from service.errors import ServiceError
from service.runtime import Runtime
from service.schemas.hits import SearchAnswer
from service.served import Served

JSON = "application/json"
# a larger one has a picture or a vector, whose work is kept elsewhere
MAX_REQUEST_BYTES = 16 * 1024

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AnswerResponse(Response):
    """An answer that equal requests may be given for as long as the collection is the same."""

    def __init__(self, answer: SearchAnswer) -> None:
        # written once, by pydantic's Rust: FastAPI would validate what we just made, and write it in Python
        super().__init__(answer.model_dump_json(), media_type=JSON)
        self.answer = answer


class AnsweredRoute(APIRoute):
    """A route that answers a request anew only when no equal one was answered since the collection last changed.

    Equal are bodies of the same bytes, as JSON. Who may ask, and how much, is decided before any route.
    """

    def get_route_handler(self) -> Handler:
        """The route's handler, behind the answers that are kept."""
        handle, name = super().get_route_handler(), self.path.encode()

        async def answered(request: Request) -> Response:
            began = time.perf_counter()
            runtime: Runtime = request.app.state.runtime
            found = await _asked(request, runtime)
            if found is None:
                return await handle(request)
            answers = runtime.answers
            served, body = found
            # of the route too: what is a question to one is none to another
            key = answers.key(served, name + b" " + body)
            kept = answers.find(key, began)
            if kept is not None:
                return Response(kept, media_type=JSON)
            response = await handle(request)
            if isinstance(response, AnswerResponse):
                answers.keep(key, response.answer)
            return response

        return answered


async def _asked(request: Request, runtime: Runtime) -> tuple[Served, bytes] | None:
    """The collection and the body of a request whose answer may be kept."""
    headers = request.headers
    length = headers.get("content-length", "")
    # only what a length is told of is waited for here; texts are to be noted when the operator wants them in the log
    if headers.get("content-type") != JSON or not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
        return None
    if runtime.settings.log_text:
        return None
    try:
        served = runtime.served(request.path_params["name"])
    except ServiceError:
        # the handler meets it too, when it has read the request
        return None
    try:
        return served, await request.body()
    except ClientDisconnect:
        # so does it meet this
        return None
