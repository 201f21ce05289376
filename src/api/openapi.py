"""The description of the API, and a page to read it on."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from api import answers, reference_page, studio_page
from api.routing import ReadingRoute
from api.schemas.schema import referred_to

DESCRIPTION = """Workflows in which people approve, kept as a ledger of what happened.

Send an API key as `Authorization: Bearer gk_…`; a platform key also names a tenant, by `Gesta-Tenant`.
Every change answers with its `ETag` and its `Gesta-Position`, and takes an `Idempotency-Key`, by which it is repeated safely.
Reads wait until the tables have caught up with the ledger. Lists go on at `?cursor=`.
Errors are problem documents (RFC 9457): `code` is for programs, `errors[].path` leads to the field at fault."""

GROUPS = {
    "workflows": "What is to happen, as nodes and edges: drafted, checked, published.",
    "triggers": "What starts executions by itself: schedules, requests from outside, events.",
    "executions": "Runs of a workflow: started, watched, steered.",
    "bulk operations": "One action on many executions, and how far it has come.",
    "retention": "How long finished executions stay in the tables, and the archive that they go to.",
    "approvals": "What people are asked, and their decisions.",
    "delegations": "Who may decide in whose place, from when to when, and for what.",
    "calendars": "When people work: moments can be reckoned in working time.",
    "AI tasks": "What models are asked, what they answered, used and cost.",
    "prompts": "What models are told by name: templates with variables, their versions, and what became of each.",
    "evaluations": "Prompts, models or settings on the same cases, side by side.",
    "budgets": "How much AI tasks may use, and what they have used of it.",
    "AI models": "Who is asked: providers of models, and the names that definitions call models by.",
    "jobs": "Work for workers of your own: enqueued, leased, kept alive, reported on.",
    "limits": "How much work is done at a time, and how fast.",
    "notifications": "Who is told of what happens, and what was delivered.",
    "events": "What happened: the ledger, the audit log, the history of an execution.",
    "tables": "What can be queried, and what its columns mean.",
    "people": "Users, who belong to the platform, and members, who are users in a tenant.",
    "access": "Roles, permissions and API keys.",
    "secrets": "Credentials that nodes use by their names: written here, and told to nobody.",
    "tenants": "The organisations that share an installation, and who the caller is.",
    "operations": "For whoever runs it; no key is needed.",
}
"""The tags of the routes, in the order in which a reader wants them."""

IN_PATHS = {
    "id": "Which one, by its id.",
    "key": "Which one, by its key.",
    "number": "Which version, from 1.",
    "user_id": "Which member, by their user id.",
    "comment_id": "Which comment, by its id.",
    "table": "Which table, by its name, as `GET /v1/catalog` has it.",
    "token": "The token that stands in the address.",
}
"""What parameters in paths are, where the route does not say."""


def serve(app: FastAPI) -> None:
    """Put /openapi.json, /docs and /studio beside the routes."""

    async def document(_request: Request) -> Response:
        return answers.answer(describe(app))

    app.add_route("/openapi.json", document, include_in_schema=False)
    reference_page.serve(app)
    studio_page.serve(app)


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        tags = [{"name": name, "description": words} for name, words in GROUPS.items()]
        routes = [route.described() if isinstance(route, ReadingRoute) else route for route in app.routes]
        found = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=routes, tags=tags)
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas.update(_shapes(app, taken=frozenset(schemas)))
        components["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer", "bearerFormat": "gk_…"}}
        for path, operations in found["paths"].items():
            if path.startswith("/v1/"):
                for operation in operations.values():
                    operation["security"] = [{"api_key": []}]
            for parameter in (each for operation in operations.values() for each in operation.get("parameters", ())):
                if parameter["in"] == "path":
                    parameter.setdefault("description", IN_PATHS[parameter["name"]])
        app.openapi_schema = found
    return app.openapi_schema


def _shapes(app: FastAPI, taken: frozenset[str]) -> dict[str, Any]:
    """What the answers of the routes refer to, by name. `taken`: the names of what they are sent."""
    answers_of_routes = [route.responses for route in app.routes if isinstance(route, APIRoute)]
    found: dict[str, Any] = {}
    for shape in referred_to(answers_of_routes):
        schema = found.setdefault(shape.name, shape.schema)
        if shape.name in taken or schema != shape.schema:
            raise ValueError(f"two schemas are called {shape.name}")
    return dict(sorted(found.items()))
