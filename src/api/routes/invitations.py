"""Invitations: how somebody becomes a member of a tenant that does not know them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import Field
from starlette.responses import Response

from api import commands, headers, provisioning
from api.call import RequestContext
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import Body, Id, Name, Time
from api.problems import Problem, not_found
from api.queries import access as queries
from api.routing import router
from api.schemas import resources, results
from domain import access, invitation
from domain.access import Asking, Rights
from domain.envelope import PLATFORM
from domain.facts import Decided, NotFound, View
from domain.invitation import INVITATION, Answerer
from domain.tenant import TENANT
from domain.user import USER
from store.command import CommandResult

routes = router("people")

Decide = Callable[[View, UUID, Answerer | None, bool], Decided]


class NewInvitation(Body):
    email: Name
    role_ids: Annotated[list[Id], Field(max_length=100)] = Field(default_factory=list)
    expires_at: Time | None = None


class Whose(Body):
    """`tenant`: id or slug of the tenant that invites, for whoever answers with a key of their own."""

    tenant: Name | None = None


MINE = Whose()


@routes.post(
    "/invitations",
    status_code=201,
    **documented("Invite somebody to become a member", "Invited", results.INVITATION, creates=True),
)
async def invite(call: Calling, body: NewInvitation) -> Response:
    """By address. The answer is the same whether or not it has a user: nobody looks."""

    def decide(view: View, who: Rights) -> Decided:
        roles = tuple(body.role_ids)
        return invitation.invite(view, view.new_id(), body.email, roles, body.expires_at, who.user_id, who.granted)

    return await call.command(commands.INVITATION_MAKE, decide, status=201, location="/v1/invitations/{id}")


@routes.get("/invitations", **paged("List invitations", queries.INVITATIONS, resources.INVITATION))
async def list_invitations(call: Calling) -> Response:
    call.require("users:read")
    return await call.page(queries.INVITATIONS)


@routes.get("/invitations/{id}", **documented("Get an invitation", "The invitation", resources.INVITATION, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("users:read")
    return await call.one(queries.INVITATION, {"id": id})


@routes.delete("/invitations/{id}", **documented("Withdraw an invitation", "The invitation's status", results.INVITATION))
async def withdraw(call: Calling, id: UUID) -> Response:
    return await call.command(commands.INVITATION_WITHDRAW, lambda view, _who: invitation.withdraw(view, id), id)


@routes.post("/invitations/{id}/accept", **documented("Accept an invitation", "The member", results.MEMBER_RESULT))
async def accept(call: Calling, id: UUID, body: Annotated[Whose, Default()] = MINE) -> Response:
    """With a key of one's own, of whichever tenant, or with the platform's for the user of the invited address."""
    return await _answer(call, commands.INVITATION_ACCEPT, id, body, invitation.accept)


@routes.post("/invitations/{id}/decline", **documented("Decline an invitation", "The invitation's status", results.INVITATION))
async def decline(call: Calling, id: UUID, body: Annotated[Whose, Default()] = MINE) -> Response:
    """By the same as accept it."""
    return await _answer(call, commands.INVITATION_DECLINE, id, body, invitation.decline)


async def _answer(call: RequestContext, spec: CommandSpec, id: UUID, body: Whose, decide: Decide) -> Response:
    caller = call.session.caller
    if caller.platform and caller.on_behalf_of is None:
        if body.tenant is not None:
            raise Problem.at("/tenant", "not_applicable", "The platform must name the tenant in Gesta-Tenant.")
        done, tenant_id = await _for_user(call, spec, id, decide), call.tenant_id
    else:
        done, tenant_id = await _by_user(call, spec.by_themselves, id, body.tenant, decide)
    return call.answer(done, tenant_id)


async def _for_user(call: RequestContext, spec: CommandSpec, id: UUID, decide: Decide) -> CommandResult:
    """The platform answers for the user of the invited address."""
    invited, _ = await call.services.handler.read(call.tenant_id, INVITATION, id)
    user_id = await call.services.handler.lookup(PLATFORM, "user.email", invited.email.lower()) if invited.email else None
    position = None if user_id is None else await _known_since(call, user_id)

    def answered(view: View, asking: Asking) -> Decided:
        if user_id is None or position is None:
            return decide(view, id, None, True)
        return decide(view, id, Answerer(user_id, asking.platform.read(USER, user_id), position, True), True)

    return await call.handle(spec, call.to_command(call.tenant_id, spec, id), answered)


async def _by_user(
    call: RequestContext, spec: CommandSpec, id: UUID, tenant: str | None, decide: Decide
) -> tuple[CommandResult, UUID]:
    """Whoever is invited answers, in a tenant where they are nobody yet. To everybody else there is no such invitation.

    Their key is asked for in its own tenant, finally, just before.
    """
    rights = call.session.rights
    await call.authorize(spec, id)
    if headers.occurred_at(call.request) is not None:
        raise Problem.at("Gesta-Occurred-At", "not_applicable", "Gesta-Occurred-At has no effect here, and is refused.")
    user_id = rights.user_id
    tenant_id = call.tenant_id if tenant is None else await call.services.sessions.tenant_named(tenant)
    position = None if user_id is None or rights.delegated else await _known_since(call, user_id)
    if user_id is None or position is None or tenant_id is None or tenant_id == PLATFORM:
        raise not_found()
    command = call.to_command(tenant_id, spec, id)
    if tenant_id != call.tenant_id:  # whose key it is says nothing to them
        command = replace(command, envelope=replace(command.envelope, actor_id=str(user_id)))

    async def asked(snapshot: access.Platform) -> CommandResult:
        def answered(view: View) -> Decided:
            inviting = snapshot.read(TENANT, tenant_id)
            if not inviting.exists:
                raise NotFound
            return decide(view, id, Answerer(user_id, snapshot.read(USER, user_id), position, False), inviting.active)

        return await call.services.handler.handle(command, answered)

    return await call.services.sessions.deciding(call.session, asked), tenant_id


async def _known_since(call: RequestContext, user_id: UUID) -> int | None:
    return await provisioning.known_since(call.services.handler, call.services.system_pool, user_id)
