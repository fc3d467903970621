"""The search page: plain files, served as they are."""

import os
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).parents[1] / "web"

router = APIRouter(include_in_schema=False)


class PageFiles(StaticFiles):
    """Files that a browser keeps and asks for each time: 304 by their ETag, so that none is of another release than the others."""

    def file_response(
        self, full_path: "os.PathLike[str] | str", stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file, or that the browser has it."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


FILES = PageFiles(directory=WEB)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself."""
    return await FILES.get_response("index.html", request.scope)
