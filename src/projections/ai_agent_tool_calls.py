"""projections.ai_agent_tool_calls: the calls of tools that models ask for: whether they were made, who allowed them."""

from domain.ai_task import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
)
from domain.envelope import RecordedEvent
from domain.facts import Json
from domain.retry import Failure
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table

NAME = "ai_agent_tool_calls"
BY_TASK = ("tenant_id", "task_id")
ENDED = frozenset({"succeeded", "failed", "denied", "cancelled"})


def asked_for(rows: Rows, record: RecordedEvent, event: AiTaskAttemptSucceeded) -> None:
    """Nothing comes of what a model asks for when its task is over by then."""
    task = rows.find("ai_agent_tasks", record.tenant_id, record.stream_id)
    late = task is not None and task["status"] in ("completed", "failed", "cancelled")
    for place, call in enumerate(event.calls or (), 1):
        row = {
            "task_id": record.stream_id,
            "id": call.id,
            "turn": event.turn or 1,
            "place": place,
            "tool": call.tool,
            "arguments": call.arguments,
            "called_with": None,
            "verdict": call.verdict,
            "why": call.why or call.malformed,
            "status": "cancelled" if late else "asked" if call.verdict == "ask" else "ready",
            "edited": False,
            "denial_reason": None,
            "message": None,
            "request_id": None,
            "decided_by": None,
            "attempts": 0,
            "result": None,
            "result_cut": None,
            "error_details": None,
            "child_id": None,
            "latency_ms": None,
            "started_at": None,
            "completed_at": record.occurred_at if late else None,
        }
        rows.insert(NAME, record, row)


def denied(rows: Rows, record: RecordedEvent, event: AiTaskToolCallDenied) -> None:
    changes: Row = {
        "status": "denied",
        "denial_reason": event.reason,
        "message": event.message,
        "completed_at": record.occurred_at,
    }
    if event.by is not None:
        changes["decided_by"] = event.by
    _update(rows, record, event, changes)


def started(rows: Rows, record: RecordedEvent, event: AiTaskToolCallStarted) -> None:
    row = rows.get(NAME, record.tenant_id, record.stream_id, event.call_id)
    changes = {
        "status": "running",
        "called_with": event.arguments,
        "edited": event.edited,
        "attempts": event.number,
        "child_id": event.child_id,
        "started_at": row["started_at"] or record.occurred_at,
    }
    _update(rows, record, event, changes)


def succeeded(rows: Rows, record: RecordedEvent, event: AiTaskToolCallSucceeded) -> None:
    result = {"result": event.result, "result_cut": event.cut, "error_details": None, "message": None}
    changes = {"status": "succeeded", **result, "latency_ms": event.latency_ms, "completed_at": record.occurred_at}
    _update(rows, record, event, changes)


def failed(rows: Rows, record: RecordedEvent, event: AiTaskToolCallFailed) -> None:
    again = event.retry is not None
    changes = {
        "status": "ready" if again else "failed",
        "message": event.error.message,
        "error_details": failure_json(event.error),
        "latency_ms": event.latency_ms,
        "completed_at": None if again else record.occurred_at,
    }
    _update(rows, record, event, changes)


def asked(rows: Rows, record: RecordedEvent, event: AiTaskAsked) -> None:
    if event.call_id is not None:
        _update(rows, record, event, {"status": "asked", "request_id": event.request_id})


def answered(rows: Rows, record: RecordedEvent, event: AiTaskAnswered) -> None:
    """A denial has an event of its own."""
    if event.call_id is None:
        return
    changes: Row = {"decided_by": event.by}
    if event.outcome in ("approved", "edited"):
        changes["status"] = "ready"
    _update(rows, record, event, changes)


def over(rows: Rows, record: RecordedEvent, _event: AiTaskCompleted | AiTaskFailed | AiTaskCancelled) -> None:
    """What was not made by then never is. One that is under way may still report its end."""
    for row in rows.where(NAME, of_task(record)):
        if row["status"] in ("asked", "ready"):
            changes = {"status": "cancelled", "completed_at": record.occurred_at}
            rows.update(NAME, record, (record.tenant_id, record.stream_id, row["id"]), changes)


OfCall = (
    AiTaskToolCallDenied | AiTaskToolCallStarted | AiTaskToolCallSucceeded | AiTaskToolCallFailed | AiTaskAsked | AiTaskAnswered
)


def _update(rows: Rows, record: RecordedEvent, event: OfCall, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id, event.call_id), changes)


def failure_json(failure: Failure) -> Json:
    return {"type": failure.type, "message": failure.message, "retryable": failure.retryable}


def of_task(record: RecordedEvent) -> Lookup:
    return Lookup(BY_TASK, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, AiTaskCompleted | AiTaskFailed | AiTaskCancelled):
        return (of_task(record),)
    if isinstance(event, OfCall) and event.call_id is not None:
        return (Lookup((*BY_TASK, "id"), (record.tenant_id, record.stream_id, event.call_id)),)
    return ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "task_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "task_id": Column("uuid", "The task."),
        "id": Column("uuid", "The call's id."),
        "turn": Column("integer", "The turn in which the model asked for it."),
        "place": Column("integer", "Its place among the calls of that turn, from 1."),
        "tool": Column("text", "The tool's name."),
        "arguments": Column("jsonb", "What the model wants it called with; null: what it wrote is no JSON object.", null=True),
        "called_with": Column("jsonb", "What it was called with; null: it was not called.", null=True),
        "verdict": Column("text", "What the tool's policy said: allow, deny or ask.", choices=("allow", "deny", "ask")),
        "why": Column("text", "Why, where it did not say allow.", null=True),
        "status": Column(
            "text",
            "ready (to be called), asked (people decide), running, succeeded, failed, denied, or cancelled with its task.",
            choices=("ready", "asked", "running", "succeeded", "failed", "denied", "cancelled"),
        ),
        "edited": Column("boolean", "Whether a person replaced the model's arguments."),
        "denial_reason": Column(
            "text",
            "Why not: not_allowed, policy, malformed, guard, repetition, too_many, budget, rejected, expired, cancelled.",
            null=True,
        ),
        "message": Column("text", "What the model was told of a call that was denied or failed.", null=True),
        "request_id": Column("uuid", "The approval request by which people were asked.", null=True),
        "decided_by": Column("uuid", "Who decided there.", null=True),
        "attempts": Column("integer", "How often it was started: more than once where its end was not known."),
        "result": Column("jsonb", "What the model was told it came to.", null=True),
        "result_cut": Column("bigint", "How many characters the result had before it was cut; null: it was not.", null=True),
        "error_details": Column("jsonb", "{type, message, retryable} of one that failed.", null=True),
        "child_id": Column("uuid", "The execution that a workflow tool started.", null=True),
        "latency_ms": Column("bigint", "How long it took, in milliseconds; null: not known.", null=True),
        "started_at": Column("timestamptz", "When it was started first.", null=True),
        "completed_at": Column("timestamptz", "When it succeeded, failed, was denied or cancelled.", null=True),
    },
    appliers={
        AiTaskAttemptSucceeded: asked_for,
        AiTaskToolCallDenied: denied,
        AiTaskToolCallStarted: started,
        AiTaskToolCallSucceeded: succeeded,
        AiTaskToolCallFailed: failed,
        AiTaskAsked: asked,
        AiTaskAnswered: answered,
        AiTaskCompleted: over,
        AiTaskFailed: over,
        AiTaskCancelled: over,
    },
    rows_needed=rows_needed,
    lookups=(BY_TASK,),
)
