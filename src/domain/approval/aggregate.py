"""What the ledger, the audit log and the reference know of an approval request's events."""

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
)
from domain.approval.evolving import evolve
from domain.approval.state import Approval
from domain.facts import Aggregate, EventType, Subject
from domain.wording import because, plural


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
