"""projections.bulk_operations: one action on many executions, how far it has come, and what could not be acted on."""

from domain.bulk_operation import (
    BulkFailure,
    BulkOperationCancelled,
    BulkOperationCompleted,
    BulkOperationFailed,
    BulkOperationProgressed,
    BulkOperationRequested,
)
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "bulk_operations"


def requested(rows: Rows, record: RecordedEvent, event: BulkOperationRequested) -> None:
    row = {
        "id": record.stream_id,
        "action": event.action,
        "filter": event.filter,
        "options": event.options or {},
        "reason": event.reason,
        "status": "running",
        "matched": event.matched,
        "done": 0,
        "failed": 0,
        "skipped": 0,
        "failures": [],
        "error_code": None,
        "error": None,
        "as_of": event.as_of,
        "correlation_id": event.correlation_id,
        "requested_by": event.requester.user_id,
        "cancelled_by": None,
        "started_at": record.occurred_at,
        "completed_at": None,
    }
    rows.insert(NAME, record, row)


def progressed(rows: Rows, record: RecordedEvent, event: BulkOperationProgressed) -> None:
    row = rows.get(NAME, record.tenant_id, record.stream_id)
    counts = {name: row[name] + getattr(event, name) for name in ("done", "failed", "skipped")}
    _update(rows, record, {**counts, "failures": [*row["failures"], *(_failure(one) for one in event.failures)]})


def completed(rows: Rows, record: RecordedEvent, _event: BulkOperationCompleted) -> None:
    _update(rows, record, {"status": "completed", "completed_at": record.occurred_at})


def cancelled(rows: Rows, record: RecordedEvent, _event: BulkOperationCancelled) -> None:
    by = record.envelope.user_id
    _update(rows, record, {"status": "cancelled", "completed_at": record.occurred_at, "cancelled_by": by})


def failed(rows: Rows, record: RecordedEvent, event: BulkOperationFailed) -> None:
    error = {"error_code": event.code, "error": event.message}
    _update(rows, record, {"status": "failed", "completed_at": record.occurred_at, **error})


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def _failure(one: BulkFailure) -> Json:
    id = None if one.execution_id is None else str(one.execution_id)
    return {"index": one.index, "execution_id": id, "code": one.code, "message": one.message}


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, BulkOperationRequested) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The bulk operation's id."),
        "action": Column(
            "text",
            "What is done to each execution: cancel, terminate, pause, resume, signal, fork, migrate, or start.",
            choices=("cancel", "terminate", "pause", "resume", "signal", "fork", "migrate", "start"),
        ),
        "filter": Column(
            "jsonb", "What was looked for, as a list of executions has it; null: they were named.", null=True, listed=False
        ),
        "options": Column("jsonb", "What the action goes by, as it was given.", listed=False),
        "reason": Column("text", "Why, in words.", null=True),
        "status": Column(
            "text",
            "running, completed, cancelled, or failed: it stopped, because its requester may not do this any more.",
            choices=("running", "completed", "cancelled", "failed"),
        ),
        "matched": Column("integer", "How many it acts on. Fixed when it was requested."),
        "done": Column("integer", "How many were acted on."),
        "failed": Column("integer", "How many could not be."),
        "skipped": Column("integer", "How many had come to where there was nothing to do any more, when their turn came."),
        "failures": Column("jsonb", "The first hundred that could not be: {index, execution_id, code, message}.", listed=False),
        "error_code": Column("text", "Why it stopped, as a word.", null=True),
        "error": Column("text", "Why it stopped, as a sentence.", null=True),
        "as_of": Column("bigint", "How far the tables had come in the ledger when the filter was applied.", null=True),
        "correlation_id": Column("uuid", "Of all events of this operation; its own id unless another one was given.", null=True),
        "requested_by": Column("uuid", "Who asked for it; null: a service or the platform.", null=True),
        "cancelled_by": Column("uuid", "Who cancelled it.", null=True),
        "started_at": Column("timestamptz", "When it was requested."),
        "completed_at": Column("timestamptz", "When it completed, was cancelled, or stopped.", null=True),
    },
    appliers={
        BulkOperationRequested: requested,
        BulkOperationProgressed: progressed,
        BulkOperationCompleted: completed,
        BulkOperationCancelled: cancelled,
        BulkOperationFailed: failed,
    },
    rows_needed=rows_needed,
)
