"""What people change about an open request beside deciding it: claims, who is asked, decisions that are taken back."""

from uuid import UUID

from domain.approval.deciding import (
    AskedAlready,
    Claimed,
    require_asked,
    require_open,
    require_pending,
    require_unheard,
)
from domain.approval.eligibility import Decider, Excluded
from domain.approval.events import (
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalReassigned,
    ApprovalReleased,
    ApprovalResolved,
    ApprovalRevoked,
    asks_voters,
)
from domain.approval.rules import RULES
from domain.approval.state import Approval
from domain.approval.steps import kept_apart, named, only_step
from domain.facts import RuleViolation


class NotClaimable(RuleViolation):
    """What several people decide is claimed by nobody."""

    code = "not_claimable"


class NotClaimed(RuleViolation):
    """Nobody has claimed the approval request."""

    code = "not_claimed"


class ClaimedByAnother(RuleViolation):
    """Another member has claimed the approval request."""

    code = "claimed_by_another"


class NothingToRevoke(RuleViolation):
    """You have made no decision here that could be taken back."""

    code = "nothing_to_revoke"


class NotReassignable(RuleViolation):
    """This member is not asked by name: what a role is asked cannot be taken from one of its members."""

    code = "not_reassignable"


class NotRequester(RuleViolation):
    """Only who asked for the decision may do this."""

    code = "not_requester"


class NotWithdrawable(RuleViolation):
    """The approval request has no outcome of the kind withdraw."""

    code = "not_withdrawable"


def claim(state: Approval, decider: Decider, step: str | None = None, *, override: bool = False) -> ApprovalClaimed | None:
    """None: it is theirs already. `override`: also where another one has claimed it."""
    require_pending(state)
    place = only_step(state, step)
    require_asked(state, decider, (place,))
    if RULES[place.rule["type"]].counts:
        raise NotClaimable
    if place.claimed_by == decider.voter:
        return None
    if place.claimed_by is not None and not override:
        raise Claimed
    return ApprovalClaimed(decider.voter, place.number, place.claimed_by)


def release(state: Approval, user_id: UUID | None, step: str | None = None, comment: str | None = None) -> ApprovalReleased:
    """`user_id`: who releases their own; None: somebody who may release everybody's."""
    require_pending(state)
    place = only_step(state, step)
    if place.claimed_by is None:
        raise NotClaimed
    if user_id not in (None, place.claimed_by):
        raise ClaimedByAnother
    return ApprovalReleased(place.claimed_by, place.number, comment)


def reassign(
    state: Approval, from_user_id: UUID, to_user_id: UUID, step: str | None = None, comment: str | None = None
) -> ApprovalReassigned:
    """Whether the other one can decide at all, and who may reassign, was asked before."""
    require_pending(state)
    place = only_step(state, step)
    names = [outcome.users for outcome in place.outcomes]
    asked = {voter.user_id for voter in place.voters or ()}
    if from_user_id not in asked and not any(from_user_id in users for users in names):
        raise NotReassignable(path="/from_user_id")
    if any(from_user_id in decision.people for decision in place.decisions):
        raise NotReassignable("This member has decided already.", "/from_user_id")
    require_unheard(place, to_user_id, "/to_user_id")
    counted = [outcome for outcome in place.outcomes if asks_voters(outcome, place.outcomes)]
    if any(to_user_id in outcome.exclude for outcome in counted) or to_user_id in kept_apart(state, place):
        raise Excluded("This member is excluded.", "/to_user_id")
    if to_user_id in asked or any(to_user_id in users for users in names):
        raise AskedAlready(path="/to_user_id")
    return ApprovalReassigned(from_user_id, to_user_id, place.number, comment)


def revoke(state: Approval, user_id: UUID, step: str | None = None, comment: str | None = None) -> ApprovalRevoked:
    """One's own decision, while what it is about is open."""
    require_pending(state)
    for place in state.open_steps if step is None else (named(state, step, state.open_steps),):
        for decision in place.decisions:
            if decision.user_id == user_id:
                return ApprovalRevoked(decision.decision_id, user_id, decision.kind, place.number, comment)
    raise NothingToRevoke


def require_requester(state: Approval, people: frozenset[UUID] | None) -> None:
    """`people`: those who act; None: somebody who may do so for everybody."""
    if people is not None and state.requested_by not in people:
        raise NotRequester


def withdraw(state: Approval, people: frozenset[UUID] | None, reason: str | None = None) -> ApprovalResolved | ApprovalCancelled:
    """By who asked for the decision: `people` are those who act. None: somebody who may withdraw what others have asked for.

    Where no execution waits for an outcome, there need be none of the kind `withdraw`.
    """
    require_open(state)
    require_requester(state, people)
    for outcome in (outcome for step in state.begun_steps for outcome in step.outcomes):
        if outcome.kind == "withdraw":
            return ApprovalResolved(outcome.name, outcome.kind)
    if state.own is None:
        raise NotWithdrawable
    return ApprovalCancelled(reason)
