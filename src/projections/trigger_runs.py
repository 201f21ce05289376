"""projections.trigger_runs: each time that a trigger was to start an execution, and what came of it."""

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.trigger import TriggerFired
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table

NAME = "trigger_runs"


def fired(rows: Rows, record: RecordedEvent, event: TriggerFired) -> None:
    """A start is told by the execution itself."""
    if event.outcome == "started":
        return
    row = {
        "id": event.run_id,
        "trigger_id": record.stream_id,
        "outcome": event.outcome,
        "scheduled_at": event.scheduled_at,
        "ran_at": record.occurred_at,
        "execution_id": None,
        "code": event.code,
        "message": event.message,
        "times": event.count,
    }
    _put(rows, record, row)


def execution_started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    if event.trigger_id is None:
        return
    row = {
        "id": record.stream_id,
        "trigger_id": event.trigger_id,
        "outcome": "started",
        "scheduled_at": event.scheduled_at,
        "ran_at": record.occurred_at,
        "execution_id": record.stream_id,
        "code": None,
        "message": None,
        "times": 1,
    }
    _put(rows, record, row)


def _put(rows: Rows, record: RecordedEvent, row: Row) -> None:
    """One that started stays so, whatever is tried again."""
    key = (record.tenant_id, row["id"])
    known = rows.find(NAME, *key)
    if known is None:
        rows.insert(NAME, record, row)
    elif known["outcome"] != "started":
        rows.update(NAME, record, key, row)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    run_id = event.run_id if isinstance(event, TriggerFired) else record.stream_id
    if isinstance(event, ExecutionStarted) and event.trigger_id is None:
        return ()
    return (Lookup(("tenant_id", "id"), (record.tenant_id, run_id)),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The run's id: that of the execution that was started, or would have been."),
        "trigger_id": Column("uuid", "The trigger."),
        "outcome": Column(
            "text",
            "started, skipped, failed, or buffered: it waits until the execution before it is over.",
            choices=("started", "skipped", "failed", "buffered"),
        ),
        "scheduled_at": Column("timestamptz", "The time of a schedule that it is for.", null=True),
        "ran_at": Column("timestamptz", "When it came to this."),
        "execution_id": Column("uuid", "The execution that was started.", null=True),
        "code": Column("text", "Why none was, as a word.", null=True),
        "message": Column("text", "Why none was, as a sentence.", null=True),
        "times": Column("integer", "More than 1 where so many times, from this one on, were missed together."),
    },
    appliers={TriggerFired: fired, ExecutionStarted: execution_started},
    rows_needed=rows_needed,
)
