"""Who stands in for whom on a request: the conditions of delegations are evaluated over what it asks."""

from collections.abc import Collection, Mapping
from uuid import UUID

from domain.approval import Decider, NotEligible
from domain.delegation import LONGEST_CONDITION, Delegation, way
from domain.facts import FieldError, Invalid, Json, View
from engine.context import Engine
from engine.expressions import Evaluator, ExpressionError
from engine.nodes.kind import object_schema

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


def standing_in(
    view: View,
    engine: Engine,
    decider: Decider,
    person: UUID,
    roles: Collection[str],
    request: Mapping[str, Json],
    barred: Collection[UUID],
) -> Decider:
    """The decider in the place of a person, whose roles these are. Raises NoDelegation. `barred`: who may not pass it on.

    Whoever passed the delegation on is behind the decision as well: who may not decide does not choose who does.
    """

    def applies(one: Delegation) -> bool:
        if one.workflows and request["workflow_key"] not in one.workflows:
            return False
        try:
            return one.condition is None or engine.evaluator.evaluate_bool(one.condition, {"request": request}, view.effort)
        except ExpressionError:
            return False  # it says nothing of such a request, so it permits nothing

    found = way(view, person, decider.user_id, applies, {*barred} - {person, decider.user_id})
    if found is None:
        raise NoDelegation(path="/on_behalf_of")
    return Decider(decider.user_id, roles, person, (*decider.behind, *found[1:-1]))
