"""Break-glass: deciding a request whomever it asks, whatever its rule, by who has been given the right to."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.approval.aggregate import Approval
from domain.approval.deciding import UnknownOutcome, require_pending
from domain.approval.events import MOST_TOLD, ApprovalEvent, ApprovalOverridden, ApprovalResolved, Outcome, OutcomeKind
from domain.facts import FieldError, Invalid, Json, PermissionDenied

OVERRIDE = "approvals:override"
OVERRIDE_OWN = "approvals:override_own"


class OwnRequestOverridden(PermissionDenied):
    """You asked for this decision: overriding it needs the permission approvals:override_own as well."""

    code = "own_request"


class NoReason(Invalid):
    """An override needs a reason."""

    code = "reason_required"


@dataclass(frozen=True)
class Overrider:
    """Who overrides. `behind`: who acts in fact, where somebody acts on their behalf. `may_own`: also what they asked for."""

    user_id: UUID
    behind: Collection[UUID] = ()
    may_own: bool = False


def override(
    state: Approval,
    who: Overrider,
    requesters: Collection[UUID],
    offered: Mapping[str, OutcomeKind],
    decision_id: UUID,
    *,
    outcome: str,
    reason: str,
    form: Json = None,
) -> tuple[ApprovalEvent, ...]:
    """`requesters`: who asked, and who did so on their behalf. `offered`: the request's outcomes, those of all its steps.

    Who is excluded may: to get past that is what it is for. Only who asked may not, without a right of its own.
    """
    require_pending(state)
    own = not {who.user_id, *who.behind}.isdisjoint(requesters)
    if own and not who.may_own:
        raise OwnRequestOverridden
    if not reason.strip():
        raise NoReason(path="/reason")
    if outcome not in offered:
        detail = f"The outcome must be one of: {', '.join(offered)}."
        raise UnknownOutcome(detail, "/outcome", (FieldError("/outcome", "unknown_outcome", detail),))
    passed = tuple(step.number for step in state.steps if step.status in ("waiting", "open"))
    users = (one for step in state.open_steps for one in (*_named(step.outcomes), *(each.user_id for each in step.voters or ())))
    roles = (role for each in state.outcomes for role in each.roles)
    overridden = ApprovalOverridden(
        decision_id,
        who.user_id,
        outcome,
        offered[outcome],
        reason,
        passed,
        form,
        own or None,
        tuple(dict.fromkeys(users))[:MOST_TOLD],
        tuple(dict.fromkeys(roles))[:MOST_TOLD],
        state.number,
    )
    return (overridden, ApprovalResolved(outcome, offered[outcome], (who.user_id,), form))


def _named(outcomes: Iterable[Outcome]) -> Iterable[UUID]:
    for outcome in outcomes:
        yield from outcome.users
