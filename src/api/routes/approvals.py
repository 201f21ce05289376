"""Approvals: what people are asked to decide, and their decisions."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands, proving, waiter
from api.archived import told_where_it_is
from api.attachments import Attachments, attachments
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.drafting import drop_with_decision
from api.listing import PAST
from api.models import NO_REASON, Body, Id, Name, Reason, Text
from api.names import as_seen_by
from api.queries import approvals as queries
from api.routing import router
from api.schemas import resources, results
from api.waiting import WAIT, row_when_over
from api.withheld import without_withheld
from domain.access import Asking, DeactivatedUser, NotAMember, Rights, SuspendedMember, standing
from domain.approval import APPROVAL
from domain.approval.overriding import OVERRIDE_OWN, Overrider
from domain.facts import Decided, PermissionDenied, View
from engine import engine as workflows
from engine.delegating import NoDelegation, standing_in
from engine.engine import Decider
from engine.proving import Presented

routes = router("approvals")
DONE = "The request and its execution"
Choose: TypeAlias = Callable[[View, Asking], Decided]
"""A decision for whoever asks."""


class Decision(Body):
    outcome: Name
    comment: Text | None = None
    form: Any = None
    role: Name | None = None
    reason: Name | None = None
    step: Name | None = None
    on_behalf_of: Id | None = None
    attachments: Attachments | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcome": "approved", "comment": "Within budget."}]})


class SendingBack(Body):
    step: Annotated[Name | None, Field(description="Without it: to whoever asked, to be changed.")] = None
    comment: Annotated[str, Field(min_length=1, max_length=10_000)]
    on_behalf_of: Id | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"step": "manager", "comment": "The sum has changed."}]})


class Addition(Body):
    user_id: Id
    step: Name | None = None
    comment: Text | None = None
    on_behalf_of: Id | None = None


class Claiming(Body):
    step: Name | None = None
    override: bool = False


class Remark(Body):
    step: Name | None = None
    comment: Text | None = None


CLAIMING, NO_REMARK = Claiming(), Remark()


class Reassignment(Body):
    from_user_id: Id
    to_user_id: Id
    step: Name | None = None
    comment: Text | None = None


class Overriding(Body):
    outcome: Name
    reason: Annotated[str, Field(min_length=1, max_length=10_000)]
    form: Any = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"outcome": "approved", "reason": "The whole board is ill, and the press stands still."}]}
    )


class NobodyDecides(PermissionDenied):
    """Only people decide, and talk about it: this key belongs to nobody, and acts on nobody's behalf."""

    code = "nobody_decides"


@routes.post(
    "/approvals/{id}/decide", **documented("Decide an approval request", DONE, results.DECIDED, query=[proving.PARAMETER])
)
async def decide(call: Calling, id: UUID, body: Decision) -> Response:
    """`on_behalf_of`: the member for whom one stands in, by a delegation of theirs that holds now."""
    shown, body = await proving.presented(call), await without_withheld(call, id, body)
    answer = await _moved(call, commands.APPROVAL_DECIDE, id, deciding(call.services.engine, id, body, shown))
    await drop_with_decision(call, id, body.step)
    return answer


def deciding(engine: workflows.Engine, id: UUID, body: Decision, shown: Presented | None = None) -> Choose:
    def choose(view: View, asking: Asking) -> Decided:
        given = body.model_dump(exclude={"form", "on_behalf_of", "attachments"})
        given["attachments"] = attachments(body.attachments)
        who = decider(view, engine, id, asking, body.on_behalf_of)
        return workflows.decide_approval(view, engine, id, who, form=body.form, presented=shown, **given)

    return choose


@routes.post(
    "/approvals/{id}/return",
    **documented("Send an approval request back to a step", DONE, results.DECIDED),
)
async def send_back(call: Calling, id: UUID, body: SendingBack) -> Response:
    engine = call.services.engine

    def returns(view: View, asking: Asking) -> Decided:
        who = decider(view, engine, id, asking, body.on_behalf_of)
        return workflows.return_approval(view, engine, id, who, step=body.step, comment=body.comment)

    return await _moved(call, commands.APPROVAL_RETURN, id, returns)


@routes.post(
    "/approvals/{id}/add-approver",
    **documented("Ask one more to decide an approval request", DONE, results.DECIDED),
)
async def add_approver(call: Calling, id: UUID, body: Addition) -> Response:
    engine = call.services.engine

    def adds(view: View, asking: Asking) -> Decided:
        person = decider(view, engine, id, asking, body.on_behalf_of)
        manages = asking.who.allows("approvals:manage") and body.on_behalf_of is None
        who = None if manages else person
        return workflows.add_approver(view, engine, id, who, body.user_id, step=body.step, comment=body.comment)

    return await _moved(call, commands.APPROVAL_ADD_APPROVER, id, adds)


@routes.post("/approvals/{id}/claim", **documented("Take an approval request on", DONE, results.DECIDED))
async def claim(call: Calling, id: UUID, body: Annotated[Claiming, Default()] = CLAIMING) -> Response:
    return await _moved(call, commands.APPROVAL_CLAIM, id, claiming(call.services.engine, id, body))


def claiming(engine: workflows.Engine, id: UUID, body: Claiming) -> Choose:
    def claims(view: View, asking: Asking) -> Decided:
        if body.override:
            asking.who.require("approvals:manage")
        return workflows.claim_approval(
            view, engine, id, decider(view, engine, id, asking, None), step=body.step, override=body.override
        )

    return claims


@routes.post("/approvals/{id}/release", **documented("Give an approval request back", DONE, results.DECIDED))
async def release(call: Calling, id: UUID, body: Annotated[Remark, Default()] = NO_REMARK) -> Response:
    return await _moved(call, commands.APPROVAL_RELEASE, id, releasing(call.services.engine, id, body))


def releasing(engine: workflows.Engine, id: UUID, body: Remark) -> Choose:
    def releases(view: View, asking: Asking) -> Decided:
        person = decider(view, engine, id, asking, None)
        whose = None if asking.who.allows("approvals:manage") else person.user_id
        return workflows.release_approval(view, engine, id, whose, step=body.step, comment=body.comment)

    return releases


@routes.post("/approvals/{id}/revoke", **documented("Take one's decision back", DONE, results.DECIDED))
async def revoke(call: Calling, id: UUID, body: Annotated[Remark, Default()] = NO_REMARK) -> Response:
    engine = call.services.engine

    def revokes(view: View, asking: Asking) -> Decided:
        return workflows.revoke_decision(
            view, engine, id, decider(view, engine, id, asking, None).user_id, step=body.step, comment=body.comment
        )

    return await _moved(call, commands.APPROVAL_REVOKE, id, revokes)


@routes.post("/approvals/{id}/reassign", **documented("Ask another member in the place of one", DONE, results.DECIDED))
async def reassign(call: Calling, id: UUID, body: Reassignment) -> Response:
    return await _moved(call, commands.APPROVAL_REASSIGN, id, reassigning(call.services.engine, id, body))


def reassigning(engine: workflows.Engine, id: UUID, body: Reassignment) -> Choose:
    def reassigns(view: View, _asking: Asking) -> Decided:
        return workflows.reassign_approval(view, engine, id, **body.model_dump())

    return reassigns


@routes.post(
    "/approvals/{id}/override",
    **documented("Decide an approval request whomever it asks", DONE, results.DECIDED, query=[proving.PARAMETER]),
)
async def override(call: Calling, id: UUID, body: Overriding) -> Response:
    """Break-glass: recorded as critical, and told to those who wish for `approval.overridden`. Not of one's own request, without
    the permission approvals:override_own."""
    engine, shown = call.services.engine, await proving.presented(call)

    def overrides(view: View, asking: Asking) -> Decided:
        who = asking.who
        if who.user_id is None:
            raise NobodyDecides
        overrider = Overrider(who.user_id, who.behind, who.allows(OVERRIDE_OWN))
        return workflows.override_approval(view, engine, id, overrider, presented=shown, **body.model_dump())

    return await _moved(call, commands.APPROVAL_OVERRIDE, id, overrides)


@routes.post("/approvals/{id}/withdraw", **documented("Withdraw what one has asked for", DONE, results.DECIDED))
async def withdraw(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """One that no execution asks for needs approvals:request, or approvals:manage where somebody else asked for it."""
    engine = call.services.engine

    def withdraws(view: View, asking: Asking) -> Decided:
        return workflows.withdraw_approval(view, engine, id, requesters(view, id, asking.who), body.reason)

    held = (each for each in ("approvals:request", "approvals:manage") if call.session.rights.allows(each))
    spec = commands.APPROVAL_WITHDRAW
    return await _moved(call, next(map(spec.for_themselves, held), spec), id, withdraws)


def requesters(view: View, request_id: UUID, who: Rights) -> frozenset[UUID] | None:
    """In whose name they withdraw, recall or resubmit; None: everybody's. Where an execution asks, who may start it may do so."""
    if view.read(APPROVAL, request_id).own is None:
        who.require("executions:start")
    elif who.allows("approvals:manage"):
        return None
    else:
        who.require("approvals:request")
    return frozenset(() if who.user_id is None else (who.user_id,))


def decider(view: View, engine: workflows.Engine, request_id: UUID, asking: Asking, on_behalf_of: UUID | None) -> Decider:
    """Who decides on a request: for themselves, or for the member for whom they stand in. Raises NobodyDecides, NoDelegation."""
    who = asking.who
    if who.user_id is None:
        raise NobodyDecides
    themselves = Decider(who.user_id, who.roles, behind=who.behind, acting=who.acting)
    if on_behalf_of in (None, who.user_id):
        return themselves
    try:
        person = standing(view, on_behalf_of, asking.platform)
    except (NotAMember, SuspendedMember, DeactivatedUser):
        raise NoDelegation(path="/on_behalf_of") from None
    return standing_in(view, engine, request_id, themselves, person)


async def _moved(call: Calling, spec: CommandSpec, id: UUID, decide: Callable[[View, Asking], Decided]) -> Response:
    done = await call.handle(spec, call.to_command(call.tenant_id, spec, id), decide)
    proving.require_proven(done)
    return call.answer(done, call.tenant_id, versioned="approval")


@routes.get("/approvals", **paged("List approval requests", queries.approvals(1), resources.APPROVAL_SUMMARY))
async def list_approvals(call: Calling) -> Response:
    call.require("approvals:read")
    rights = call.session.rights
    me = [("anyone", ""), *(("role", role) for role in sorted(rights.roles))]
    if rights.user_id is not None:
        me.append(("user", str(rights.user_id)))
    return await call.page(
        queries.approvals(len(me)),
        shown=as_seen_by(rights),
        me=rights.user_id,
        my_kinds=[kind for kind, _ in me],
        my_values=[value for _, value in me],
        my_ids=[*map(str, rights.people)],
        of_others=False,
        now=call.services.clock.now(),
    )


@routes.get(
    "/approvals/{id}",
    **documented("Get an approval request", "The request and its decisions", resources.APPROVAL, parameters=[WAIT, *PAST]),
)
async def get(call: Calling, id: UUID) -> Response:
    """`wait`: until it is no longer pending."""
    call.require("approvals:read")
    async with told_where_it_is(call, request_id=id):
        row, answer = await row_when_over(call, queries.APPROVAL, id, waiter.APPROVAL)
    return call.shown(as_seen_by(call.session.rights)(row), answer)
