"""The description of the API, and a page to read it on."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response

from api import answers, reference_page
from api.documented import PROBLEM_SCHEMA

DESCRIPTION = """Workflows in which people approve, kept as a ledger of what happened.

Every change answers with its `ETag` and its `Gesta-Position`. Reads wait until the tables have caught up with the ledger.
Errors are problem documents (RFC 9457)."""


def serve(app: FastAPI) -> None:
    """Put /openapi.json and /docs beside the routes."""

    async def document(_request: Request) -> Response:
        return answers.answer(describe(app))

    app.add_route("/openapi.json", document, include_in_schema=False)
    reference_page.serve(app)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = PROBLEM_SCHEMA
        components["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer", "bearerFormat": "gk_…"}}
        for path, operations in found["paths"].items():
            if path.startswith("/v1/"):
                for operation in operations.values():
                    operation["security"] = [{"api_key": []}]
        app.openapi_schema = found
    return app.openapi_schema
