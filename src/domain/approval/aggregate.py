"""An approval request as decisions see it, and what the ledger, the audit log and the reference know of its events."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, assert_never
from uuid import UUID

from domain.approval.content import Content
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
from domain.approval.rules import Vote
from domain.approval.thread import Said, spoken
from domain.approval.times import WHOLE, Clock, changed, without
from domain.facts import Aggregate, Due, EventType, Json, Subject
from domain.wording import because, plural


@dataclass(frozen=True)
class Step:
    """What is asked at a time, and what was decided. A request that does not ask in steps has one, without a name."""

    number: int = 1
    name: str = ""
    stage: int = 0
    status: Literal["waiting", "open", "completed", "skipped", "overridden"] = "waiting"
    distinct: tuple[str, ...] = ()
    ad_hoc: bool = False
    rule: Json = None
    outcomes: tuple[Outcome, ...] = ()
    form: Json = None
    voters: tuple[Voter, ...] | None = None
    """Where they are fixed: whose decisions count."""
    decisions: tuple[ApprovalDecided, ...] = ()
    """Those that count, in their order."""
    result: ApprovalStepCompleted | None = None
    claimed_by: UUID | None = None
    added: tuple[UUID, ...] = ()
    """Who is asked because somebody added them."""
    depends_on: tuple[str, ...] | None = None

    @property
    def stood_in(self) -> frozenset[UUID]:
        """Who decided in the place of somebody else, and so no longer for themselves: the two count as one."""
        return frozenset(one for each in self.decisions for one in each.people if one != each.voter)

    @property
    def votes(self) -> tuple[Vote, ...]:
        return tuple(Vote(each.voter, each.outcome, each.kind, each.weight) for each in self.decisions)


@dataclass(frozen=True)
class OwnRequest:
    """What goes with a request that was opened by itself, and not by an execution: who asks, and by what its steps go."""

    requested_by: UUID | None = None
    behind: tuple[UUID, ...] = ()
    definition: Json = None
    expires: bool = False
    """Whether it has a timer."""
    due: Due | None = None
    closes: Due | None = None
    """By when an answer is hoped for, and when it closes by itself, as from when it was asked."""

    @property
    def requesters(self) -> tuple[UUID, ...]:
        """Who asks, and who does so on their behalf."""
        return (*(() if self.requested_by is None else (self.requested_by,)), *self.behind)


NOTHING = Content("")


@dataclass(frozen=True)
class Approval:
    status: Literal["absent", "pending", "with_requester", "resolved", "cancelled", "expired"] = "absent"
    """with_requester: in the hands of who asked, until they resubmit or withdraw it; nobody decides meanwhile."""
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    node_id: str = ""
    steps: tuple[Step, ...] = ()
    """By their numbers, from 1."""
    in_steps: bool = False
    resolution: ApprovalResolved | None = None
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    content: Content = NOTHING
    """What it asks, as it was last submitted."""
    priority: int = 0
    requested_by: UUID | None = None
    own: OwnRequest | None = None
    """Where no execution asks."""
    overridden_by: UUID | None = None
    clocks: tuple[Clock, ...] = ()
    """Of what is asked and has moments to come."""
    turn: int = 0
    """How often a step with moments was asked."""
    held: tuple[Clock, ...] = ()
    """The same, of a request that is with its requester."""
    number: int = 1
    """Of the version that was submitted last."""
    editable: tuple[str, ...] | None = None
    thread: tuple[Said, ...] = ()
    """What was said about it, in its order."""
    watchers: tuple[UUID, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is still to be decided, be it with its requester meanwhile."""
        return self.status in ("pending", "with_requester")

    @property
    def asks(self) -> dict[str, Json]:
        """What it asks, as the conditions of delegations see it."""
        return {
            "node_id": self.node_id,
            "title": self.content.title,
            "description": self.content.description,
            "priority": self.priority,
            "requested_by": None if self.requested_by is None else str(self.requested_by),
            "context": self.content.context,
        }

    @property
    def begun_steps(self) -> tuple[Step, ...]:
        """Those that were asked and have come to nothing yet, also while it is with its requester."""
        return tuple(step for step in self.steps if step.status == "open") if self.open else ()

    @property
    def open_steps(self) -> tuple[Step, ...]:
        """Those that are asked now; none, once the request is closed."""
        return self.begun_steps if self.status == "pending" else ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What is offered now."""
        return tuple(outcome for step in self.open_steps for outcome in step.outcomes)

    @property
    def decisions(self) -> tuple[ApprovalDecided, ...]:
        """Those that count."""
        return tuple(decision for step in self.steps for decision in step.decisions)


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
        editable=event.editable,
    )


def _own(event: ApprovalRequested) -> OwnRequest | None:
    if event.execution_id is not None:
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
        answered = frozenset().union(*(decision.people for decision in step.decisions))
        kept = tuple(each for each in voters if not event.replace or each.user_id in answered)
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


def _escalation(event: ApprovalEscalated) -> str:
    if event.outcome is not None:
        return f"Level {event.level} of the escalation came to {event.outcome}"
    if not event.outcomes:
        return f"Nobody was there to ask at level {event.level} of the escalation"
    return f"It was escalated to level {event.level}"


def _of_node(_event: ApprovalEvent, request: Subject) -> tuple[str, ...]:
    """None where no node asks."""
    return (request.tag,) if request.tag else ()


def _told_of_version(event: ApprovalResubmitted, request: Subject) -> str:
    changed = plural(len(event.changes), "change") if event.changes else "no change"
    again = f"{plural(len(event.steps), 'step')} asked again" if event.steps else "nothing asked again"
    return f"Version {event.number} was submitted, with {changed} and {again}: {request.name}"


APPROVAL: Aggregate[Approval] = Aggregate(
    "approval",
    Approval(),
    evolve,
    (
        EventType(
            ApprovalRequested,
            "approval.requested.v2",
            lambda e, _: f"A decision was asked for: {e.title}",
            tags=lambda e, _: (e.node_id,) if e.node_id else (),
            note="`due`, `expires`: `{after}`, a duration from the recorded time of the event, or `{at}`, a moment. v1 named the "
            "moments and stays readable. Without `execution_id`, `activation_id` and `node_id`: a request of its own, by "
            "`POST /v1/approvals`.",
        ),
        EventType(
            ApprovalStepStarted,
            "approval.step_started.v1",
            lambda e, request: f"The step {e.name} was asked: {request.name}",
            tags=_of_node,
            note="`voters`: where they are fixed, whose decisions count.",
        ),
        EventType(
            ApprovalStepSkipped,
            "approval.step_skipped.v1",
            lambda e, request: f"The step {e.name} was skipped: {request.name}",
            tags=_of_node,
            note="`why`: `skip_when`, or `requester`: it would have asked the requester alone. Absent from earlier releases.",
        ),
        EventType(
            ApprovalStepCompleted,
            "approval.step_completed.v1",
            lambda e, request: f"The step {e.name} came to {e.outcome}: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalReturned,
            "approval.returned.v1",
            lambda e, request: f"A member sent it back to the step {e.name}: {request.name}",
            tags=_of_node,
            note="`steps`: the numbers of those that are asked again; their decisions count no longer.",
        ),
        EventType(
            ApproverAdded,
            "approval.approver_added.v1",
            lambda _, request: f"A member was added to those who are asked: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalClaimed,
            "approval.claimed.v1",
            lambda _, request: f"A member claimed it: {request.name}",
            tags=_of_node,
            note="`instead_of`: who had claimed it.",
        ),
        EventType(
            ApprovalReleased,
            "approval.released.v1",
            lambda _, request: f"It was released: {request.name}",
            tags=_of_node,
            note="`user_id`: who had claimed it.",
        ),
        EventType(
            ApprovalReassigned,
            "approval.reassigned.v1",
            lambda _, request: f"Another member is asked instead of one: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalRevoked,
            "approval.revoked.v1",
            lambda _, request: f"A member took their decision back: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalReminded,
            "approval.reminded.v1",
            lambda _, request: f"Who is asked was reminded: {request.name}",
            tags=_of_node,
            note="`users`, `roles`: who is asked and has not answered; neither: every member who may decide. `step` 0: of the "
            "whole of a request in steps.",
        ),
        EventType(
            ApprovalEscalated,
            "approval.escalated.v1",
            lambda e, request: f"{_escalation(e)}: {request.name}",
            severity="warning",
            tags=_of_node,
            note="`users`, `roles`: who is asked from now on, with `replace` instead of those who have not answered; `outcome`: "
            "what it comes to by default. `passed_over`: levels at which nobody was there.",
        ),
        EventType(
            ApprovalOverdue,
            "approval.overdue.v1",
            lambda e, request: f"{'No answer came in time' if e.what == 'due' else 'Nobody took it on in time'}: {request.name}",
            severity="warning",
            tags=_of_node,
            note="`what`: `due`, no answer by `due_in`; `start`, neither a claim nor an answer by `start_in`.",
        ),
        EventType(
            ApprovalDecided,
            "approval.decided.v1",
            lambda e, request: f"A member decided{f' as {e.role}' if e.role else ''}, {e.outcome}: {request.name}",
            tags=_of_node,
            note="One person's decision.",
        ),
        EventType(
            ApprovalOverridden,
            "approval.overridden.v1",
            lambda e, request: (
                f"A member overrode {'their own' if e.own else 'the'} request, {e.outcome}{because(e.reason)}: {request.name}"
            ),
            severity="critical",
            tags=_of_node,
            note="Break-glass: whoever was asked, whatever the rule. `steps`: the numbers of those that were open or waiting. "
            "`own`: by who had asked for it. `asked_users`, `asked_roles`: who was asked then, 200 of each at most. "
            "`approval.resolved` follows.",
        ),
        EventType(
            ApprovalRecalled,
            "approval.recalled.v1",
            lambda e, request: f"The request was recalled by who asked{because(e.comment)}: {request.name}",
            changes=lambda _: {"status": "with_requester"},
            tags=_of_node,
            note="Nobody decides until it is resubmitted.",
        ),
        EventType(
            ApprovalSentToRequester,
            "approval.sent_to_requester.v1",
            lambda _, request: f"A member sent it back to who asked: {request.name}",
            changes=lambda _: {"status": "with_requester"},
            tags=_of_node,
            note="Nobody decides until it is resubmitted.",
        ),
        EventType(
            ApprovalResubmitted,
            "approval.resubmitted.v1",
            lambda e, request: _told_of_version(e, request),
            changes=lambda e: {"status": "pending", "title": e.content.title, "current_version": e.number},
            tags=_of_node,
            note="`number`: of the version, from 2. `changes`: JSON pointers into `content` to what differs from the version "
            "before. `steps`: the numbers of those that are asked again; their decisions count no longer, all others stand. "
            "`asked`: what is asked again and whom, where it does not ask in steps and that is known anew.",
        ),
        EventType(
            ApprovalQuestionAsked,
            "approval.question_asked.v1",
            lambda _, request: f"A member asked a question about it: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalQuestionAnswered,
            "approval.question_answered.v1",
            lambda _, request: f"A member answered a question about it: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalCommented,
            "approval.commented.v1",
            lambda _, request: f"A member commented on it: {request.name}",
            tags=_of_node,
        ),
        EventType(
            ApprovalCommentEdited,
            "approval.comment_edited.v1",
            lambda _, request: f"A member changed what they had said about it: {request.name}",
            tags=_of_node,
            note="`comment_id`: of the comment, the question or the answer.",
        ),
        EventType(
            ApprovalCommentDeleted,
            "approval.comment_deleted.v1",
            lambda _, request: f"A member took back what they had said about it: {request.name}",
            tags=_of_node,
            note="The words stay in the event that said them, and nowhere else.",
        ),
        EventType(
            ApprovalWatched,
            "approval.watched.v1",
            lambda e, request: f"A member {'watches it' if e.added_by is None else 'was made to watch it'}: {request.name}",
            severity="debug",
            tags=_of_node,
        ),
        EventType(
            ApprovalUnwatched,
            "approval.unwatched.v1",
            lambda _, request: f"A member watches it no longer: {request.name}",
            severity="debug",
            tags=_of_node,
        ),
        EventType(
            ApprovalResolved,
            "approval.resolved.v2",
            lambda e, request: f"The request was resolved, {e.outcome}: {request.name}",
            changes=lambda _: {"status": "resolved"},
            tags=_of_node,
            note="The request's outcome. `decided_by`: whose decisions brought it about; v1 named one person and stays readable.",
        ),
        EventType(
            ApprovalCancelled,
            "approval.cancelled.v1",
            lambda e, request: f"The request was cancelled{because(e.reason)}: {request.name}",
            changes=lambda _: {"status": "cancelled"},
            tags=_of_node,
        ),
        EventType(
            ApprovalExpired,
            "approval.expired.v1",
            lambda _, request: f"Nobody decided in time: {request.name}",
            severity="warning",
            changes=lambda _: {"status": "expired"},
            tags=_of_node,
            note="The `timeout` of the node, or of the request.",
        ),
    ),
    "approval",
)
