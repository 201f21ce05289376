"""Links to decide by: made for a person, told once, and what became of them."""

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Id, Name, Reason
from api.names import require_names
from api.queries import approval_links as queries
from api.queries.approvals import STANDING
from api.reads import Row
from api.routes.approvals import NobodyDecides
from api.routes.enqueued_jobs import Duration
from api.routing import router
from api.schemas import resources, results
from domain import approval_link
from domain.access import Asking, DeactivatedUser, NotAMember, Rights, SuspendedMember, standing, valid_key
from domain.approval_link import APPROVAL_LINK, SEED_BYTES, USUAL_LIFETIME
from domain.facts import Decided, Invalid, PermissionDenied, View
from engine import approval_links as links
from engine.approval_links import Making, address_of
from engine.archiving import require_not_archived
from engine.durations import duration
from engine.invalid import InvalidValue

routes = router("approvals")


class NewLink(Body):
    outcome: Name
    step: Name | None = None
    user_id: Id | None = None
    expires_in: Duration | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "approved", "expires_in": "P3D"}]})


@routes.post(
    "/approvals/{id}/links",
    status_code=201,
    **documented("Make a link to decide by", "Made; its address is told this once", results.APPROVAL_LINK_RESULT, creates=True),
)
async def make_link(call: Calling, id: UUID, body: NewLink) -> Response:
    """For one person, who may choose this outcome now, to choose it once. `user_id`: for another member, which needs
    users:act_as as well; without it for oneself, or for whom one acts."""
    seed = secrets.token_bytes(SEED_BYTES)
    making = Making(seed, _lifetime(body.expires_in), call.session.key_user_id)

    def decide(view: View, asking: Asking) -> Decided:
        person, behind = _for_whom(view, asking, body.user_id)
        return links.make_link(view, id, person, body.outcome, body.step, replace(making, behind=behind))

    spec = commands.APPROVAL_LINK_MAKE
    done = await call.handle(spec, call.to_command(call.tenant_id, spec, id), decide)
    address = {"address": address_of(call.tenant_id, UUID(done.result["id"]), seed)}
    return call.answer(done, call.tenant_id, status=201, location="/v1/approval-links/{id}", unstored=address)


@routes.get(
    "/approvals/{id}/links",
    **paged("List the links to an approval request", queries.APPROVAL_LINKS, resources.APPROVAL_LINK),
)
async def list_links(call: Calling, id: UUID) -> Response:
    """For whom they are, and whether they were used. No answer but that to its making has a link's address."""
    call.require("approvals:read")
    row, _ = await call.row(STANDING, {"id": id})
    _require_names(call, row, call.request.query_params.get("user_id"))
    return await call.page(queries.APPROVAL_LINKS, request_id=id)


@routes.get("/approval-links/{id}", **documented("Get a link to decide by", "The link", resources.APPROVAL_LINK, parameters=PAST))
async def get_link(call: Calling, id: UUID) -> Response:
    call.require("approvals:read")
    link, answer = await call.row(queries.APPROVAL_LINK, {"id": id})
    row, _ = await call.row(STANDING, {"id": link["request_id"]})
    _require_names(call, row, str(link["user_id"]))
    return call.shown(link, answer)


def _require_names(call: Calling, row: Row, user_id: str | None) -> None:
    """`row`: the request's; `user_id`: whose links are asked for. Raises NamesHidden."""
    who = call.session.rights
    if user_id is None or user_id != str(who.user_id):
        require_names(who, row["visibility"], row["status"])


@routes.delete("/approval-links/{id}", **documented("Revoke a link to decide by", "It is revoked", results.REVOKED_APPROVAL_LINK))
async def revoke_link(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """Whose link it is may (approvals:decide), and who has approvals:manage."""
    state, _ = await call.services.handler.read(call.tenant_id, APPROVAL_LINK, id)
    rights, spec = call.session.rights, commands.APPROVAL_LINK_REVOKE
    theirs = state.made is not None and state.made.user_id == rights.user_id
    if theirs and not rights.allows("approvals:manage"):
        spec = spec.for_themselves("approvals:decide")

    def decide(view: View, who: Rights) -> Decided:
        made = view.read(APPROVAL_LINK, id).made
        if made is not None:
            require_not_archived(view, made.request_id)
        return approval_link.revoke(view, id, None if who.allows("approvals:manage") else who.user_id, body.reason)

    return await call.command(spec, decide, id)


def _lifetime(text: str | None) -> timedelta:
    """Raises Invalid."""
    if text is None:
        return USUAL_LIFETIME
    try:
        return duration(text)
    except InvalidValue as error:
        raise Invalid(f"{error}.", "/expires_in") from None


def _for_whom(view: View, asking: Asking, user_id: UUID | None) -> tuple[Rights, tuple[UUID, ...]]:
    """The person, with what both they and who asks may do; and who asks in fact, where that is somebody else."""
    who = asking.who
    if user_id in (None, who.user_id):
        if who.user_id is None:
            raise NobodyDecides
        return who, tuple(sorted(who.behind))
    assert user_id is not None
    if who.delegated:
        raise PermissionDenied("On behalf of a member, links are made for that member alone.")
    who.require("users:act_as")
    try:
        person = standing(view, user_id, asking.platform)
    except (NotAMember, SuspendedMember, DeactivatedUser):
        raise Invalid(f"There is no active member {user_id} here.", "/user_id") from None
    key = valid_key(view, asking.caller, asking.platform)
    behind = {one for one in (key.user_id, key.owner_id) if one is not None}
    return replace(person, permissions=person.permissions & who.permissions), tuple(sorted(behind))
