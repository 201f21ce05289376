"""Roles, the permissions they are made of, and API keys."""

from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from api import provisioning
from api.call import About
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import Body, Id, Name, Text, Time
from api.queries import access as queries
from api.routing import router
from api.shapes import resources, results
from domain import api_key, role
from domain.access import Rights
from domain.facts import Decided, Invalid, NotFound, View
from domain.role import ROLE

routes = router("access")

Permissions = Annotated[list[Name], Field(max_length=100)]


class NewRole(Body):
    key: Name
    name: Name
    permissions: Permissions
    description: Text | None = None


class RoleChange(Body):
    name: Name = ""
    permissions: Permissions = Field(default_factory=list)
    description: Text | None = None


class NewKey(Body):
    name: Name
    permissions: Permissions
    user_id: Id | None = None
    expires_at: Time | None = None


@routes.post("/roles", status_code=201, **documented("Create a role", "Created", results.ROLE_RESULT, creates=True))
async def create(call: Calling, body: NewRole) -> Response:
    return await call.command(
        "role.create",
        "roles:manage",
        lambda view, who: role.create(
            view, view.new_id(), body.key, body.name, tuple(body.permissions), body.description, granted=who.granted
        ),
        About("role"),
        status=201,
        location="/v1/roles/{id}",
    )


@routes.get("/roles", **paged("List roles", queries.ROLES, resources.ROLE))
async def list_roles(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.ROLES, platform=True)


@routes.get("/roles/{id}", **documented("Get a role", "The role", resources.ROLE, parameters=FRESHNESS))
async def get(call: Calling, id: UUID) -> Response:
    call.require("users:read")
    return await call.one(queries.ROLE, {"id": id}, platform=True)


@routes.patch("/roles/{id}", **documented("Change a role", "How the role stands", results.ROLE_RESULT))
async def change(call: Calling, id: UUID, body: RoleChange) -> Response:
    given = body.given()

    def decide(view: View, who: Rights) -> Decided:
        state = view.read(ROLE, id)
        permissions = given.get("permissions", sorted(state.permissions))
        description = given.get("description", state.description)
        return role.change(view, id, given.get("name", state.name), tuple(permissions), description, who.granted)

    return await call.command("role.change", "roles:manage", decide, About("role", id))


@routes.delete("/roles/{id}", **documented("Delete a role", "The role as it was", results.ROLE_RESULT))
async def delete(call: Calling, id: UUID) -> Response:
    return await call.command("role.delete", "roles:manage", lambda view, _who: role.delete(view, id), About("role", id))


@routes.get("/permissions", **paged("List permissions", queries.PERMISSIONS, resources.PERMISSION))
async def list_permissions(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.PERMISSIONS, platform=True)


@routes.post(
    "/api-keys",
    status_code=201,
    **documented("Create an API key", "The key; its token is shown this once", results.CREATED_API_KEY, creates=True),
)
async def create_key(call: Calling, body: NewKey) -> Response:
    command = call.to_command(call.tenant_id, "api_key.create", About("api_key"))
    try:
        made = await provisioning.create_key(call.services.handler, command, call.session.caller, body.model_dump())
    except NotFound as error:
        if error.path is None:
            raise
        raise Invalid(error.message, error.path) from None  # who is named in a body is no address: 422, not 404
    return call.answer(made.done, call.tenant_id, status=201, location="/v1/api-keys/{id}", unstored={"token": made.token})


@routes.get("/api-keys", **paged("List API keys", queries.API_KEYS, resources.API_KEY))
async def list_keys(call: Calling) -> Response:
    call.require("api_keys:manage")
    return await call.page(queries.API_KEYS)


@routes.get(
    "/api-keys/{id}", **documented("Get an API key, without its token", "The key", resources.API_KEY, parameters=FRESHNESS)
)
async def get_key(call: Calling, id: UUID) -> Response:
    call.require("api_keys:manage")
    return await call.one(queries.API_KEY, {"id": id})


@routes.delete("/api-keys/{id}", **documented("Revoke an API key", "The key", results.REVOKED_API_KEY))
async def revoke(call: Calling, id: UUID) -> Response:
    return await call.command(
        "api_key.revoke", "api_keys:manage", lambda view, _who: api_key.revoke(view, id), About("api_key", id)
    )
