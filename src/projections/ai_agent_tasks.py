"""projections.ai_agent_tasks: what models are asked, what came back, and what it used and cost over all attempts."""

from dataclasses import fields
from decimal import Decimal

from domain.ai_task import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    Usage,
)
from domain.envelope import RecordedEvent
from domain.facts import Json
from domain.retry import Failure
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "ai_agent_tasks"
OVER = frozenset({"completed", "failed", "cancelled"})
SMALLEST = Decimal("0.0000000001")
NOTHING_USED: dict[str, Json] = {
    "attempts": 0,
    "input_tokens": 0,
    "output_tokens": 0,
    "cache_read_tokens": 0,
    "cache_write_tokens": 0,
    "unpriced": 0,
}


def requested(rows: Rows, record: RecordedEvent, event: AiTaskRequested) -> None:
    configuration = {f.name: getattr(event.configuration, f.name) for f in fields(event.configuration)}
    row = {
        "id": record.stream_id,
        "execution_id": event.execution_id,
        "activation_id": event.activation_id,
        "item_index": event.item_index,
        "node_id": event.node_id,
        "task_name": event.task_name,
        "agent_type": event.agent_type,
        "provider": event.provider,
        "model": event.model,
        "status": "pending",
        "priority": event.priority,
        "prompt": event.prompt,
        "system_prompt": event.system_prompt,
        "context": event.context,
        "input": event.input,
        "output": None,
        "configuration": {**configuration, "output_schema": event.output_schema, "retry": event.retry},
        "usage": NOTHING_USED,
        "input_tokens": None,
        "output_tokens": None,
        "error": None,
        "error_details": None,
        "retry_count": 0,
        "cost_estimate": money(event.cost_estimate),
        "actual_cost": None,
        "currency": event.currency,
        "latency_ms": None,
        "requested_by": event.requested_by,
        "started_at": None,
        "completed_at": None,
    }
    rows.insert(NAME, record, row)


def attempt_started(rows: Rows, record: RecordedEvent, event: AiTaskAttemptStarted) -> None:
    changes = {
        "status": "running",
        "provider": event.provider,
        "retry_count": event.number - 1,
        "started_at": _row(rows, record)["started_at"] or record.occurred_at,
    }
    _update(rows, record, changes)


AttemptEnded = AiTaskAttemptSucceeded | AiTaskAttemptFailed


def attempt_ended(rows: Rows, record: RecordedEvent, event: AttemptEnded) -> None:
    """What was used was used, also where the task was cancelled meanwhile."""
    row = _row(rows, record)
    changes = {
        "status": row["status"] if row["status"] in OVER else "pending",
        "usage": _used(row["usage"], event.usage),
        "latency_ms": event.latency_ms,
    }
    if event.usage is not None:
        changes["input_tokens"] = (row["input_tokens"] or 0) + event.usage.input_tokens
        changes["output_tokens"] = (row["output_tokens"] or 0) + event.usage.output_tokens
    _update(rows, record, {**changes, **_paid({**row, **changes}, event)})


def _used(before: dict[str, Json], usage: Usage | None) -> dict[str, Json]:
    found = vars(usage or Usage())
    tokens = {name: before[name] + found[name] for name in before if name.endswith("_tokens")}
    return {**before, **tokens, "attempts": before["attempts"] + 1}


def _paid(row: Row, event: AttemptEnded) -> Row:
    """The first known cost says in which currency the task is paid; what is in another one does not add up."""
    cost, paid = money(event.cost), row["actual_cost"]
    if cost is None or (paid is not None and event.currency != row["currency"]):
        return {"usage": {**row["usage"], "unpriced": row["usage"]["unpriced"] + 1}}
    estimate = row["cost_estimate"] if event.currency == row["currency"] else None
    return {"actual_cost": (paid or Decimal(0)) + cost, "currency": event.currency, "cost_estimate": estimate}


def completed(rows: Rows, record: RecordedEvent, event: AiTaskCompleted) -> None:
    _update(rows, record, {"status": "completed", "output": event.output, "completed_at": record.occurred_at})


def failed(rows: Rows, record: RecordedEvent, event: AiTaskFailed) -> None:
    error = {"error": event.error.message, "error_details": failure_json(event.error)}
    _update(rows, record, {"status": "failed", **error, "completed_at": record.occurred_at})


def cancelled(rows: Rows, record: RecordedEvent, _event: AiTaskCancelled) -> None:
    _update(rows, record, {"status": "cancelled", "completed_at": record.occurred_at})


def money(amount: Decimal | None) -> Decimal | None:
    """With the ten digits after the point that the column has."""
    return None if amount is None else amount.quantize(SMALLEST)


def failure_json(failure: Failure) -> Json:
    return {"type": failure.type, "message": failure.message, "retryable": failure.retryable}


def _row(rows: Rows, record: RecordedEvent) -> Row:
    return rows.get(NAME, record.tenant_id, record.stream_id)


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, AiTaskRequested) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The task's id."),
        "execution_id": Column("uuid", "The execution that asks."),
        "activation_id": Column("uuid", "The visit of the ai_agent node that asks."),
        "item_index": Column("integer", "Of the foreach's item that asks, from 0; null outside of a foreach.", null=True),
        "node_id": Column("text", "That node."),
        "task_name": Column("text", "Its name for people."),
        "agent_type": Column("text", "What kind of agent the node names, if it does.", null=True),
        "provider": Column("text", "Who is asked: as requested, then as of the attempt that started last.", null=True),
        "model": Column("text", "The model, as the node names it; which one answered is in ai_agent_attempts."),
        "status": Column(
            "text",
            "pending (also between two attempts), running, completed, failed or cancelled.",
            choices=("pending", "running", "completed", "failed", "cancelled"),
        ),
        "priority": Column("integer", "Higher goes first."),
        "prompt": Column("text", "What is asked, as it is sent.", listed=False),
        "system_prompt": Column("text", "What the model is told about its part.", null=True, listed=False),
        "context": Column("jsonb", "What it is told beside the prompt.", null=True, listed=False),
        "input": Column("jsonb", "The data it works on.", null=True, listed=False),
        "output": Column("jsonb", "The answer of a completed task.", null=True, listed=False),
        "configuration": Column(
            "jsonb",
            "{max_output_tokens, temperature, top_p, seed, output_schema (JSON Schema of the "
            "answer), retry}; null: the provider's default.",
            listed=False,
        ),
        "usage": Column(
            "jsonb",
            "Over the attempts that ended: {attempts, input_tokens, output_tokens, "
            "cache_read_tokens, cache_write_tokens, unpriced}; unpriced: how many are not in "
            "actual_cost.",
        ),
        "input_tokens": Column("bigint", "Tokens sent, over all attempts that told; null: none has.", null=True),
        "output_tokens": Column("bigint", "Tokens received, over all attempts that told; null: none has.", null=True),
        "error": Column("text", "Why it failed: the last attempt's message.", null=True),
        "error_details": Column("jsonb", "{type, message, retryable}", null=True),
        "retry_count": Column("integer", "Attempts beyond the first."),
        "cost_estimate": Column(
            "numeric(20,10)",
            "What it was thought to cost; null where that is not known, or not in the currency of what it did cost.",
            null=True,
        ),
        "actual_cost": Column(
            "numeric(20,10)",
            "The sum of what its attempts cost, failed ones too, as far as known and in this currency; null: nothing is known.",
            null=True,
        ),
        "currency": Column("text", "Of actual_cost; of cost_estimate where there is no actual_cost. ISO 4217.", null=True),
        "latency_ms": Column("bigint", "How long the call of the attempt that ended last took, in milliseconds.", null=True),
        "requested_by": Column("uuid", "On whose behalf the execution asks.", null=True),
        "started_at": Column("timestamptz", "When the first attempt began.", null=True),
        "completed_at": Column("timestamptz", "When it was completed, failed or was cancelled.", null=True),
    },
    appliers={
        AiTaskRequested: requested,
        AiTaskAttemptStarted: attempt_started,
        AiTaskAttemptSucceeded: attempt_ended,
        AiTaskAttemptFailed: attempt_ended,
        AiTaskCompleted: completed,
        AiTaskFailed: failed,
        AiTaskCancelled: cancelled,
    },
    rows_needed=rows_needed,
)
