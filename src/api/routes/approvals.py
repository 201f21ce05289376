"""Approvals: what people are asked to decide, and their decisions."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import Body, Id, Name, Text
from api.queries import approvals as queries
from api.routing import router
from api.schemas import resources, results
from domain.access import Rights
from domain.facts import Decided, PermissionDenied, View
from engine import engine as workflows
from engine.engine import Decider

routes = router("approvals")


class Decision(Body):
    outcome: Name
    comment: Text | None = None
    form: Any = None
    role: Name | None = None
    reason: Name | None = None
    step: Name | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "approved", "comment": "Within budget."}]})


class SendingBack(Body):
    step: Name
    comment: Annotated[str, Field(min_length=1, max_length=10_000)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"step": "manager", "comment": "The sum has changed."}]})


class Addition(Body):
    user_id: Id
    step: Name | None = None
    comment: Text | None = None


class NobodyDecides(PermissionDenied):
    """Only people decide: this key belongs to nobody, and acts on nobody's behalf."""

    code = "nobody_decides"


@routes.post(
    "/approvals/{id}/decide", **documented("Decide an approval request", "The request and its execution", results.DECIDED)
)
async def decide(call: Calling, id: UUID, body: Decision) -> Response:
    engine = call.services.engine

    def choose(view: View, who: Rights) -> Decided:
        given = body.model_dump(exclude={"form"})
        return workflows.decide_approval(view, engine, id, decider(who), form=body.form, **given)

    return await call.command(commands.APPROVAL_DECIDE, choose, id, versioned="approval")


@routes.post(
    "/approvals/{id}/return",
    **documented("Send an approval request back to a step", "The request and its execution", results.DECIDED),
)
async def send_back(call: Calling, id: UUID, body: SendingBack) -> Response:
    engine = call.services.engine

    def returns(view: View, who: Rights) -> Decided:
        return workflows.return_approval(view, engine, id, decider(who), step=body.step, comment=body.comment)

    return await call.command(commands.APPROVAL_RETURN, returns, id, versioned="approval")


@routes.post(
    "/approvals/{id}/add-approver",
    **documented("Ask one more to decide an approval request", "The request and its execution", results.DECIDED),
)
async def add_approver(call: Calling, id: UUID, body: Addition) -> Response:
    engine = call.services.engine

    def adds(view: View, who: Rights) -> Decided:
        one_of_them = None if who.allows("approvals:manage") else decider(who)
        return workflows.add_approver(view, engine, id, one_of_them, body.user_id, step=body.step, comment=body.comment)

    return await call.command(commands.APPROVAL_ADD_APPROVER, adds, id, versioned="approval")


def decider(who: Rights) -> Decider:
    """Raises NobodyDecides."""
    if who.user_id is None:
        raise NobodyDecides
    return Decider(who.user_id, who.roles, behind=who.behind)


@routes.get("/approvals", **paged("List approval requests", queries.APPROVALS, resources.APPROVAL_SUMMARY))
async def list_approvals(call: Calling) -> Response:
    call.require("approvals:read")
    rights = call.session.rights
    me = [("anyone", ""), *(("role", role) for role in sorted(rights.roles))]
    if rights.user_id is not None:
        me.append(("user", str(rights.user_id)))
    kinds, values = [kind for kind, _ in me], [value for _, value in me]
    people = [str(one) for one in (rights.user_id, *rights.behind) if one is not None]
    return await call.page(queries.APPROVALS, now=call.services.clock.now(), my_kinds=kinds, my_values=values, my_ids=people)


@routes.get(
    "/approvals/{id}",
    **documented("Get an approval request", "The request and its decisions", resources.APPROVAL, parameters=FRESHNESS),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("approvals:read")
    return await call.one(queries.APPROVAL, {"id": id})
