"""Delegations: who may decide in whose place, from when to when, and for what."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Id, Name, Reason, Text, Time
from api.problems import Problem, not_found
from api.queries import delegations as queries
from api.reads import Question, Read
from api.routing import router
from api.schemas import resources, results
from domain import delegation
from domain.access import Rights
from domain.delegation import LONGEST_CONDITION, MOST_WORKFLOWS
from domain.facts import Decided, View
from engine.delegating import require_condition

routes = router("delegations")

EXAMPLE: Any = {
    "to_user_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "kind": "absence",
    "ends_at": "2026-08-31T00:00:00Z",
    "condition": "request.context.amount <= 5000",
    "reason": "On leave",
}


class NewDelegation(Body):
    from_user_id: Id | None = None
    to_user_id: Id
    kind: Literal["delegation", "absence"] = "delegation"
    starts_at: Time | None = None
    ends_at: Time | None = None
    workflows: Annotated[list[Name], Field(max_length=MOST_WORKFLOWS)] = Field(default_factory=list)
    condition: Annotated[str | None, Field(min_length=1, max_length=LONGEST_CONDITION)] = None
    reason: Text | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


@routes.post(
    "/delegations",
    status_code=201,
    **documented("Have a member stand in for another", "The delegation", results.DELEGATION_RESULT, creates=True),
)
async def give(call: Calling, body: NewDelegation) -> Response:
    """Without `from_user_id` one's own, which needs `approvals:decide`; those of others need `approvals:manage`."""
    person = body.from_user_id or call.session.rights.user_id
    if person is None:
        raise Problem.at("/from_user_id", "required", "Whose decisions? This key belongs to nobody.")
    if body.condition is not None:
        require_condition(call.services.engine.evaluator, body.condition)

    def decide(view: View, who: Rights) -> Decided:
        _require(who, person)
        return delegation.give(
            view,
            person,
            body.to_user_id,
            body.kind,
            body.starts_at,
            body.ends_at,
            body.workflows,
            body.condition,
            body.reason,
        )

    return await call.command(
        _spec(commands.DELEGATION_GIVE, call.session.rights, person), decide, status=201, location="/v1/delegations/{id}"
    )


@routes.get("/delegations", **paged("List delegations", queries.DELEGATIONS, resources.DELEGATION))
async def list_delegations(call: Calling) -> Response:
    call.require("approvals:read")
    return await call.page(queries.DELEGATIONS)


@routes.get("/delegations/{id}", **documented("Get a delegation", "The delegation", resources.DELEGATION, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    call.require("approvals:read")
    return await call.one(queries.DELEGATION, {"id": id})


@routes.delete(
    "/delegations/{id}", **documented("Take a delegation back, or give it back", "How it ended", results.DELEGATION_RESULT)
)
async def end(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """Either of the two may (`approvals:decide`), and who may manage those of others (`approvals:manage`)."""
    question = Question(queries.PARTIES, {"tenant_id": call.tenant_id, "id": id}, by_key=True)
    (rows,) = (await call.services.reads.ask(Read(call.tenant_id), [question])).rows
    if not rows:
        spec = _spec(commands.DELEGATION_END, call.session.rights)
        await call.authorize(spec, id)
        raise not_found()
    giver, taker = rows[0]["from_user_id"], rows[0]["to_user_id"]

    def decide(view: View, who: Rights) -> Decided:
        _require(who, giver, taker)
        return delegation.end(view, giver, id, who.user_id, body.reason)

    spec = _spec(commands.DELEGATION_END, call.session.rights, giver, taker)
    return await call.command(spec, decide, delegation.delegations_of(call.tenant_id, giver))


def _is_one_of(who: Rights, people: tuple[UUID, ...]) -> bool:
    """In their own name, not by somebody who acts on their behalf."""
    return who.user_id in people and not who.delegated


def _spec(spec: CommandSpec, who: Rights, *people: UUID) -> CommandSpec:
    return spec.for_themselves("approvals:decide") if _is_one_of(who, people) else spec


def _require(who: Rights, *people: UUID) -> None:
    """Asked again in the decision: whose key it is may have changed."""
    who.require("approvals:decide" if _is_one_of(who, people) else "approvals:manage")
