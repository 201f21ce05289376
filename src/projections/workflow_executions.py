"""projections.workflow_executions: every run of a workflow, where it is and how it ended."""

from datetime import timedelta

from domain.envelope import RecordedEvent
from domain.execution import (
    TIMEOUT,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    CompensationResult,
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionForked,
    ExecutionHeld,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    ItemStarted,
    problem_json,
)
from domain.facts import Json
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "workflow_executions"
WORK = ("job", "ai_task", "execution")
AnyEnd = ExecutionCompleted | ExecutionFailed | ExecutionCancelled


def started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    row = {
        "id": record.stream_id,
        "workflow_id": event.workflow_id,
        "workflow_key": event.workflow_key,
        "workflow_version": event.workflow_version,
        # the table workflows comes first: it has counted this one
        "execution_number": rows.get("workflows", record.tenant_id, event.workflow_id)["execution_count"],
        "business_key": event.business_key,
        "status": "running",
        "trigger_type": event.trigger_type,
        "trigger_data": event.trigger_data,
        "input": event.input,
        "output": None,
        "variables": {},
        "current_nodes": [],
        "error": None,
        "error_details": None,
        "metrics": {"total": 0, "completed": 0, "failed": 0, "skipped": 0, "waiting_ms": 0, "running_ms": None},
        "priority": event.priority,
        "parent_execution_id": event.parent_execution_id,
        "parent_activation_id": event.parent_activation_id,
        "labels": event.labels or {},
        "correlation_id": event.correlation_id or record.envelope.correlation_id,
        "scheduled_at": event.scheduled_at,
        "started_at": record.occurred_at,
        "completed_at": None,
        "cancelled_at": None,
        "cancelled_by": None,
        "compensation": None,
        "created_by": event.created_by,
    }
    rows.insert(NAME, record, row)


def item_started(_rows: Rows, _record: RecordedEvent, _event: ItemStarted) -> None:
    """The items of a foreach have rows of their own, and so have their visits; the execution is at the foreach meanwhile."""


def activation_started(rows: Rows, record: RecordedEvent, event: ActivationStarted) -> None:
    if item_of(rows, record) is not None:
        return
    row = _row(rows, record)
    metrics = {**row["metrics"], "total": row["metrics"]["total"] + 1}
    _update(rows, record, {"current_nodes": [*row["current_nodes"], event.node_id], "metrics": metrics})


def activation_completed(rows: Rows, record: RecordedEvent, event: ActivationCompleted) -> None:
    if item_of(rows, record) is not None:
        return
    changes = _left(rows, record, event.activation_id, event.node_id, "completed")
    activation = rows.get("node_activations", record.tenant_id, event.activation_id)
    if activation["node_type"] == "set" and isinstance(event.output, dict):
        changes["variables"] = {**_row(rows, record)["variables"], **event.output}
    _update(rows, record, changes)


def activation_failed(rows: Rows, record: RecordedEvent, event: ActivationFailed) -> None:
    if item_of(rows, record) is None:
        _update(rows, record, _left(rows, record, event.activation_id, event.node_id, "failed"))


def activation_cancelled(rows: Rows, record: RecordedEvent, event: ActivationCancelled) -> None:
    if item_of(rows, record) is None:
        _update(rows, record, _left(rows, record, event.activation_id, event.node_id, "skipped"))


def completed(rows: Rows, record: RecordedEvent, event: ExecutionCompleted) -> None:
    changes = {"status": "completed", "output": event.output, "completed_at": record.occurred_at}
    _update(rows, record, {**changes, **_ended(rows, record)})


def compensating(rows: Rows, record: RecordedEvent, event: ExecutionCompensating) -> None:
    error = {} if event.ends == "cancelled" else _error(event.code, event.message, event.node_id)
    _update(rows, record, {**error, "compensation": "running"})


def failed(rows: Rows, record: RecordedEvent, event: ExecutionFailed) -> None:
    changes = {"status": "failed", **_error(event.code, event.message, event.node_id), "completed_at": record.occurred_at}
    _update(rows, record, {**changes, **_undone(changes["error_details"], event.compensation), **_ended(rows, record)})


def cancelled(rows: Rows, record: RecordedEvent, event: ExecutionCancelled) -> None:
    changes = {"status": "cancelled", "cancelled_at": record.occurred_at, "cancelled_by": event.cancelled_by}
    known = _row(rows, record)["error_details"]
    _update(rows, record, {**changes, **_undone(known, event.compensation), **_ended(rows, record)})


def _error(code: str | None, message: str | None, node_id: str | None) -> Row:
    return {"error": message, "error_details": {"code": code, "message": message, "node_id": node_id}}


def _undone(error: Json, result: CompensationResult | None) -> Row:
    """The first error stays. A cancelled execution has one only where something could not be undone."""
    if result is None:
        return {}
    said: Row = {"compensation": "terminated" if result.left else "failed" if result.failed else "completed"}
    if not result.failures:
        return said
    if error is None:
        first = result.failures[0]
        error = {"code": "compensation_failed", "message": first.error.message, "node_id": first.compensate}
    failures = [
        {
            "node_id": each.node_id,
            "activation_id": str(each.activation_id),
            "compensate": each.compensate,
            "error": problem_json(each.error),
        }
        for each in result.failures
    ]
    counts = {"undone": result.undone, "failed": result.failed, "left": result.left}
    return {**said, "error": error["message"], "error_details": {**error, "compensation": {**counts, "failures": failures}}}


def paused(rows: Rows, record: RecordedEvent, _event: ExecutionPaused) -> None:
    _update(rows, record, {"status": "paused"})


def resumed(rows: Rows, record: RecordedEvent, _event: ExecutionResumed) -> None:
    _update(rows, record, {"status": "running"})


def changed(rows: Rows, record: RecordedEvent, event: ExecutionChanged) -> None:
    given: Row = {"labels": event.labels, "priority": event.priority}
    _update(rows, record, {name: value for name, value in given.items() if value is not None})


def migrated(rows: Rows, record: RecordedEvent, event: ExecutionMigrated) -> None:
    """It is where it was, at nodes that may be called otherwise."""
    nodes = [event.nodes.get(node_id) or node_id for node_id in _row(rows, record)["current_nodes"]]
    _update(rows, record, {"workflow_version": event.to_version, "current_nodes": nodes})


def noted(
    rows: Rows,
    record: RecordedEvent,
    _event: ExecutionForked | ExecutionHeld | ExecutionSignalled | ActivationRetried | ActivationWaiting,
) -> None:
    """Nothing but its version changes."""
    if item_of(rows, record) is None:
        _update(rows, record, {})


def _row(rows: Rows, record: RecordedEvent) -> Row:
    return rows.get(NAME, record.tenant_id, record.stream_id)


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def _left(rows: Rows, record: RecordedEvent, activation_id: object, node_id: str, counted_as: str) -> Row:
    """The columns that change when an activation ends, one way or another."""
    row = _row(rows, record)
    nodes = list(row["current_nodes"])
    nodes.remove(node_id)
    metrics: dict[str, Json] = {**row["metrics"], counted_as: row["metrics"][counted_as] + 1}
    activation = rows.get("node_activations", record.tenant_id, activation_id)
    if _waits_for_no_work(activation["waits"]):
        metrics["waiting_ms"] += milliseconds(record.occurred_at - activation["started_at"])
    return {"current_nodes": nodes, "metrics": metrics}


def _waits_for_no_work(waits: Json) -> bool:
    """It waited for people, a moment or an event: the time counts as waiting_ms."""
    kinds = {wait["kind"] for wait in waits if (wait["kind"], wait["about"]) != ("timer", TIMEOUT)}
    return bool(kinds) and kinds.isdisjoint(WORK)


def _ended(rows: Rows, record: RecordedEvent) -> Row:
    row = _row(rows, record)
    return {"metrics": {**row["metrics"], "running_ms": milliseconds(record.occurred_at - row["started_at"])}}


def milliseconds(span: timedelta) -> int:
    """Whole milliseconds, rounded down."""
    return span // timedelta(milliseconds=1)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    if isinstance(record.event, ItemStarted):
        return (Lookup(("tenant_id", "id"), (record.tenant_id, record.event.execution_id)),)
    return () if isinstance(record.event, ExecutionStarted) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The execution's id."),
        "workflow_id": Column("uuid", "The workflow it runs."),
        "workflow_key": Column("text", "That workflow's key."),
        "workflow_version": Column("integer", "The published version it runs."),
        "execution_number": Column("integer", "1, 2, 3 … in each workflow, in the order of starting."),
        "business_key": Column("text", "The starter's own name for it; unique among a workflow's open executions.", null=True),
        "status": Column(
            "text",
            "running, paused, completed, failed or cancelled.",
            choices=("running", "paused", "completed", "failed", "cancelled"),
        ),
        "trigger_type": Column(
            "text",
            "What started it: manual, scheduled, webhook, event, child, fork or mcp.",
            choices=("manual", "scheduled", "webhook", "event", "child", "fork", "mcp"),
        ),
        "trigger_data": Column("jsonb", "What the trigger knew.", null=True, listed=False),
        "input": Column("jsonb", "What it was started with.", null=True, listed=False),
        "output": Column("jsonb", "What its last end gave.", null=True, listed=False),
        "variables": Column("jsonb", "The outputs of its set nodes, merged; the later value of a name holds.", listed=False),
        "current_nodes": Column("text[]", "The nodes it is at, one entry for each running activation, in the order of starting."),
        "error": Column("text", "Why it failed, in words.", null=True),
        "error_details": Column(
            "jsonb",
            "Why it failed: {code, message, node_id}; where something could not be undone also "
            "{compensation: {undone, failed, left, failures}}.",
            null=True,
        ),
        "metrics": Column(
            "jsonb",
            "Activations {total, completed, failed, skipped (cancelled ones)}, {waiting_ms}: how "
            "long approvals were open, summed, {running_ms}: from start to end, null before.",
        ),
        "priority": Column("integer", "Higher is more urgent."),
        "parent_execution_id": Column("uuid", "The execution that started or was forked into this one.", null=True),
        "parent_activation_id": Column(
            "uuid", "The visit of its parent that waits for its end; null where none does.", null=True
        ),
        "labels": Column("jsonb", "Texts by key, as its starter or others gave them."),
        "correlation_id": Column("uuid", "Groups what belongs together across systems.", null=True),
        "scheduled_at": Column("timestamptz", "For which time a schedule started it.", null=True),
        "started_at": Column("timestamptz", "When it started."),
        "completed_at": Column("timestamptz", "When it completed or failed.", null=True),
        "cancelled_at": Column("timestamptz", "When it was cancelled.", null=True),
        "cancelled_by": Column("uuid", "Who cancelled it.", null=True),
        "compensation": Column(
            "text",
            "Whether what it had done is being undone (running), was undone (completed), in part could not be (failed), or was "
            "left because it was terminated.",
            null=True,
            choices=("running", "completed", "failed", "terminated"),
        ),
        "created_by": Column("uuid", "Who started it.", null=True),
    },
    appliers={
        ExecutionStarted: started,
        ItemStarted: item_started,
        ActivationStarted: activation_started,
        ActivationWaiting: noted,
        ActivationRetried: noted,
        ActivationCompleted: activation_completed,
        ActivationFailed: activation_failed,
        ActivationCancelled: activation_cancelled,
        ExecutionCompleted: completed,
        ExecutionFailed: failed,
        ExecutionCancelled: cancelled,
        ExecutionCompensating: compensating,
        ExecutionPaused: paused,
        ExecutionResumed: resumed,
        ExecutionHeld: noted,
        ExecutionSignalled: noted,
        ExecutionForked: noted,
        ExecutionChanged: changed,
        ExecutionMigrated: migrated,
    },
    rows_needed=rows_needed,
)
