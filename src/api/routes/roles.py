"""Roles, the permissions they are made of, and API keys."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response

from api import commands, provisioning
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body, Id, Name, Text, Time
from api.problems import Problem
from api.queries import access as queries
from api.reads import Question, Read
from api.routing import query, router
from api.schemas import resources, results
from domain import keys, role
from domain.access import Asking, Rights
from domain.facts import Decided, View
from domain.keys import KeyRequest
from domain.role import ROLE
from store.command import CommandResult

routes = router("access")

MOST_USES = 40
"""That are named when a role cannot be deleted."""

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


class NewOwner(Body):
    owner_id: Id


@routes.post("/roles", status_code=201, **documented("Create a role", "Created", results.ROLE_RESULT, creates=True))
async def create(call: Calling, body: NewRole) -> Response:
    return await call.command(
        commands.ROLE_CREATE,
        lambda view, who: role.create(
            view, view.new_id(), body.key, body.name, tuple(body.permissions), body.description, granted=who.granted
        ),
        status=201,
        location="/v1/roles/{id}",
    )


@routes.get("/roles", **paged("List roles", queries.ROLES, resources.ROLE))
async def list_roles(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.ROLES, platform=True)


@routes.get("/roles/{id}", **documented("Get a role", "The role", resources.ROLE, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("users:read")
    return await call.one(queries.ROLE, {"id": id}, platform=True)


@routes.patch("/roles/{id}", **documented("Change a role", "The role's status", results.ROLE_RESULT))
async def change(call: Calling, id: UUID, body: RoleChange) -> Response:
    given = body.given()

    def decide(view: View, who: Rights) -> Decided:
        state = view.read(ROLE, id)
        permissions = given.get("permissions", sorted(state.permissions))
        description = given.get("description", state.description)
        return role.change(view, id, given.get("name", state.name), tuple(permissions), description, who.granted)

    return await call.command(commands.ROLE_CHANGE, decide, id)


FORCE = query("force", {"type": "boolean", "default": False}, "Delete the role even though open requests or definitions name it.")


@routes.delete("/roles/{id}", **documented("Delete a role", "The role as it was", results.ROLE_RESULT, query=[FORCE]))
async def delete(call: Calling, id: UUID) -> Response:
    """Not while open requests name it, or definitions that are published or still run, unless that is said to be meant."""
    force = _boolean("force", call.request.query_params.get("force", "false"))
    uses = () if force else await _uses(call, id)
    return await call.command(commands.ROLE_DELETE, lambda view, who: role.delete(view, id, who.granted, uses), id)


async def _uses(call: Calling, id: UUID) -> tuple[str, ...]:
    """What names a role, as the tables say that have all that was recorded when it was asked."""
    question = Question(queries.ROLE_USES, {"tenant_id": call.tenant_id, "id": id, "most": MOST_USES + 1}, by_key=True)
    (rows,) = (await call.services.reads.ask(Read(call.tenant_id), [question])).rows
    told = tuple(row["words"] for row in rows[:MOST_USES])
    return told if len(rows) <= MOST_USES else (*told, "There are more of them.")


@routes.get("/permissions", **paged("List permissions", queries.PERMISSIONS, resources.PERMISSION))
async def list_permissions(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.PERMISSIONS, platform=True)


@routes.post(
    "/api-keys",
    status_code=201,
    **documented("Create an API key", "The key; its token is shown only once", results.CREATED_API_KEY, creates=True),
)
async def create_key(call: Calling, body: NewKey) -> Response:
    """For oneself, or for a service, which is then limited by its owner's roles and ends with the membership.

    For another member only the platform makes a key, or who may act for them: every use of it is then on their behalf. A key may
    do no more than the one that makes it, and is valid for no longer.
    """
    wanted = KeyRequest(body.name, tuple(body.permissions), body.user_id, body.expires_at)

    async def handle(decide: Callable[[View, Asking], Decided]) -> CommandResult:
        return await call.handle(commands.API_KEY_CREATE, call.to_command(call.tenant_id, commands.API_KEY_CREATE), decide)

    made = await provisioning.create_key(handle, call.tenant_id, wanted)
    return call.answer(made.done, call.tenant_id, status=201, location="/v1/api-keys/{id}", unstored={"token": made.token})


@routes.get("/api-keys", **paged("List API keys", queries.API_KEYS, resources.API_KEY))
async def list_keys(call: Calling) -> Response:
    call.require("api_keys:manage")
    return await call.page(queries.API_KEYS)


@routes.get("/api-keys/{id}", **documented("Get an API key, without its token", "The key", resources.API_KEY, parameters=PAST))
async def get_key(call: Calling, id: UUID) -> Response:
    call.require("api_keys:manage")
    return await call.one(queries.API_KEY, {"id": id})


KEEP_MADE = query(
    "keep_made",
    {"type": "boolean", "default": False},
    "Whether the keys that this one made stay valid: for a key that is replaced, and not for one that was lost.",
)


@routes.delete("/api-keys/{id}", **documented("Revoke an API key", "The key", results.REVOKED_API_KEY, query=[KEEP_MADE]))
async def revoke(call: Calling, id: UUID) -> Response:
    """The keys that it made are not valid any more either."""
    keep_made = _boolean("keep_made", call.request.query_params.get("keep_made", "false"))
    command = call.to_command(call.tenant_id, commands.API_KEY_REVOKE, id)
    done = await call.handle(
        commands.API_KEY_REVOKE, command, lambda view, asking: keys.revoke(view, asking, id, keep_made=keep_made)
    )
    return call.answer(done, call.tenant_id)


def _boolean(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise Problem.at(name, "boolean", f"{name} must be true or false.")
    return text == "true"


@routes.post(
    "/api-keys/{id}/hand-over", **documented("Give a service's key another owner", "The key", results.HANDED_OVER_API_KEY)
)
async def hand_over(call: Calling, id: UUID, body: NewOwner) -> Response:
    """It is limited by the new owner's roles, and ends with their membership."""
    return await call.command(
        commands.API_KEY_HAND_OVER,
        lambda view, who: keys.hand_over(view, who, id, body.owner_id),
        id,
    )
