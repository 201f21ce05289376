"""projections.ai_agent_tasks: what models are asked, what came back, and what it used and cost over all attempts."""

from dataclasses import fields
from decimal import Decimal

from domain.ai_task import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Bounds,
    Usage,
)
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections import ai_agent_tool_calls
from projections.ai_agent_tool_calls import failure_json
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Row, Table, stream_row

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
        "workflow_key": event.workflow_key,
        "turns": 0,
        "tool_calls": 0,
        "open_questions": 0,
        "tools": event.tools,
        "bounds": _bounds(event.bounds),
        "continues_id": event.continues,
        "external": event.external or False,
        "original_output": None,
        "review_outcome": None,
        "reviewed_by": None,
        "prompt_key": None if event.prompt_ref is None else event.prompt_ref.key,
        "prompt_version": None if event.prompt_ref is None else event.prompt_ref.version,
        "rejections": 0,
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


def _bounds(bounds: Bounds | None) -> Json:
    """Those that there are."""
    if bounds is None:
        return None
    return {name: value for name, value in vars(bounds).items() if value is not None}


AttemptEnded = AiTaskAttemptSucceeded | AiTaskAttemptFailed


def attempt_ended(rows: Rows, record: RecordedEvent, event: AttemptEnded) -> None:
    """What was used was used, also where the task was cancelled meanwhile."""
    row = _row(rows, record)
    changes = {
        "usage": _used(row["usage"], event.usage),
        "latency_ms": event.latency_ms,
    }
    if event.usage is not None:
        changes["input_tokens"] = (row["input_tokens"] or 0) + event.usage.input_tokens
        changes["output_tokens"] = (row["output_tokens"] or 0) + event.usage.output_tokens
    if isinstance(event, AiTaskAttemptSucceeded) and event.purpose != "guard":
        changes["turns"] = row["turns"] + 1
    _stand(rows, record, {**changes, **_paid({**row, **changes}, event)})


def _used(before: dict[str, Json], usage: Usage | None) -> dict[str, Json]:
    found = (usage or Usage()).shown()
    tokens = {name: before.get(name, 0) + count for name, count in found.items() if name.endswith("_tokens")}
    return {**before, **tokens, "attempts": before["attempts"] + 1}


def _paid(row: Row, event: AttemptEnded) -> Row:
    """The first known cost says in which currency the task is paid; what is in another one does not add up."""
    cost, paid = money(event.cost), row["actual_cost"]
    if cost is None or (paid is not None and event.currency != row["currency"]):
        return {"usage": {**row["usage"], "unpriced": row["usage"]["unpriced"] + 1}}
    estimate = row["cost_estimate"] if event.currency == row["currency"] else None
    return {"actual_cost": (paid or Decimal(0)) + cost, "currency": event.currency, "cost_estimate": estimate}


def called(rows: Rows, record: RecordedEvent, event: AiTaskToolCallStarted) -> None:
    _stand(rows, record, {"tool_calls": _row(rows, record)["tool_calls"] + (event.number == 1)})


def call_ended(
    rows: Rows, record: RecordedEvent, _event: AiTaskToolCallSucceeded | AiTaskToolCallFailed | AiTaskToolCallDenied
) -> None:
    _stand(rows, record, {})


def asked(rows: Rows, record: RecordedEvent, event: AiTaskAsked) -> None:
    changes: Row = {"open_questions": _row(rows, record)["open_questions"] + 1}
    if event.purpose == "review":
        changes |= {"original_output": event.output, "review_outcome": None, "reviewed_by": None}
    _stand(rows, record, changes)


def answered(rows: Rows, record: RecordedEvent, event: AiTaskAnswered) -> None:
    row = _row(rows, record)
    changes: Row = {"open_questions": max(0, row["open_questions"] - 1)}
    if event.purpose == "review":
        changes |= {"review_outcome": event.outcome, "reviewed_by": event.by}
        changes["rejections"] = row["rejections"] + (event.outcome == "rejected")
    _stand(rows, record, changes)


def _stand(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    """With the status that follows from what it needs next (`domain.ai_task.steps`); the rows of its calls are up to date."""
    row = {**_row(rows, record), **changes}
    if row["status"] in OVER:
        _update(rows, record, changes)
        return
    calls = rows.where(ai_agent_tool_calls.NAME, ai_agent_tool_calls.of_task(record))
    running = [call for call in calls if call["status"] == "running"]
    asked_of_calls = sum(call["status"] == "asked" and call["request_id"] is not None for call in calls)
    ready = any(call["status"] == "ready" for call in calls)
    if any(call["child_id"] is None for call in running):
        status = "running"
    elif row["open_questions"] > asked_of_calls:
        status = "waiting"  # for an answer that is of no call, and holds up all of them
    elif not ready and (running or row["open_questions"]):
        status = "waiting"
    else:
        status = "pending"
    _update(rows, record, {**changes, "status": status})


def completed(rows: Rows, record: RecordedEvent, event: AiTaskCompleted) -> None:
    _over(rows, record, {"status": "completed", "output": event.output})


def _over(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    _update(rows, record, {**changes, "open_questions": 0, "completed_at": record.occurred_at})


def failed(rows: Rows, record: RecordedEvent, event: AiTaskFailed) -> None:
    error = {"error": event.error.message, "error_details": failure_json(event.error)}
    _over(rows, record, {"status": "failed", **error})


def cancelled(rows: Rows, record: RecordedEvent, _event: AiTaskCancelled) -> None:
    _over(rows, record, {"status": "cancelled"})


def money(amount: Decimal | None) -> Decimal | None:
    """With the ten digits after the point that the column has."""
    return None if amount is None else amount.quantize(SMALLEST)


def _row(rows: Rows, record: RecordedEvent) -> Row:
    return rows.get(NAME, record.tenant_id, record.stream_id)


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, AiTaskRequested):
        return ()
    if isinstance(event, AiTaskAttemptStarted | AiTaskCompleted | AiTaskFailed | AiTaskCancelled):
        return (stream_row(record),)
    calls = ai_agent_tool_calls.of_task(record)
    return stream_row(record), calls._replace(table=ai_agent_tool_calls.NAME)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The task's id."),
        "execution_id": Column("uuid", "The execution that asks; null: the task was asked for by itself.", null=True),
        "activation_id": Column("uuid", "The visit of the ai_agent node that asks; null as execution_id.", null=True),
        "item_index": Column("integer", "Of the foreach's item that asks, from 0; null outside of a foreach.", null=True),
        "node_id": Column("text", "That node; null as execution_id.", null=True),
        "task_name": Column("text", "Its name for people."),
        "agent_type": Column("text", "What kind of agent the node names, if it does.", null=True),
        "provider": Column("text", "Who is asked: as requested, then as of the attempt that started last.", null=True),
        "model": Column("text", "The model, as the node names it; which one answered is in ai_agent_attempts."),
        "status": Column(
            "text",
            "pending (also between two attempts), running, waiting (for people, or a workflow that is a tool), completed, failed "
            "or cancelled.",
            choices=("pending", "running", "waiting", "completed", "failed", "cancelled"),
        ),
        "priority": Column("integer", "Higher goes first."),
        "prompt": Column(
            "text", "What is asked, as it is sent; something else stands in the place of sensitive values.", listed=False
        ),
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
            "cache_read_tokens, cache_write_tokens, reasoning_tokens?, unpriced}; unpriced: how many are not in "
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
        "workflow_key": Column("text", "The workflow whose execution asks.", null=True),
        "turns": Column("integer", "How often a model has answered, in its turns."),
        "tool_calls": Column("integer", "How many calls of tools were made."),
        "open_questions": Column("integer", "How many approval requests it waits for."),
        "tools": Column("jsonb", "The tools that it may call: [{name, type, policy, …}]; null: none.", null=True, listed=False),
        "bounds": Column(
            "jsonb",
            "How far it may go: {turns, tool_calls, tokens, cost, currency, time, repeats, repairs, rejections}; null: not said.",
            null=True,
            listed=False,
        ),
        "continues_id": Column("uuid", "The task whose conversation it goes on with.", null=True),
        "external": Column("boolean", "Whether an agent elsewhere does it, and reports its turns."),
        "original_output": Column("jsonb", "What was reviewed, as the model had it; null: nothing was.", null=True, listed=False),
        "review_outcome": Column("text", "The last review: approved, edited, rejected, expired or cancelled.", null=True),
        "reviewed_by": Column("uuid", "Who decided there.", null=True),
        "prompt_key": Column("text", "The prompt that it is pinned to, where it is to one.", null=True),
        "prompt_version": Column("integer", "The version of that prompt.", null=True),
        "rejections": Column("integer", "How often people sent its output back."),
    },
    appliers={
        AiTaskRequested: requested,
        AiTaskAttemptStarted: attempt_started,
        AiTaskAttemptSucceeded: attempt_ended,
        AiTaskAttemptFailed: attempt_ended,
        AiTaskToolCallDenied: call_ended,
        AiTaskToolCallStarted: called,
        AiTaskToolCallSucceeded: call_ended,
        AiTaskToolCallFailed: call_ended,
        AiTaskAsked: asked,
        AiTaskAnswered: answered,
        AiTaskCompleted: completed,
        AiTaskFailed: failed,
        AiTaskCancelled: cancelled,
    },
    rows_needed=rows_needed,
    lookups=(BY_EXECUTION,),
)
