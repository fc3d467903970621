"""What the OpenAPI document says of keys."""

from typing import Any

from fastapi import FastAPI

from service.dependencies import problems
from service.guard.access import needed

_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key of `vilem keys create`. Where the service has no keys, none is asked for.",
}


def describe_keys(app: FastAPI) -> None:
    """Say in *app*'s document which operations need a key, and what is answered to who has none; once, when it is asked for."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            document["components"].setdefault("securitySchemes", {})["key"] = _SCHEME
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _describe(operation, needed(method.upper(), path))
        return make()

    app.openapi = openapi


def _describe(operation: dict[str, Any], scope: str | None) -> None:
    if scope is None:
        return
    operation["security"] = [{"key": []}, {}]
    operation["description"] += f" Needs the scope `{scope}`, where there are keys."
    for status, answer in problems(401, 403, 429).items():
        operation["responses"].setdefault(str(status), answer)
