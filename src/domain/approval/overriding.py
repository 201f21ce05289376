"""Break-glass: deciding a request whomever it asks, whatever its rule, by who has been given the right to."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.approval.deciding import UnknownOutcome, require_pending
from domain.approval.events import MOST_TOLD, ApprovalEvent, ApprovalOverridden, ApprovalResolved, Outcome
from domain.approval.proof import Proof, require_proof
from domain.approval.state import Approval
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
    offered: Mapping[str, Outcome],
    decision_id: UUID,
    *,
    outcome: str,
    reason: str,
    form: Json = None,
    proof: Proof | None = None,
) -> tuple[ApprovalEvent, ...]:
    """`requesters`: who asked, and who did so on their behalf. `offered`: the request's outcomes, those of all its steps.

    Who is excluded may: to get past that is what it is for. Only who asked may not, without a right of its own. Nobody gets past
    the proof that an outcome asks for: to show who one is needs nobody else.
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
    chosen = offered[outcome]
    require_proof(chosen, proof)
    passed = tuple(step.number for step in state.steps if step.status in ("waiting", "open"))
    users = (one for step in state.open_steps for one in (*_named(step.outcomes), *(each.user_id for each in step.voters or ())))
    roles = (role for each in state.outcomes for role in each.roles)
    overridden = ApprovalOverridden(
        decision_id,
        who.user_id,
        outcome,
        chosen.kind,
        reason,
        passed,
        form,
        own or None,
        tuple(dict.fromkeys(users))[:MOST_TOLD],
        tuple(dict.fromkeys(roles))[:MOST_TOLD],
        state.number,
        proof=None if proof is None else proof.kind,
        proof_id=None if proof is None else proof.id,
        means=chosen.means,
    )
    return (overridden, ApprovalResolved(outcome, chosen.kind, (who.user_id,), form))


def _named(outcomes: Iterable[Outcome]) -> Iterable[UUID]:
    for outcome in outcomes:
        yield from outcome.users
