"""Users, who belong to the platform, and members, who are users in a tenant."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands, provisioning
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Id, Name, Object, Reason
from api.queries import access as queries
from api.reads import Question, Read
from api.routing import router
from api.schemas import resources, results
from domain import member, profile, user
from domain.access import Rights
from domain.envelope import PLATFORM
from domain.facts import Decided, Invalid, View
from domain.role import role_id_of

routes = router("people")

MOST_OWNERS = 20
"""Of so many the tables say that they are owners, too; one that still is will do."""

RoleIds = Annotated[list[Id], Field(max_length=100)]


class NewUser(Body):
    email: Name
    display_name: Name
    avatar_url: Name | None = None
    preferences: Object = Field(default_factory=dict)


class UserChange(Body):
    display_name: Name = ""
    avatar_url: Name | None = None
    preferences: Object = Field(default_factory=dict)
    is_active: bool = True


class NewMember(Body):
    user_id: Id
    role_ids: RoleIds


class MemberChange(Body):
    role_ids: RoleIds = Field(default_factory=list)
    manager_id: Id | None = None
    attributes: Object = Field(default_factory=dict)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"manager_id": "01890a5d-ac96-774b-bcce-b302099a8057", "attributes": {"cost_centre": "4711"}}]
        }
    )


@routes.post("/users", status_code=201, **documented("Register a user", "Registered", results.REGISTERED_USER, creates=True))
async def register(call: Calling, body: NewUser) -> Response:
    """The platform does. A tenant invites whom it wants as a member."""
    return await call.platform_command(
        commands.USER_REGISTER,
        lambda view: user.register(view, view.new_id(), body.email, body.display_name, body.avatar_url, body.preferences),
        further=lambda _view, who: who.require_platform("Users belong to the platform: invite an address to become a member."),
        status=201,
        location="/v1/users/{id}",
    )


@routes.get("/users", **paged("List users", queries.OWN_USERS, resources.USER_SUMMARY))
async def list_users(call: Calling) -> Response:
    """A tenant sees those who are its members, without what is theirs alone; the platform, outside any tenant, sees all."""
    call.require("users:read")
    listing = queries.USERS if call.tenant_id == PLATFORM else queries.OWN_USERS
    email = call.request.query_params.get("email")
    owner = None if email is None else await call.services.handler.lookup(PLATFORM, "user.email", email.lower())
    return await call.page(listing, platform=True, email_owner=owner)


@routes.get("/users/{id}", **documented("Get a user", "The user", resources.USER, parameters=PAST))
async def get_user(call: Calling, id: UUID) -> Response:
    call.require("users:read")
    is_whole = call.session.caller.platform or _is_themselves(call.session.rights, id)
    return await call.one(queries.USER if is_whole else queries.SEEN_USER, {"id": id}, platform=True)


@routes.patch("/users/{id}", **documented("Change a user", "The user's status", results.USER_RESULT))
async def change_user(call: Calling, id: UUID, body: UserChange) -> Response:
    """Users change themselves, which needs no permission, and the platform changes them."""
    themselves = _is_themselves(call.session.rights, id)

    def theirs(_view: View, who: Rights) -> None:
        if not _is_themselves(who, id):
            who.require_platform("Only the user and the platform may change a user.")
        if "is_active" in body.given():
            who.require_platform("Only the platform may deactivate users. Remove the member instead.")

    return await call.platform_command(
        commands.USER_CHANGE.by_themselves if themselves else commands.USER_CHANGE,
        lambda view: user.change(view, id, body.given()),
        id,
        further=theirs,
    )


def _is_themselves(who: Rights, user_id: UUID) -> bool:
    return who.user_id == user_id and not who.delegated


@routes.post("/members", status_code=201, **documented("Make a user a member", "The member", results.MEMBER_RESULT, creates=True))
async def add(call: Calling, body: NewMember) -> Response:
    """At once, and without asking them: the platform alone does so. A tenant invites."""
    position = await provisioning.known_since(call.services.handler, call.services.system_pool, body.user_id)

    def decide(view: View, who: Rights) -> Decided:
        who.require_platform("Nobody becomes a member without being asked: invite their address.")
        if position is None:
            raise Invalid("There is no such user.", "/user_id")
        return member.add(view, body.user_id, tuple(body.role_ids), position, granted=who.granted, by_platform=True)

    return await call.command(commands.MEMBER_ADD, decide, status=201, location="/v1/members/{user_id}")


@routes.get("/members", **paged("List members", queries.MEMBERS, resources.MEMBER_SUMMARY))
async def list_members(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.MEMBERS, platform=True)


@routes.get("/members/{user_id}", **documented("Get a member", "The member", resources.MEMBER, parameters=PAST))
async def get_member(call: Calling, user_id: UUID) -> Response:
    call.require("users:read")
    return await call.one(queries.MEMBER, {"id": user_id}, platform=True, counts="totp_since")


@routes.patch("/members/{user_id}", **documented("Change a member", "The member", results.MEMBER_RESULT))
async def change(call: Calling, user_id: UUID, body: MemberChange) -> Response:
    """Roles, manager, attributes: those that are given, each in whole. `manager_id` null: they report to nobody."""
    changes = body.given()
    owners = await _owners(call) if "role_ids" in changes else ()
    return await call.command(
        commands.MEMBER_CHANGE,
        lambda view, who: profile.change(view, user_id, changes, who.granted, owners),
        user_id,
    )


@routes.post(
    "/members/{user_id}/suspend", **documented("Suspend a member: it has no rights for now", "The member", results.MEMBER_RESULT)
)
async def suspend(call: Calling, user_id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """At once, and all of them: the member's own keys, and those of services that are theirs. Roles and keys are kept."""
    owners = await _owners(call)
    return await call.command(
        commands.MEMBER_SUSPEND,
        lambda view, who: member.suspend(view, user_id, body.reason, who.granted, owners),
        user_id,
    )


@routes.post("/members/{user_id}/reactivate", **documented("Reactivate a suspended member", "The member", results.MEMBER_RESULT))
async def reactivate(call: Calling, user_id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await call.command(
        commands.MEMBER_REACTIVATE,
        lambda view, who: member.reactivate(view, user_id, body.reason, who.granted),
        user_id,
    )


@routes.delete("/members/{user_id}", **documented("Remove a member", "The member", results.MEMBER_RESULT))
async def remove(call: Calling, user_id: UUID) -> Response:
    """Their keys end with this membership: they stay invalid should it begin again."""
    owners = await _owners(call)
    return await call.command(
        commands.MEMBER_REMOVE,
        lambda view, who: member.remove(view, user_id, None, who.granted, owners),
        user_id,
    )


async def _owners(call: Calling) -> tuple[UUID, ...]:
    """Who seem to be the tenant's owners: some of them, by the tables. The decision looks at each before it counts."""
    role_id = role_id_of(call.tenant_id, "owner")
    question = Question(queries.HOLDERS, {"tenant_id": call.tenant_id, "role_id": role_id, "most": MOST_OWNERS}, by_key=True)
    (rows,) = (await call.services.reads.ask(Read(call.tenant_id, (PLATFORM,)), [question])).rows
    return tuple(row["user_id"] for row in rows)
