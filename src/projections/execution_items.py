"""projections.execution_items: the items that a foreach runs through its body, and what came of each."""

from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    ItemStarted,
)
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "execution_items"


def item_of(rows: Rows, record: RecordedEvent) -> Row | None:
    """The item that an event happened to, if it is one, and no execution."""
    return rows.find(NAME, record.tenant_id, record.stream_id)


def started(rows: Rows, record: RecordedEvent, event: ItemStarted) -> None:
    execution = rows.get("workflow_executions", record.tenant_id, event.execution_id)
    row = {
        "id": record.stream_id,
        "execution_id": event.execution_id,
        "execution_created_at": execution["created_at"],
        "execution_number": execution["execution_number"],
        "workflow_key": event.workflow_key,
        "parent_activation_id": event.activation_id,
        "parent_item_id": None if event.parent_id == event.execution_id else event.parent_id,
        "node_id": event.path[-1],
        "item_index": event.index,
        "status": "running",
        "item": event.item,
        "output": None,
        "error": None,
        "started_at": record.occurred_at,
        "completed_at": None,
    }
    rows.insert(NAME, record, row)


def completed(rows: Rows, record: RecordedEvent, event: ItemCompleted) -> None:
    _end(rows, record, {"status": "completed", "output": event.output})


def failed(rows: Rows, record: RecordedEvent, event: ItemFailed) -> None:
    error = {"code": event.code, "message": event.message, "node_id": event.node_id}
    _end(rows, record, {"status": "failed", "error": error})


def cancelled(rows: Rows, record: RecordedEvent, _event: ItemCancelled) -> None:
    _end(rows, record, {"status": "cancelled"})


def _end(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    _update(rows, record, {**changes, "completed_at": record.occurred_at})


AnyActivation = (
    ActivationStarted | ActivationWaiting | ActivationRetried | ActivationCompleted | ActivationFailed | ActivationCancelled
)


def noted(rows: Rows, record: RecordedEvent, _event: ItemHeld | AnyActivation) -> None:
    """Nothing but its version changes. What happened to an execution's own visits does not concern it."""
    if item_of(rows, record) is not None:
        _update(rows, record, {})


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ItemStarted) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The item's id: that of the stream of its events."),
        "execution_id": Column("uuid", "The execution that it is a part of, however deep it is nested."),
        "execution_created_at": Column("timestamptz", "That execution's created_at."),
        "execution_number": Column("integer", "That execution's number."),
        "workflow_key": Column("text", "The workflow that it runs."),
        "parent_activation_id": Column("uuid", "The visit of the foreach node whose item it is."),
        "parent_item_id": Column("uuid", "The item around it, of a foreach within another one.", null=True),
        "node_id": Column("text", "The foreach node."),
        "item_index": Column("integer", "Its place in the list, from 0."),
        "status": Column(
            "text",
            "running, completed, failed or cancelled.",
            choices=("running", "completed", "failed", "cancelled"),
        ),
        "item": Column("jsonb", "The item.", null=True, listed=False),
        "output": Column("jsonb", "What it came to.", null=True, listed=False),
        "error": Column("jsonb", "Why it failed: {code, message, node_id}.", null=True),
        "started_at": Column("timestamptz", "When it began."),
        "completed_at": Column("timestamptz", "When it completed, failed or was cancelled.", null=True),
    },
    appliers={
        ItemStarted: started,
        ItemCompleted: completed,
        ItemFailed: failed,
        ItemCancelled: cancelled,
        ItemHeld: noted,
        ActivationStarted: noted,
        ActivationWaiting: noted,
        ActivationRetried: noted,
        ActivationCompleted: noted,
        ActivationFailed: noted,
        ActivationCancelled: noted,
    },
    rows_needed=rows_needed,
    lookups=(BY_EXECUTION,),
)
