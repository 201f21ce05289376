"""One person's decision on a request, and what the request comes to by it."""

from typing import NamedTuple
from uuid import UUID

from domain.approval.content import Attachment
from domain.approval.eligibility import Decider, NotEligible, acting_role
from domain.approval.events import ApprovalDecided, ApprovalEvent, ApproverAdded, Outcome, asks_voters
from domain.approval.evolving import evolve
from domain.approval.proof import Proof, require_proof
from domain.approval.rules import weight_of
from domain.approval.state import Approval, Step
from domain.approval.steps import kept_apart, named, only_step, settled
from domain.facts import FieldError, Invalid, Json, NotFound, Refusal, RuleViolation


class NoSuchApproval(NotFound):
    """There is no such approval request."""


class ApprovalClosed(RuleViolation):
    """The approval request is no longer pending."""

    code = "approval_closed"


class WithRequester(RuleViolation):
    """The approval request is with whoever asked: nobody decides until it is resubmitted."""

    code = "with_requester"


class UnknownOutcome(Invalid):
    """The approval request does not offer this outcome."""

    code = "unknown_outcome"


class AlreadyDecided(RuleViolation):
    """You have decided on this approval request already."""

    code = "already_decided"


class Claimed(RuleViolation):
    """Another member has claimed the approval request."""

    code = "claimed"


class NobodyIsAdded(RuleViolation):
    """Nobody can be added to those who are asked here."""

    code = "not_ad_hoc"


class AskedAlready(RuleViolation):
    """This member is one of those who are asked already."""

    code = "asked_already"


class Place(NamedTuple):
    """Where somebody decides: the step, the outcome that they choose, and the role in which they do."""

    step: Step
    outcome: Outcome
    role: str | None


def require_pending(state: Approval) -> None:
    require_open(state)
    if state.status != "pending":
        raise WithRequester


def require_open(state: Approval) -> None:
    """Also where it is with its requester."""
    require_there(state)
    if not state.open:
        raise ApprovalClosed(f"The approval request is {state.status}.")


def require_there(state: Approval) -> None:
    if state.status == "absent":
        raise NoSuchApproval


def place_of(state: Approval, decider: Decider, outcome_name: str, role: str | None = None, step: str | None = None) -> Place:
    """Where they decide who choose an outcome: in the first of the open steps in which they may, or in the one that they name."""
    require_pending(state)
    asked = state.open_steps if step is None else (named(state, step, state.open_steps),)
    offering = [(each, outcome) for each in asked for outcome in each.outcomes if outcome.name == outcome_name]
    if not offering:
        names = ", ".join(dict.fromkeys(outcome.name for each in asked for outcome in each.outcomes))
        detail = f"The outcome must be one of: {names}."
        raise UnknownOutcome(detail, "/outcome", (FieldError("/outcome", "unknown_outcome", detail),))
    refusals: list[Refusal] = []
    for each, outcome in offering:
        try:
            return Place(each, outcome, _role_in(state, each, outcome, decider, role))
        except (NotEligible, AlreadyDecided, Claimed) as refusal:
            refusals.append(refusal)
    raise next((each for each in refusals if isinstance(each, AlreadyDecided | Claimed)), refusals[0])


def require_asked(state: Approval, decider: Decider, steps: tuple[Step, ...]) -> None:
    """That they may choose an outcome in one of these steps, whether or not they have. Raises NotEligible."""
    refusal: NotEligible | None = None
    for step in steps:
        for outcome in step.outcomes:
            try:
                _may_in(state, step, outcome, decider, None)
            except NotEligible as one:
                refusal = refusal or one
            else:
                return
    raise refusal or NotEligible("You are not one of those who are asked.")


def require_unheard(step: Step, user_id: UUID, path: str) -> None:
    """Who is to be asked in a step has not had their say in it, by a decision in the place of another."""
    if any(user_id in decision.people for decision in step.decisions):
        raise AlreadyDecided("This member has decided here already, in the place of another.", path)


def _role_in(state: Approval, step: Step, outcome: Outcome, decider: Decider, role: str | None) -> str | None:
    """One person decides once in a step, for themselves or by somebody who stands in for them."""
    acting = _may_in(state, step, outcome, decider, role)
    if step.claimed_by is not None and decider.voter != step.claimed_by:
        raise Claimed
    if any(not decision.people.isdisjoint(decider.people) for decision in step.decisions):
        raise AlreadyDecided
    return acting


def _may_in(state: Approval, step: Step, outcome: Outcome, decider: Decider, role: str | None) -> str | None:
    voters = step.voters if asks_voters(outcome, step.outcomes) else None
    return acting_role(outcome, decider, role, voters, kept_apart(state, step))


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
    step: str | None = None,
    link_id: UUID | None = None,
    proof: Proof | None = None,
    attachments: tuple[Attachment, ...] = (),
) -> tuple[ApprovalEvent, ...]:
    """One person's decision and, where the rule now has its answer, the resolution of the step or of the request.

    What goes with it was validated before. A request in steps may have others to begin after this (`steps.to_begin`). `link_id`:
    of the link by which it is made. `proof`: what was shown, where the outcome asks for it.
    """
    place, chosen, role = place_of(state, decider, outcome_name, role, step)
    require_proof(chosen, proof)
    decided = ApprovalDecided(
        decision_id,
        decider.user_id,
        chosen.name,
        chosen.kind,
        place.number,
        role,
        decider.on_behalf_of,
        comment,
        form,
        reason,
        _weight(place, decider, role),
        decider.through or None,
        via=None if link_id is None else "link",
        link_id=link_id,
        proof=None if proof is None else proof.kind,
        proof_id=None if proof is None else proof.id,
        means=chosen.means,
        attachments=attachments,
        request_version=state.number,
        acting=decider.acting,
    )
    return (decided, *settled(evolve(state, decided), place.number, form))


def _weight(step: Step, decider: Decider, role: str | None) -> int:
    """By a rule of weights; that of the people who were asked was fixed when they were."""
    if step.voters is None:
        return weight_of(step.rule, decider.voter, role)
    return next((voter.weight for voter in step.voters if voter.user_id == decider.voter), 1)


def add_approver(
    state: Approval, added_by: UUID | None, user_id: UUID, step: str | None = None, comment: str | None = None
) -> ApproverAdded:
    """One more who is asked, where that is allowed. Whether they can decide at all, and who may add them, was asked before."""
    require_pending(state)
    place = only_step(state, step)
    if not place.ad_hoc:
        raise NobodyIsAdded(path="/step" if step else None)
    counted = [outcome for outcome in place.outcomes if asks_voters(outcome, place.outcomes)]
    if any(user_id in outcome.exclude for outcome in counted) or user_id in kept_apart(state, place):
        raise NotEligible("This member is excluded.", "/user_id")
    named_already = any(user_id in outcome.users for outcome in counted)
    if named_already or any(voter.user_id == user_id for voter in place.voters or ()):
        raise AskedAlready(path="/user_id")
    require_unheard(place, user_id, "/user_id")
    return ApproverAdded(user_id, added_by, place.number, comment)
