"""projections.jobs: jobs that were enqueued by themselves, and what came of each."""

from datetime import timedelta

from domain.envelope import RecordedEvent
from domain.facts import Due, Json
from domain.job import JobAttemptFailed, JobCancelled, JobCompleted, JobEnqueued, JobFailed, JobRetried, expiry
from domain.retry import Failure
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "jobs"


def enqueued(rows: Rows, record: RecordedEvent, event: JobEnqueued) -> None:
    due = expiry(event)
    row = {
        "id": record.stream_id,
        "type": event.type,
        "status": "pending",
        "unique_key": event.unique_key,
        "priority": event.priority,
        "input": event.input,
        "output": None,
        "error": None,
        "attempts": 0,
        "max_attempts": event.retry.max_attempts,
        "retries": 0,
        "run_at": _run_at(event, record),
        "timeout_seconds": None if event.timeout is None else event.timeout.total_seconds(),
        "expires_at": None if due is None else due.moment(record.recorded_at),
        "created_by": event.created_by,
        "cancelled_by": None,
        "completed_at": None,
        "correlation_id": event.correlation_id,
    }
    rows.insert(NAME, record, row)


def attempt_failed(rows: Rows, record: RecordedEvent, event: JobAttemptFailed) -> None:
    upcoming = {} if event.retry is None else {"run_at": event.retry.moment(record.recorded_at)}
    _update(rows, record, {"attempts": event.number, "error": _error(event.error), **upcoming})


def completed(rows: Rows, record: RecordedEvent, event: JobCompleted) -> None:
    ended = {"status": "completed", "output": event.output, "error": None, "attempts": event.attempts}
    _update(rows, record, {**ended, "completed_at": record.occurred_at})


def failed(rows: Rows, record: RecordedEvent, event: JobFailed) -> None:
    _update(rows, record, {"status": "failed", "error": _error(event.error), "completed_at": record.occurred_at})


def cancelled(rows: Rows, record: RecordedEvent, event: JobCancelled) -> None:
    ended = {"status": "cancelled", "cancelled_by": event.cancelled_by, "completed_at": record.occurred_at}
    _update(rows, record, ended)


def retried(rows: Rows, record: RecordedEvent, event: JobRetried) -> None:
    seconds = rows.get(NAME, record.tenant_id, record.stream_id)["timeout_seconds"]
    again = {"status": "pending", "attempts": 0, "retries": event.number, "run_at": record.recorded_at, "completed_at": None}
    expires_at = None if seconds is None else record.recorded_at + timedelta(seconds=seconds)
    _update(rows, record, {**again, "expires_at": expires_at})


def _run_at(event: JobEnqueued, record: RecordedEvent) -> Json:
    run_at = event.run_at or Due(after=timedelta(0))
    return max(run_at.moment(record.recorded_at), record.recorded_at)


def _error(error: Failure) -> Json:
    return {"type": error.type, "message": error.message}


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, JobEnqueued) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The job's id: that of the stream of its events."),
        "type": Column("text", "What kind of work: workers lease by it."),
        "status": Column(
            "text",
            "pending (it waits for a worker, or one has it), completed, failed or cancelled.",
            choices=("pending", "completed", "failed", "cancelled"),
        ),
        "unique_key": Column("text", "A name that no other pending job of the type has.", null=True),
        "priority": Column("integer", "Of the ready jobs of a tenant and type the highest goes first."),
        "input": Column("jsonb", "What the worker is given.", null=True, listed=False),
        "output": Column("jsonb", "What the work came to.", null=True, listed=False),
        "error": Column("jsonb", "Why the last attempt failed, or the job: {type, message}.", null=True),
        "attempts": Column("integer", "How many attempts have ended, since it was last retried by hand."),
        "max_attempts": Column("integer", "How many there may be."),
        "retries": Column("integer", "How often it was retried by hand."),
        "run_at": Column("timestamptz", "It is not handed out before."),
        "timeout_seconds": Column(
            "double precision", "How long it may take from run_at on; null: as long as it takes.", null=True
        ),
        "expires_at": Column("timestamptz", "When it fails if it is still pending; null: never.", null=True),
        "created_by": Column("uuid", "The user who enqueued it.", null=True),
        "cancelled_by": Column("uuid", "The user who cancelled it.", null=True),
        "completed_at": Column("timestamptz", "When it completed, failed or was cancelled.", null=True),
        "correlation_id": Column("uuid", "What it belongs to across systems.", null=True),
    },
    appliers={
        JobEnqueued: enqueued,
        JobAttemptFailed: attempt_failed,
        JobCompleted: completed,
        JobFailed: failed,
        JobCancelled: cancelled,
        JobRetried: retried,
    },
    rows_needed=rows_needed,
)
