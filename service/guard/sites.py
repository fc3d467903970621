"""Pages of other sites: which may ask, with what, and what of an answer they may read (CORS)."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from service.operations.metrics import Metrics
from service.problems import Problem, response

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
# what the service reads of a request, beside what every page may send
_ASKED = (
    "Authorization",
    "If-None-Match",
    "If-Range",
    "Priority",
    "Range",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
# what a client goes by; all else of an answer's head is kept from a page
_TOLD = (
    "Accept-Ranges",
    "Content-Range",
    "ETag",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "Retry-After",
    "X-Request-Id",
)


class Sites(CORSMiddleware):
    """ASGI middleware: Starlette's, but that what it refuses is a problem as every error is, and counted.

    Args:
        app: what answers.
        origins: of the sites whose pages may ask.
        metrics: where refusals are counted.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str], metrics: Metrics) -> None:
        super().__init__(app, allow_origins=origins, allow_methods=_METHODS, allow_headers=_ASKED, expose_headers=_TOLD)
        self._metrics = metrics

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether a page may ask so."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        detail = (
            "a page of that site may not ask so: VILEM_CORS_ORIGINS lists the sites that may, and this answer's "
            "Access-Control-Allow-Methods and Access-Control-Allow-Headers what they may ask with"
        )
        problem = Problem(type="/problems/bad-request", title="Bad request", status=answer.status_code, detail=detail)
        kept = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return response(problem, self._metrics, kept)
