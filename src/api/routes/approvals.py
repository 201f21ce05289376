"""Approvals: what people are asked to decide, and their decisions."""

from typing import Any
from uuid import UUID

from pydantic import ConfigDict
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import Body, Name, Text
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

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "approved", "comment": "Within budget."}]})


class NobodyDecides(PermissionDenied):
    """Only people decide: this key belongs to nobody, and acts on nobody's behalf."""

    code = "nobody_decides"


@routes.post(
    "/approvals/{id}/decide", **documented("Decide an approval request", "The request and its execution", results.DECIDED)
)
async def decide(call: Calling, id: UUID, body: Decision) -> Response:
    engine = call.services.engine

    def choose(view: View, who: Rights) -> Decided:
        if who.user_id is None:
            raise NobodyDecides
        return workflows.decide_approval(
            view,
            engine,
            id,
            Decider(who.user_id, who.roles, behind=who.behind),
            outcome=body.outcome,
            comment=body.comment,
            form=body.form,
            role=body.role,
            reason=body.reason,
        )

    return await call.command(commands.APPROVAL_DECIDE, choose, id, versioned="approval")


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
