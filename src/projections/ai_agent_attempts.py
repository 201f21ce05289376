"""projections.ai_agent_attempts: every attempt at an AI task, what it used and cost, and how it ended."""

from domain.ai_task import AiTaskAttemptFailed, AiTaskAttemptStarted, AiTaskAttemptSucceeded
from domain.envelope import RecordedEvent
from projections.ai_agent_tasks import AttemptEnded, money
from projections.ai_agent_tool_calls import failure_json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, row_with_id

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
        "turn": event.turn or 1,
        "purpose": event.purpose or "turn",
        "answered": None,
        "cached_from": None,
    }
    rows.insert(NAME, record, row)


def succeeded(rows: Rows, record: RecordedEvent, event: AiTaskAttemptSucceeded) -> None:
    by = {"provider": event.provider, "model": event.model, "cached_from": event.cached_from}
    _end(rows, record, event, {"status": "succeeded", **by})


def failed(rows: Rows, record: RecordedEvent, event: AiTaskAttemptFailed) -> None:
    error = {"error": event.error.message, "error_details": failure_json(event.error)}
    retry_at = None if event.retry is None else event.retry.moment(record.recorded_at)
    _end(rows, record, event, {"status": "failed", **error, "retry_at": retry_at, "answered": event.answered})


def _end(rows: Rows, record: RecordedEvent, event: AttemptEnded, changes: Row) -> None:
    usage = event.usage
    account = {
        "usage": None if usage is None else usage.shown(),
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "cost": money(event.cost),
        "currency": event.currency,
        "latency_ms": event.latency_ms,
        "finish_reason": event.finish_reason,
        "completed_at": record.occurred_at,
    }
    rows.update(NAME, record, (record.tenant_id, event.attempt_id), {**changes, **account})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    return (row_with_id(record, event.attempt_id),) if isinstance(event, AttemptEnded) else ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The attempt's id."),
        "task_id": Column("uuid", "The task."),
        "number": Column("integer", "1, 2, 3 … for each task."),
        "status": Column(
            "text",
            "running, succeeded or failed.",
            choices=("running", "succeeded", "failed"),
        ),
        "provider": Column("text", "Who was asked; once it answered, who did."),
        "model": Column("text", "The model that was asked; once it answered, the one that did, by its own name."),
        "worker_id": Column("text", "The worker that called."),
        "usage": Column(
            "jsonb",
            "{input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, details, reasoning_tokens?}; null: not known.",
            null=True,
        ),
        "input_tokens": Column("bigint", "Tokens sent, those of a cache included; null: not known.", null=True),
        "output_tokens": Column("bigint", "Tokens received; null: not known.", null=True),
        "cost": Column("numeric(20,10)", "What the call cost, by the price list; null: not known.", null=True),
        "currency": Column("text", "Of the cost. ISO 4217.", null=True),
        "latency_ms": Column("bigint", "How long the call took, in milliseconds; null: not known.", null=True),
        "finish_reason": Column("text", "Why the model stopped, in the provider's word.", null=True),
        "error": Column("text", "Why it failed.", null=True),
        "error_details": Column("jsonb", "{type, message, retryable}", null=True),
        "retry_at": Column("timestamptz", "When the next attempt was due; null: there was to be none.", null=True),
        "started_at": Column("timestamptz", "When it began."),
        "completed_at": Column("timestamptz", "When it succeeded or failed.", null=True),
        "turn": Column("integer", "Of which turn, from 1."),
        "purpose": Column("text", "turn, or guard: a model judged what went in or out.", choices=("turn", "guard")),
        "answered": Column("text", "What the model wrote, where that did not fit.", null=True),
        "cached_from": Column("uuid", "The attempt whose answer this is, from the cache: no provider was called.", null=True),
    },
    appliers={
        AiTaskAttemptStarted: started,
        AiTaskAttemptSucceeded: succeeded,
        AiTaskAttemptFailed: failed,
    },
    rows_needed=rows_needed,
    lookups=(("tenant_id", "task_id"),),
)
