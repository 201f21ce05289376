"""Who stands in for whom on a request: the conditions of delegations are evaluated over what it asks."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from uuid import UUID

from domain.access import Rights
from domain.approval import APPROVAL, Approval, Decider, NotEligible, require_pending
from domain.delegation import DELEGATION, LONGEST_CONDITION, Delegation, delegations_of, way
from domain.facts import FieldError, Invalid, Json, View
from engine.context import Engine
from engine.executions import read_live
from engine.expressions import Evaluator, ExpressionError
from engine.nodes.kind import object_schema

DECIDE = "approvals:decide"
REQUEST = object_schema(
    {
        "workflow_key": {"type": "string"},
        "node_id": {"type": "string"},
        "title": {"type": "string"},
        "priority": {"type": "integer"},
        "requested_by": {"type": ["string", "null"]},
        "context": True,
    }
)
"""`request`, as the condition of a delegation sees it."""


class NoDelegation(NotEligible):
    """You do not stand in for this member on this request now."""

    code = "no_delegation"


def require_condition(evaluator: Evaluator, condition: str) -> None:
    """Raises Invalid where it is no CEL over `request` that comes to true or false."""
    faults = tuple(
        FieldError("/condition", found.code, found.message)
        for found in evaluator.check(condition, {"request": REQUEST}, "bool")
        if found.severity == "error"
    )
    if len(condition) > LONGEST_CONDITION:
        faults = (FieldError("/condition", "too_long", f"A condition has at most {LONGEST_CONDITION} characters."),)
    if faults:
        raise Invalid("This is not a condition over `request`.", "/condition", faults)


def standing_in(view: View, engine: Engine, request_id: UUID, decider: Decider, person: Rights) -> Decider:
    """The decider in the place of a person, in whose roles they decide, where a delegation of now leads from one to the other.

    Whoever passed it on must not be excluded either: who may not decide does not choose who does. Raises NoDelegation.
    """
    approval = view.read(APPROVAL, request_id)
    require_pending(approval)
    assert person.user_id is not None
    request = {"workflow_key": _workflow_of(view, approval), **approval.asks}
    excluded = {one for outcome in approval.outcomes for one in outcome.exclude}
    found = way_to(view, engine, request, person.user_id, decider.user_id, excluded) if person.allows(DECIDE) else None
    if found is None:
        raise NoDelegation(path="/on_behalf_of")
    return replace(decider, roles=person.roles, on_behalf_of=person.user_id, through=found[1:-1])


def substitutes_of(view: View, engine: Engine, request_id: UUID, person: UUID) -> frozenset[UUID]:
    """Who may decide in a member's place now: those to whom they delegated it themselves."""
    given = view.read(DELEGATION, delegations_of(view.tenant_id, person)).given
    asked = {one.to for one in given if one.in_force(view.now)}
    if not asked:
        return frozenset()
    approval = view.read(APPROVAL, request_id)
    request = {"workflow_key": _workflow_of(view, approval), **approval.asks}
    excluded = {one for outcome in approval.outcomes for one in outcome.exclude}
    applies = partial(_applies, view, engine, request)
    return frozenset(one for one in asked - excluded if way(view, person, one, applies, excluded - {person}) is not None)


def applying(view: View, engine: Engine, approval: Approval, workflow_key: str) -> Callable[[Delegation], bool]:
    """Whether a delegation is for this request."""
    return partial(_applies, view, engine, {"workflow_key": workflow_key, **approval.asks})


def way_to(
    view: View, engine: Engine, request: Mapping[str, Json], person: UUID, substitute: UUID, excluded: Collection[UUID]
) -> tuple[UUID, ...] | None:
    """By whom it came that one may stand in for the other on a request now; None where they may not."""
    applies = partial(_applies, view, engine, request)
    return way(view, person, substitute, applies, {*excluded} - {person, substitute})


def _workflow_of(view: View, approval: Approval) -> str:
    """Empty where no execution asks."""
    if approval.execution_id is None:
        return ""
    started = read_live(view, approval.execution_id).started
    assert started is not None
    return started.workflow_key


def _applies(view: View, engine: Engine, request: Mapping[str, Json], one: Delegation) -> bool:
    if one.workflows and request["workflow_key"] not in one.workflows:
        return False
    try:
        return one.condition is None or engine.evaluator.evaluate_bool(one.condition, {"request": request}, view.effort)
    except ExpressionError:
        return False  # it says nothing of such a request, so it permits nothing
