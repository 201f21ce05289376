"""projections.ai_agent_attempts: every attempt at an AI task, what it used and cost, and how it ended."""

from domain.ai_task import AiTaskAttemptFailed, AiTaskAttemptStarted, AiTaskAttemptSucceeded
from domain.envelope import RecordedEvent
from projections.ai_agent_tasks import AttemptEnded, failure_json, money
from projections.rows import Rows
from projections.table import Lookup, Row, Table

NAME = "ai_agent_attempts"


def started(rows: Rows, record: RecordedEvent, event: AiTaskAttemptStarted) -> None:
    row = {
        "id": event.attempt_id,
        "task_id": record.stream_id,
        "number": event.number,
        "status": "running",
        "provider": event.provider,
        "model": event.model,
        "worker_id": event.worker_id,
        "usage": None,
        "input_tokens": None,
        "output_tokens": None,
        "cost": None,
        "currency": None,
        "latency_ms": None,
        "finish_reason": None,
        "error": None,
        "error_details": None,
        "retry_at": None,
        "started_at": record.occurred_at,
        "completed_at": None,
    }
    rows.insert(NAME, record, row)


def succeeded(rows: Rows, record: RecordedEvent, event: AiTaskAttemptSucceeded) -> None:
    _end(rows, record, event, {"status": "succeeded", "provider": event.provider, "model": event.model})


def failed(rows: Rows, record: RecordedEvent, event: AiTaskAttemptFailed) -> None:
    error = {"error": event.error.message, "error_details": failure_json(event.error)}
    _end(rows, record, event, {"status": "failed", **error, "retry_at": event.retry_at})


def _end(rows: Rows, record: RecordedEvent, event: AttemptEnded, changes: Row) -> None:
    usage = event.usage
    account = {
        "usage": None if usage is None else dict(vars(usage)),
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "cost": money(event.cost),
        "currency": event.currency,
        "latency_ms": event.latency_ms,
        "finish_reason": event.finish_reason,
        "completed_at": record.occurred_at,
    }
    rows.update(NAME, record, (record.tenant_id, event.attempt_id), {**changes, **account})


def touched(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, AttemptEnded):
        return (Lookup(("tenant_id", "id"), (record.tenant_id, event.attempt_id)),)
    return ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    own={
        "tenant_id": "uuid",
        "id": "uuid",
        "task_id": "uuid",
        "number": "integer",
        "status": "text",
        "provider": "text",
        "model": "text",
        "worker_id": "text",
        "usage": "jsonb",
        "input_tokens": "bigint",
        "output_tokens": "bigint",
        "cost": "numeric(20,10)",
        "currency": "text",
        "latency_ms": "bigint",
        "finish_reason": "text",
        "error": "text",
        "error_details": "jsonb",
        "retry_at": "timestamptz",
        "started_at": "timestamptz",
        "completed_at": "timestamptz",
    },
    on={
        AiTaskAttemptStarted: started,
        AiTaskAttemptSucceeded: succeeded,
        AiTaskAttemptFailed: failed,
    },
    touched=touched,
)
