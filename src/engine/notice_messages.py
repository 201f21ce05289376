"""What a notification says: the event's type and moment, and the thing that it happened to, as it was right after the event.

Made of two events, that one and the first of its stream: so it says the same at every attempt, and costs the same however long an
execution was.
"""

from datetime import datetime
from json import dumps
from uuid import UUID

from domain.ai_task import AiTaskCancelled, AiTaskCompleted, AiTaskFailed, AiTaskRequested
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
from domain.approval.content import attachments_json
from domain.approval.visibility import names_shown
from domain.budget import BudgetExhausted, BudgetPeriodOpened, BudgetWarned
from domain.envelope import RecordedEvent
from domain.execution import (
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
)
from domain.facts import Event, Json
from domain.job import JobCancelled, JobCompleted, JobEnqueued, JobFailed
from domain.notices import TEST
from domain.notification_delivery import DeliveryRequested

LARGEST_FIELD = 16_384
"""Characters of JSON. What is larger is left out, and it is said where it can be read."""


def message(requested: DeliveryRequested, record: RecordedEvent, first: RecordedEvent) -> Json:
    """{type, timestamp, position, data}. `record`: the event; `first`: of its stream."""
    match first.event:
        case ExecutionStarted():
            data = _execution(first.event, first, record)
        case ApprovalRequested():
            data = _approval(first.event, first, record)
        case JobEnqueued():
            data = _job(first.event, first, record)
        case AiTaskRequested():
            data = _ai_task(first.event, first, record)
        case BudgetPeriodOpened():
            data = _budget(first.event, first, record)
        case _:
            raise AssertionError(f"nothing is said of {type(first.event).__name__}")
    return {
        "type": requested.event_type,
        "timestamp": _text(record.occurred_at),
        "position": record.position,
        "data": _bounded(data),
    }


def test_message(requested: DeliveryRequested, asked_at: datetime) -> Json:
    data = {"endpoint_id": str(requested.endpoint_id), "message": "This is a test. Nothing has happened."}
    return {"type": TEST, "timestamp": _text(asked_at), "position": None, "data": data}


def _execution(started: ExecutionStarted, first: RecordedEvent, record: RecordedEvent) -> dict[str, Json]:
    return {
        "id": str(first.stream_id),
        "href": f"/v1/executions/{first.stream_id}",
        "workflow_id": str(started.workflow_id),
        "workflow_key": started.workflow_key,
        "workflow_version": started.workflow_version,
        "business_key": started.business_key,
        "trigger_type": started.trigger_type,
        "parent_execution_id": _id(started.parent_execution_id),
        "correlation_id": _id(started.correlation_id),
        "created_by": _id(started.created_by),
        "started_at": _text(first.occurred_at),
        **_of_execution(record.event, _text(record.occurred_at)),
    }


def _of_execution(event: Event, at: str) -> dict[str, Json]:
    match event:
        case ExecutionCompleted():
            return {"status": "completed", "completed_at": at, "output": event.output}
        case ExecutionFailed():
            details = {"code": event.code, "message": event.message, "node_id": event.node_id}
            return {"status": "failed", "completed_at": at, "error": event.message, "error_details": details}
        case ExecutionCancelled():
            by = _id(event.cancelled_by)
            return {"status": "cancelled", "cancelled_at": at, "cancelled_by": by, "reason": event.reason}
        case ExecutionPaused():
            return {"status": "paused", "reason": event.reason}
        case ExecutionResumed():
            return {"status": "running", "reason": event.reason}
        case _:
            return {"status": "running"}


def _approval(requested: ApprovalRequested, first: RecordedEvent, record: RecordedEvent) -> dict[str, Json]:
    due = None if requested.due is None else _text(requested.due.moment(first.recorded_at))
    return {
        "id": str(record.stream_id),
        "href": f"/v1/approvals/{record.stream_id}",
        "execution_id": _id(requested.execution_id),
        "activation_id": _id(requested.activation_id),
        "node_id": requested.node_id,
        "title": requested.title,
        "description": requested.description,
        "priority": requested.priority,
        "requested_by": _id(requested.requested_by),
        "ai_task_id": _id(requested.ai_task_id),
        "outcomes": [outcome.name for outcome in requested.outcomes],
        "due_at": due,
        **_of_approval(record.event, _text(record.occurred_at), requested.visibility, requested.requested_by),
    }


def _of_approval(event: Event, at: str, visibility: str | None, requester: UUID | None) -> dict[str, Json]:
    def speaks(**people: UUID) -> dict[str, Json]:
        """That the requester says something is no secret."""
        return {name: _id(one) if one == requester else _names(visibility, **{name: one})[name] for name, one in people.items()}

    match event:
        case ApprovalDecided():
            decision = {
                "id": str(event.decision_id),
                "user_id": str(event.user_id),
                "on_behalf_of": _id(event.on_behalf_of),
                "role": event.role,
                "outcome": event.outcome,
                "kind": event.kind,
                "reason": event.reason,
                "comment": event.comment,
                "request_version": event.request_version,
                "decided_at": at,
            }
            if not names_shown(visibility, "pending"):
                decision.update(dict.fromkeys(("user_id", "on_behalf_of", "role", "comment")))
            return {"status": "pending", "decision": decision}
        case ApprovalOverridden():
            override = {
                "user_id": str(event.user_id),
                "outcome": event.outcome,
                "kind": event.kind,
                "reason": event.reason,
                "own": bool(event.own),
                "overridden_at": at,
            }
            if names_shown(visibility, "resolved"):
                override["asked"] = {"users": [str(one) for one in event.asked_users], "roles": list(event.asked_roles)}
            return {"status": "resolved", "outcome": event.outcome, "outcome_kind": event.kind, "override": override}
        case ApprovalReminded():
            reminder = {"number": event.number, "step": event.step, "reminded_at": at, **_people(event, visibility)}
            return {"status": "pending", "reminder": reminder}
        case ApprovalEscalated():
            escalation = {
                "level": event.level,
                "step": event.step,
                "replace": event.replace,
                "outcome": event.outcome,
                "passed_over": list(event.passed_over),
                "escalated_at": at,
                **_people(event, visibility),
            }
            return {"status": "pending", "escalation": escalation}
        case ApprovalResolved():
            resolved = {"status": "resolved", "outcome": event.outcome, "outcome_kind": event.kind, "responded_at": at}
            shown = names_shown(visibility, "resolved")
            return {**resolved, "decided_by": [str(each) for each in event.decided_by if shown]}
        case ApprovalCancelled():
            return {"status": "cancelled", "reason": event.reason}
        case ApprovalExpired():
            return {"status": "expired"}
        case ApprovalStepStarted():
            return {"status": "pending", "step": event.name, "outcomes": [outcome.name for outcome in event.outcomes]}
        case ApproverAdded():
            return {"status": "pending", **_names(visibility, user_id=event.user_id, added_by=event.added_by)}
        case ApprovalReassigned():
            return {"status": "pending", **_names(visibility, from_user_id=event.from_user_id, to_user_id=event.to_user_id)}
        case ApprovalRecalled() | ApprovalSentToRequester():
            by = {"user_id": _id(event.user_id)}
            if isinstance(event, ApprovalSentToRequester):  # it was one of those who are asked
                by = _names(visibility, user_id=event.user_id)
            return {"status": "with_requester", "recalled": {**by, "comment": event.comment, "recalled_at": at}}
        case ApprovalResubmitted():
            return {"status": "pending", **_of_version(event, at)}
        case ApprovalQuestionAsked():
            by = {"id": str(event.comment_id), **speaks(user_id=event.user_id, to_user_id=event.to_user_id)}
            return {"question": {**by, "text": event.text, "asked_at": at}}
        case ApprovalQuestionAnswered():
            by = {"id": str(event.comment_id), "question_id": str(event.question_id), **speaks(user_id=event.user_id)}
            return {"answer": {**by, "text": event.text, "answered_at": at}}
        case _:
            return {"status": "pending"}


def _names(visibility: str | None, **people: UUID | None) -> dict[str, Json]:
    """Who is asked, while it is open."""
    return {name: _id(one) if names_shown(visibility, "pending") else None for name, one in people.items()}


def _people(event: ApprovalReminded | ApprovalEscalated, visibility: str | None) -> dict[str, Json]:
    if not names_shown(visibility, "pending"):
        return {"users": [], "roles": list(event.roles)}
    return {"users": [str(user) for user in event.users], "roles": list(event.roles)}


def _of_version(event: ApprovalResubmitted, at: str) -> dict[str, Json]:
    """What is asked now stands in the place of what was asked first."""
    version = {
        "number": event.number,
        "changes": [{"path": each.path, "how": each.how} for each in event.changes],
        "asked_again": list(event.steps),
        "submitted_by": _id(event.user_id),
        "comment": event.comment,
        "attachments": attachments_json(event.content.attachments),
        "submitted_at": at,
    }
    return {"title": event.content.title, "description": event.content.description, "request_version": version}


def _job(enqueued: JobEnqueued, first: RecordedEvent, record: RecordedEvent) -> dict[str, Json]:
    return {
        "id": str(first.stream_id),
        "href": f"/v1/jobs/{first.stream_id}",
        "type": enqueued.type,
        "unique_key": enqueued.unique_key,
        "correlation_id": _id(enqueued.correlation_id),
        "created_by": _id(enqueued.created_by),
        **_of_job(record.event, _text(record.occurred_at)),
    }


def _of_job(event: Event, at: str) -> dict[str, Json]:
    match event:
        case JobCompleted():
            return {"status": "completed", "completed_at": at, "output": event.output, "attempts": event.attempts}
        case JobFailed():
            error = {"type": event.error.type, "message": event.error.message}
            return {"status": "failed", "completed_at": at, "error": error, "attempts": event.attempts}
        case JobCancelled():
            by = _id(event.cancelled_by)
            return {"status": "cancelled", "completed_at": at, "cancelled_by": by, "reason": event.reason}
        case _:
            return {"status": "pending"}


def _ai_task(requested: AiTaskRequested, first: RecordedEvent, record: RecordedEvent) -> dict[str, Json]:
    return {
        "id": str(first.stream_id),
        "href": f"/v1/ai-tasks/{first.stream_id}",
        "task_name": requested.task_name,
        "execution_id": _id(requested.execution_id),
        "node_id": requested.node_id,
        "model": requested.model,
        "correlation_id": _id(requested.correlation_id),
        "requested_by": _id(requested.requested_by),
        **_of_ai_task(record.event, _text(record.occurred_at)),
    }


def _of_ai_task(event: Event, at: str) -> dict[str, Json]:
    match event:
        case AiTaskCompleted():
            return {"status": "completed", "completed_at": at, "output": event.output}
        case AiTaskFailed():
            error = {"type": event.error.type, "message": event.error.message}
            return {"status": "failed", "completed_at": at, "error": error}
        case AiTaskCancelled():
            return {"status": "cancelled", "completed_at": at, "reason": event.reason}
        case _:
            return {"status": "pending"}


def _budget(opened: BudgetPeriodOpened, first: RecordedEvent, record: RecordedEvent) -> dict[str, Json]:
    """`id`: of the period. Money is text."""
    of = {
        "id": str(first.stream_id),
        "href": f"/v1/budgets/{opened.key}",
        "budget_id": str(opened.budget_id),
        "key": opened.key,
        "scope": opened.scope,
        "subject": opened.subject or None,
        "period": opened.period,
        "starts_at": None if opened.starts_at is None else _text(opened.starts_at),
        "ends_at": None if opened.ends_at is None else _text(opened.ends_at),
    }
    match record.event:
        case BudgetWarned() as event:
            return {**of, "amount": event.amount, "share": str(event.share), **_amounts(event)}
        case BudgetExhausted() as event:
            return {**of, "amount": event.amount, "reason": event.reason, "refused": event.refused, **_amounts(event)}
        case _:
            return of


def _amounts(event: BudgetWarned | BudgetExhausted) -> dict[str, Json]:
    told = {"limits": vars(event.limits), "used": vars(event.used), "reserved": vars(event.reserved)}
    as_text = {name: {**each, "cost": None if each["cost"] is None else str(each["cost"])} for name, each in told.items()}
    return {**as_text, "currency": event.currency}


def _bounded(data: dict[str, Json]) -> dict[str, Json]:
    """`omitted`: the names of the fields that are too large to be sent; they are where `href` leads."""
    large = [name for name, value in data.items() if len(dumps(value, ensure_ascii=False)) > LARGEST_FIELD]
    return {**{name: value for name, value in data.items() if name not in large}, **({"omitted": large} if large else {})}


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
