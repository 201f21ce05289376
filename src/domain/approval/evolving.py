"""What each event makes of an approval request."""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never
from uuid import UUID

from domain.approval.events import (
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalCommentDeleted,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalOverdue,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReleased,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalSentToRequester,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
    ApprovalUnwatched,
    ApprovalWatched,
    ApproverAdded,
    Asked,
    Outcome,
    Voter,
    asks_voters,
)
from domain.approval.state import Approval, OwnRequest, Step
from domain.approval.thread import spoken
from domain.approval.times import WHOLE, Clock, changed, without


def evolve(state: Approval, event: ApprovalEvent) -> Approval:
    return _timed(_evolved(state, event), event)


def _evolved(state: Approval, event: ApprovalEvent) -> Approval:
    match event:
        case ApprovalRequested():
            return _requested(event)
        case ApprovalStepStarted():
            return _step(state, event.step, lambda step: _started(step, event))
        case ApprovalStepSkipped():
            return _step(state, event.step, lambda step: replace(step, status="skipped"))
        case ApprovalDecided():
            return _step(state, event.step, lambda step: replace(step, decisions=(*step.decisions, event)))
        case ApprovalStepCompleted():
            return _step(state, event.step, lambda step: replace(step, status="completed", voters=None, form=None, result=event))
        case ApprovalReturned():
            for number in event.steps:
                state = _step(state, number, _anew)
            return state
        case ApproverAdded():
            return _step(state, event.step, lambda step: _with(step, event.user_id))
        case ApprovalClaimed():
            return _step(state, event.step, lambda step: replace(step, claimed_by=event.user_id))
        case ApprovalReleased():
            return _step(state, event.step, lambda step: replace(step, claimed_by=None))
        case ApprovalReassigned():
            return _step(state, event.step, lambda step: _reassigned(step, event.from_user_id, event.to_user_id))
        case ApprovalRevoked():
            return _step(state, event.step, lambda step: _without(step, event.decision_id))
        case ApprovalOverridden():
            steps = tuple(replace(step, status="overridden") if step.number in event.steps else step for step in state.steps)
            return replace(state, steps=steps, overridden_by=event.user_id)
        case ApprovalEscalated():
            return _step(state, event.step, lambda step: _escalated(step, event)) if event.outcomes else state
        case ApprovalReminded() | ApprovalOverdue():
            return state
        case ApprovalRecalled() | ApprovalSentToRequester():
            return replace(state, status="with_requester")
        case ApprovalResubmitted():
            return _resubmitted(state, event)
        case (
            ApprovalQuestionAsked()
            | ApprovalQuestionAnswered()
            | ApprovalCommented()
            | ApprovalCommentEdited()
            | ApprovalCommentDeleted()
        ):
            return replace(state, thread=spoken(state.thread, event))
        case ApprovalWatched():
            return replace(state, watchers=(*state.watchers, event.user_id))
        case ApprovalUnwatched():
            return replace(state, watchers=tuple(one for one in state.watchers if one != event.user_id))
        case ApprovalResolved():
            return replace(state, status="resolved", resolution=event)
        case ApprovalCancelled():
            return replace(state, status="cancelled")
        case ApprovalExpired():
            return replace(state, status="expired")
        case _:
            assert_never(event)


def _timed(state: Approval, event: ApprovalEvent) -> Approval:
    """Which moments are to come."""
    clocks, turn = state.clocks, state.turn
    match event:
        case ApprovalRequested() if event.times is not None:
            clocks = (Clock(WHOLE if event.steps else 1, event.times, event.due),)
        case ApprovalStepStarted() if event.times is not None:
            clocks, turn = (*clocks, Clock(event.step, event.times, event.due)), event.times.turn
        case ApprovalRecalled() | ApprovalSentToRequester():
            return replace(state, clocks=(), held=clocks)
        case ApprovalResubmitted():
            return replace(state, clocks=event.clocks, held=(), turn=max((turn, *(each.times.turn for each in event.clocks))))
        case _ if not clocks:
            return state
        case ApprovalStepCompleted():
            clocks = without(clocks, event.step)
        case ApprovalReturned():
            clocks = without(clocks, *event.steps)
        case ApprovalClaimed() | ApprovalDecided():
            clocks = changed(clocks, WHOLE, event.step, started=True)
        case ApprovalReminded():
            known = next((each.reminded for each in clocks if each.step == event.step), ())
            clocks = changed(clocks, event.step, reminded=(*known, event.number))
        case ApprovalEscalated():
            clocks = changed(clocks, WHOLE if event.whole else event.step, level=event.level)
        case ApprovalOverdue():
            clocks = changed(clocks, event.step, **{"overdue" if event.what == "due" else "start_missed": True})
        case ApprovalResolved() | ApprovalCancelled() | ApprovalExpired():
            clocks = ()
        case _:
            return state
    return replace(state, clocks=clocks, turn=turn)


def _requested(event: ApprovalRequested) -> Approval:
    planned = enumerate(event.steps, 1)
    steps = tuple(
        Step(number, each.name, each.stage, "waiting", each.distinct, each.ad_hoc, depends_on=each.depends_on)
        for number, each in planned
    )
    if not steps:
        about = event.rule, event.outcomes, event.form, event.voters
        steps = (Step(1, "", 0, "open", (), event.ad_hoc, *about, depends_on=event.depends_on),)
    return Approval(
        "pending",
        event.execution_id,
        event.activation_id,
        event.node_id or "",
        steps,
        bool(event.steps),
        item_id=event.item_id,
        content=event.content,
        priority=event.priority,
        requested_by=event.requested_by,
        own=_own(event),
        editable=event.editable if event.execution_id is None else event.editable or (),
        ai_task_id=event.ai_task_id,
    )


def _own(event: ApprovalRequested) -> OwnRequest | None:
    if event.execution_id is not None and event.ai_task_id is None:
        return None
    times = event.expires is not None, event.due, event.expires
    return OwnRequest(event.requested_by, event.behind or (), event.definition, *times)


def _step(state: Approval, number: int, change: Callable[[Step], Step]) -> Approval:
    steps = state.steps
    return replace(state, steps=(*steps[: number - 1], change(steps[number - 1]), *steps[number:]))


def _started(step: Step, event: ApprovalStepStarted) -> Step:
    return replace(step, status="open", rule=event.rule, outcomes=event.outcomes, form=event.form, voters=event.voters)


def _anew(step: Step) -> Step:
    return Step(step.number, step.name, step.stage, "waiting", step.distinct, step.ad_hoc, depends_on=step.depends_on)


def _resubmitted(state: Approval, event: ApprovalResubmitted) -> Approval:
    state = replace(state, status="pending", number=event.number, content=event.content)
    for number in event.steps:
        state = _step(state, number, _anew if state.in_steps else lambda step: _asked_again(step, event.asked))
    return state


def _asked_again(step: Step, asked: Asked | None) -> Step:
    """Of a request that does not ask in steps. Where it is not known anew whom it asks, these stay who they are."""
    step = replace(step, decisions=(), claimed_by=None)
    return step if asked is None else replace(step, rule=asked.rule, outcomes=asked.outcomes, voters=asked.voters)


def _with(step: Step, one: UUID) -> Step:
    """One more who may choose what the others may whose decisions count."""
    outcomes = tuple(_offered_to(outcome, one) if asks_voters(outcome, step.outcomes) else outcome for outcome in step.outcomes)
    voters = step.voters
    if voters is not None and all(voter.user_id != one for voter in voters):
        voters = (*voters, Voter(one))
    return replace(step, outcomes=outcomes, voters=voters, added=tuple(dict.fromkeys((*step.added, one))))


def _without(step: Step, decision_id: UUID) -> Step:
    return replace(step, decisions=tuple(each for each in step.decisions if each.decision_id != decision_id))


def _reassigned(step: Step, who: UUID, to: UUID) -> Step:
    """One for the other wherever they are named; what they count stays. Who had claimed it has it no longer."""
    outcomes = tuple(
        replace(outcome, users=tuple(dict.fromkeys(to if user == who else user for user in outcome.users)))
        for outcome in step.outcomes
    )
    added = tuple(to if one == who else one for one in step.added)
    voters = step.voters and tuple(replace(voter, user_id=to) if voter.user_id == who else voter for voter in step.voters)
    claimed_by = None if step.claimed_by == who else step.claimed_by
    return replace(step, outcomes=outcomes, voters=voters, claimed_by=claimed_by, added=added)


def _escalated(step: Step, event: ApprovalEscalated) -> Step:
    """Others are asked beside those who were, or instead of these. Who had claimed it has it no longer."""
    outcomes = tuple(_asks_too(each, event) if each.name in event.outcomes else each for each in step.outcomes)
    voters = step.voters
    if voters is not None:
        kept = tuple(each for each in voters if not event.replace or each.user_id in step.answered)
        known = {each.user_id for each in kept}
        voters = (*kept, *(each for each in event.voters or () if each.user_id not in known))
    return replace(step, outcomes=outcomes, voters=voters, claimed_by=None)


def _asks_too(outcome: Outcome, event: ApprovalEscalated) -> Outcome:
    by_level = tuple(dict.fromkeys((*(outcome.instead or ()), *event.users))) or None
    if event.replace:
        return replace(outcome, users=event.users, roles=event.roles, instead=by_level)
    if not (outcome.users or outcome.roles):
        return outcome
    users, roles = dict.fromkeys((*outcome.users, *event.users)), dict.fromkeys((*outcome.roles, *event.roles))
    return replace(outcome, users=tuple(users), roles=tuple(roles), instead=by_level)


def _offered_to(outcome: Outcome, one: UUID) -> Outcome:
    if not (outcome.users or outcome.roles) or one in outcome.users:
        return outcome
    return replace(outcome, users=(*outcome.users, one))
