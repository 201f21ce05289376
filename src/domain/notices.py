"""What can be notified of: the types of events that an endpoint may wish for, and the wishes.

A type is a topic without its version. A wish is a type, all types that begin with a word (`execution.*`), or all there are (`*`).
"""

import re
from collections.abc import Iterable, Mapping

from domain.ai_task import AiTaskCancelled, AiTaskCompleted, AiTaskFailed
from domain.approval import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverridden,
    ApprovalQuestionAnswered,
    ApprovalQuestionAsked,
    ApprovalReassigned,
    ApprovalRecalled,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalSentToRequester,
    ApprovalStepStarted,
    ApproverAdded,
)
from domain.budget import BudgetExhausted, BudgetWarned
from domain.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
)
from domain.facts import Event, FieldError, Invalid
from domain.job import JobCancelled, JobCompleted, JobEnqueued, JobFailed

TYPES: Mapping[type[Event], str] = {
    ExecutionStarted: "execution.started",
    ExecutionCompleted: "execution.completed",
    ExecutionFailed: "execution.failed",
    ExecutionCancelled: "execution.cancelled",
    ExecutionPaused: "execution.paused",
    ExecutionResumed: "execution.resumed",
    ApprovalRequested: "approval.requested",
    ApprovalDecided: "approval.decided",
    ApprovalResolved: "approval.resolved",
    ApprovalCancelled: "approval.cancelled",
    ApprovalExpired: "approval.expired",
    JobEnqueued: "job.enqueued",
    JobCompleted: "job.completed",
    JobFailed: "job.failed",
    JobCancelled: "job.cancelled",
    ApprovalStepStarted: "approval.step_started",
    ApproverAdded: "approval.approver_added",
    ApprovalReassigned: "approval.reassigned",
    ApprovalOverridden: "approval.overridden",
    ApprovalReminded: "approval.reminded",
    ApprovalEscalated: "approval.escalated",
    ApprovalRecalled: "approval.recalled",
    ApprovalSentToRequester: "approval.sent_to_requester",
    ApprovalResubmitted: "approval.resubmitted",
    ApprovalQuestionAsked: "approval.question_asked",
    ApprovalQuestionAnswered: "approval.question_answered",
    AiTaskCompleted: "ai_task.completed",
    AiTaskFailed: "ai_task.failed",
    AiTaskCancelled: "ai_task.cancelled",
    BudgetWarned: "budget.warned",
    BudgetExhausted: "budget.exhausted",
}
"""New ones are added at the end: how many there are tells releases apart (`store.notification_cursors`)."""
ENDED: frozenset[type[Event]] = frozenset(
    {
        *(ExecutionCompleted, ExecutionFailed, ExecutionCancelled, JobCompleted, JobFailed, JobCancelled),
        *(ApprovalResolved, ApprovalCancelled, ApprovalExpired, AiTaskCompleted, AiTaskFailed, AiTaskCancelled),
    }
)
"""What a callback tells of."""
TEST = "endpoint.test"
"""What an endpoint is sent to try it out. Nobody wishes for it."""
DIGEST = "inbox.digest"
"""What somebody is told who has what waits for them put together. Their preferences say when; nobody wishes for it."""
ALL = "*"
MOST_WISHES = 50
TOPIC_WISH = re.compile(r"\*|[a-z_]+\.(\*|[a-z_]+)")


def matches(wishes: Iterable[str], type: str) -> bool:
    return any(wish in (type, ALL) or (wish.endswith(".*") and type.startswith(wish[:-1])) for wish in wishes)


def require_topics(wishes: tuple[str, ...], path: str) -> None:
    """Each names topics without their versions, whether or not there are any: execution.started, execution.*, *."""
    if not 1 <= len(wishes) <= MOST_WISHES:
        raise Invalid(f"There must be 1 to {MOST_WISHES} topics.", path)
    faults = tuple(
        FieldError(f"{path}/{number}", "value", f"{wish[:100]!r} is no topic such as execution.started, execution.* or *.")
        for number, wish in enumerate(wishes)
        if not TOPIC_WISH.fullmatch(wish)
    )
    if faults:
        raise Invalid("No topic.", path, faults)


def require_wishes(wishes: tuple[str, ...], path: str) -> None:
    """Each is of something that there is. Raises Invalid naming each that is not."""
    if not 1 <= len(wishes) <= MOST_WISHES:
        raise Invalid(f"There must be 1 to {MOST_WISHES} types of events.", path)
    known = TYPES.values()
    faults = tuple(
        FieldError(f"{path}/{number}", "unknown", f"There are no events of the type {wish[:100]!r}.")
        for number, wish in enumerate(wishes)
        if not any(matches((wish,), type) for type in known)
    )
    if faults:
        raise Invalid("Unknown type of event.", path, faults)
