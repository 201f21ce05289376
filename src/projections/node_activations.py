"""projections.node_activations: every visit of a node by an execution."""

from datetime import datetime

from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionMigrated,
    Wait,
    problem_json,
)
from domain.facts import Json
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Row, Table, row_with_id

NAME = "node_activations"


def started(rows: Rows, record: RecordedEvent, event: ActivationStarted) -> None:
    row = {
        "id": event.activation_id,
        **_where(rows, record),
        "node_id": event.node_id,
        "node_type": event.node_type,
        "visit": event.visit,
        "status": "running",
        "handle": None,
        "waits": [wait_json(wait, record) for wait in event.waits],
        "input": event.input,
        "output": None,
        "error": None,
        "retry_count": 0,
        "started_at": record.occurred_at,
        "completed_at": None,
        "compensates": event.compensates,
    }
    rows.insert(NAME, record, row)


def _where(rows: Rows, record: RecordedEvent) -> Row:
    item = item_of(rows, record)
    if item is None:
        execution = rows.get("workflow_executions", record.tenant_id, record.stream_id)
        about = {"execution_id": record.stream_id, "execution_created_at": execution["created_at"]}
        return {**about, "item_id": None, "item_index": None}
    return {
        "execution_id": item["execution_id"],
        "execution_created_at": item["execution_created_at"],
        "item_id": record.stream_id,
        "item_index": item["item_index"],
    }


def waiting(rows: Rows, record: RecordedEvent, event: ActivationWaiting) -> None:
    key = (record.tenant_id, event.activation_id)
    ended = {str(id) for id in event.ended}
    kept = [wait for wait in rows.get(NAME, *key)["waits"] if wait["id"] not in ended]
    rows.update(NAME, record, key, {"waits": [*kept, *(wait_json(wait, record) for wait in event.added)]})


def wait_json(wait: Wait, record: RecordedEvent) -> Json:
    """`since`, `until`: by the database's clock; only timers have an `until`."""
    until = None if wait.due is None else text(wait.due.moment(record.recorded_at))
    since = text(record.recorded_at)
    return {"kind": wait.kind, "id": str(wait.id), "about": wait.about, "since": since, "until": until}


def text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def migrated(rows: Rows, record: RecordedEvent, event: ExecutionMigrated) -> None:
    """Visits that run go on at a node that is called otherwise; those that are over stay what they were."""
    for visit in event.visits:
        rows.update(NAME, record, (record.tenant_id, visit.activation_id), {"node_id": visit.to})


def retried(rows: Rows, record: RecordedEvent, event: ActivationRetried) -> None:
    rows.update(NAME, record, (record.tenant_id, event.activation_id), {"retry_count": event.attempt})


def completed(rows: Rows, record: RecordedEvent, event: ActivationCompleted) -> None:
    _end(rows, record, event, {"status": "completed", "handle": event.handle, "output": event.output})


def failed(rows: Rows, record: RecordedEvent, event: ActivationFailed) -> None:
    problem = event.error
    changes = {
        "status": "failed",
        "handle": event.handle,
        "error": problem_json(problem),
        "retry_count": problem.attempts - 1,
    }
    _end(rows, record, event, changes)


def cancelled(rows: Rows, record: RecordedEvent, event: ActivationCancelled) -> None:
    _end(rows, record, event, {"status": "cancelled", "error": {"type": "cancelled", "message": event.reason}})


AnyEnd = ActivationCompleted | ActivationFailed | ActivationCancelled


def _end(rows: Rows, record: RecordedEvent, event: AnyEnd, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, event.activation_id), {**changes, "completed_at": record.occurred_at})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, AnyEnd | ActivationRetried | ActivationWaiting):
        return (row_with_id(record, event.activation_id),)
    if isinstance(event, ExecutionMigrated):
        return tuple(row_with_id(record, visit.activation_id) for visit in event.visits)
    return ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The activation's id."),
        "execution_id": Column("uuid", "The execution."),
        "execution_created_at": Column(
            "timestamptz", "That execution's created_at: executions at a node can be listed in their order."
        ),
        "item_id": Column(
            "uuid", "The foreach's item that it belongs to, in execution_items; null outside of a foreach.", null=True
        ),
        "item_index": Column("integer", "That item's place in the list, from 0.", null=True),
        "node_id": Column("text", "The node, as the definition names it."),
        "node_type": Column("text", "The node's type."),
        "visit": Column("integer", "1, 2, 3 … for each node of an execution."),
        "status": Column(
            "text",
            "running, completed, failed, cancelled or skipped.",
            choices=("running", "completed", "failed", "cancelled", "skipped"),
        ),
        "handle": Column("text", "By which handle it was left; of a failed one, the handle that took the error.", null=True),
        "waits": Column(
            "jsonb",
            "What it waits for while it runs, and what it waited for last once it is over: {kind, id, about, since, until}.",
        ),
        "input": Column("jsonb", "What the node got, with its expressions evaluated.", null=True),
        "output": Column("jsonb", "What the node gave.", null=True),
        "error": Column("jsonb", "Why it failed {type, message, attempts}, or was cancelled {type, message}.", null=True),
        "retry_count": Column("integer", "Attempts beyond the first."),
        "started_at": Column("timestamptz", "When it was entered."),
        "completed_at": Column("timestamptz", "When it was left, failed or was cancelled.", null=True),
        "compensates": Column("uuid", "The completed activation that it undoes.", null=True),
    },
    appliers={
        ActivationStarted: started,
        ActivationWaiting: waiting,
        ActivationRetried: retried,
        ActivationCompleted: completed,
        ActivationFailed: failed,
        ActivationCancelled: cancelled,
        ExecutionMigrated: migrated,
    },
    rows_needed=rows_needed,
    lookups=(BY_EXECUTION,),
)
