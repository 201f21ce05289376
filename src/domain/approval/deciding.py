"""One person's decision on a request, and what the request comes to by it."""

from uuid import UUID

from domain.approval.aggregate import Approval, evolve
from domain.approval.eligibility import Decider, acting_role
from domain.approval.events import ApprovalDecided, ApprovalEvent, ApprovalResolved, Outcome, asks_voters
from domain.approval.rules import outcome_of, weight_of
from domain.facts import FieldError, Invalid, Json, NotFound, RuleViolation


class NoSuchApproval(NotFound):
    """There is no such approval request."""


class ApprovalClosed(RuleViolation):
    """The approval request is no longer pending."""

    code = "approval_closed"


class UnknownOutcome(Invalid):
    """The approval request does not offer this outcome."""

    code = "unknown_outcome"


class AlreadyDecided(RuleViolation):
    """You have decided on this approval request already."""

    code = "already_decided"


def offered(state: Approval, name: str) -> Outcome:
    """The outcome of a pending request by its name."""
    if state.status == "absent":
        raise NoSuchApproval
    if state.status != "pending":
        raise ApprovalClosed(f"The approval request is {state.status}.")
    for outcome in state.outcomes:
        if outcome.name == name:
            return outcome
    names = ", ".join(outcome.name for outcome in state.outcomes)
    detail = f"The outcome must be one of: {names}."
    raise UnknownOutcome(detail, "/outcome", (FieldError("/outcome", "unknown_outcome", detail),))


def missing_parts(outcome: Outcome, comment: str | None, reason: str | None) -> tuple[FieldError, ...]:
    """What the outcome takes with it and does not get, or gets and does not take; its form apart."""
    found = []
    if outcome.comment == "required" and not (comment or "").strip():
        found.append(FieldError("/comment", "required", f"{outcome.name} needs a comment."))
    if outcome.reasons and reason is None:
        found.append(FieldError("/reason", "required", f"{outcome.name} needs a reason: {', '.join(outcome.reasons)}."))
    elif reason is not None and reason not in outcome.reasons:
        told = f"one of: {', '.join(outcome.reasons)}" if outcome.reasons else f"left out: {outcome.name} takes none"
        found.append(FieldError("/reason", "unknown_reason", f"The reason must be {told}."))
    return tuple(found)


def decide(
    state: Approval,
    decider: Decider,
    outcome_name: str,
    decision_id: UUID,
    *,
    role: str | None = None,
    comment: str | None = None,
    form: Json = None,
    reason: str | None = None,
) -> tuple[ApprovalEvent, ...]:
    """One person's decision and, where the rule now has its answer, the resolution. What goes with it was validated before.

    One person decides once, for themselves or by somebody who stands in for them.
    """
    chosen = offered(state, outcome_name)
    role = acting_role(chosen, decider, role, state.voters if asks_voters(chosen, state.outcomes) else None)
    if any(not decision.people.isdisjoint((decider.user_id, decider.voter)) for decision in state.decisions):
        raise AlreadyDecided
    decided = ApprovalDecided(
        decision_id,
        decider.user_id,
        chosen.name,
        chosen.kind,
        role=role,
        on_behalf_of=decider.on_behalf_of,
        comment=comment,
        form=form,
        reason=reason,
        weight=_weight(state, decider, role),
    )
    after = evolve(state, decided)
    resolution = outcome_of(after.rule, after.outcomes, after.votes, after.voters)
    if resolution is None:
        return (decided,)
    outcome = offered(after, resolution)
    before = tuple(each.user_id for each in state.decisions if each.kind == outcome.kind)
    return (decided, ApprovalResolved(outcome.name, outcome.kind, (*before, decider.user_id), form))


def _weight(state: Approval, decider: Decider, role: str | None) -> int:
    """By a rule of weights; that of the people who were asked was fixed when they were."""
    if state.voters is None:
        return weight_of(state.rule, decider.voter, role)
    return next((voter.weight for voter in state.voters if voter.user_id == decider.voter), 1)
