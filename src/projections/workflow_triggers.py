"""projections.workflow_triggers: what starts executions of a workflow by itself, when next, and what came of it last."""

from datetime import datetime

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Json
from domain.trigger import (
    Clock,
    TriggerBackfilled,
    TriggerChanged,
    TriggerCreated,
    TriggerFired,
    TriggerFreed,
    TriggerPaused,
    TriggerResumed,
    TriggerRetired,
    TriggerScheduled,
    TriggerSecretRotated,
)
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "workflow_triggers"
UNSET = {"next_run_at": None, "next_due_at": None}


def created(rows: Rows, record: RecordedEvent, event: TriggerCreated) -> None:
    """Again, where it was retired: what came of it before stays, and so does a pause that its workflow was archived in."""
    key = (record.tenant_id, record.stream_id)
    known = rows.find(NAME, *key)
    brought = {"workflow_version": event.workflow_version, "type": event.type, **_described(event.config)}
    if known is not None:
        rows.update(NAME, record, key, {**brought, "status": "paused" if known["is_paused"] else "active", **UNSET})
        return
    row = {
        "id": record.stream_id,
        "workflow_id": event.workflow_id,
        "workflow_key": event.workflow_key,
        "key": event.key,
        **brought,
        "status": "active",
        "is_paused": False,
        "has_address": False,
        **UNSET,
        "waiting": [],
        "last_run_at": None,
        "last_scheduled_at": None,
        "last_outcome": None,
        "last_execution_id": None,
        "last_error": None,
        "started_count": 0,
        "failed_count": 0,
    }
    rows.insert(NAME, record, row)


def changed(rows: Rows, record: RecordedEvent, event: TriggerChanged) -> None:
    brought = {"workflow_version": event.workflow_version, "type": event.type, **_described(event.config)}
    _update(rows, record, {**brought, **UNSET})


def retired(rows: Rows, record: RecordedEvent, event: TriggerRetired) -> None:
    row = _row(rows, record)
    archived = event.why == "archived"
    kept = {"is_paused": row["is_paused"] and archived, "has_address": row["has_address"] and archived}
    _update(rows, record, {"status": "retired", **kept, **UNSET, "waiting": []})


def paused(rows: Rows, record: RecordedEvent, _event: TriggerPaused) -> None:
    _update(rows, record, {"status": "paused", "is_paused": True, **UNSET})


def resumed(rows: Rows, record: RecordedEvent, _event: TriggerResumed) -> None:
    _update(rows, record, {"status": "active", "is_paused": False, **UNSET})


def scheduled(rows: Rows, record: RecordedEvent, event: TriggerScheduled) -> None:
    _update(rows, record, _next(event.clock))


def fired(rows: Rows, record: RecordedEvent, event: TriggerFired) -> None:
    row = _row(rows, record)
    changes: Row = {} if event.clock is None else _next(event.clock)
    if event.scheduled_at is not None:
        at = _text(event.scheduled_at)
        left = [each for each in row["waiting"] if each != at]
        changes["waiting"] = [*left, at] if event.outcome == "buffered" else left
    if event.outcome not in ("started", "buffered"):
        changes |= {
            "last_run_at": record.occurred_at,
            "last_scheduled_at": event.scheduled_at,
            "last_outcome": event.outcome,
            "last_execution_id": None,
            "last_error": event.message,
            "failed_count": row["failed_count"] + (event.outcome == "failed"),
        }
    _update(rows, record, changes)


def backfilled(rows: Rows, record: RecordedEvent, event: TriggerBackfilled) -> None:
    waiting = [*_row(rows, record)["waiting"], *map(_text, event.times)]
    _update(rows, record, {"waiting": waiting})


def freed(rows: Rows, record: RecordedEvent, _event: TriggerFreed) -> None:
    _update(rows, record, {})


def rotated(rows: Rows, record: RecordedEvent, _event: TriggerSecretRotated) -> None:
    _update(rows, record, {"has_address": True})


def execution_started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    if event.trigger_id is None:
        return
    key = (record.tenant_id, event.trigger_id)
    changes = {
        "last_run_at": record.occurred_at,
        "last_scheduled_at": event.scheduled_at,
        "last_outcome": "started",
        "last_execution_id": record.stream_id,
        "last_error": None,
        "started_count": rows.get(NAME, *key)["started_count"] + 1,
    }
    rows.note(NAME, key, changes)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _described(config: Json) -> Row:
    return {"name": config.get("name"), "config": config}


def _next(clock: Clock) -> Row:
    return {"next_run_at": clock.next_at, "next_due_at": clock.due_at}


def _row(rows: Rows, record: RecordedEvent) -> Row:
    return rows.get(NAME, record.tenant_id, record.stream_id)


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    if isinstance(event, ExecutionStarted):
        return () if event.trigger_id is None else (Lookup(("tenant_id", "id"), (record.tenant_id, event.trigger_id)),)
    return (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The trigger's id."),
        "workflow_id": Column("uuid", "The workflow of which it starts executions."),
        "workflow_key": Column("text", "That workflow's key."),
        "workflow_version": Column("integer", "The version that gave it its present form; what it starts is of the latest one."),
        "key": Column("text", "Its id in the definition; unique in the workflow."),
        "name": Column("text", "Its name for people.", null=True),
        "type": Column("text", "schedule, webhook, event or mcp."),
        "status": Column(
            "text",
            "active, paused, or retired: the workflow is archived, or published without it.",
            choices=("active", "paused", "retired"),
        ),
        "is_paused": Column("boolean", "Whether it is paused, or will be once its workflow is restored."),
        "config": Column("jsonb", "As it stands in the definition.", listed=False),
        "has_address": Column("boolean", "Whether a webhook was given an address."),
        "next_run_at": Column("timestamptz", "A schedule's next time.", null=True),
        "next_due_at": Column("timestamptz", "When that is due, with jitter.", null=True),
        "waiting": Column("text[]", "Times that wait until the execution before them is over.", listed=False),
        "last_run_at": Column("timestamptz", "When it last started an execution, or could not.", null=True),
        "last_scheduled_at": Column("timestamptz", "For which time of a schedule that was.", null=True),
        "last_outcome": Column(
            "text", "What came of it: started, skipped or failed.", null=True, choices=("started", "skipped", "failed")
        ),
        "last_execution_id": Column("uuid", "The execution that was started then.", null=True),
        "last_error": Column("text", "Why none was.", null=True),
        "started_count": Column("bigint", "How many executions it started."),
        "failed_count": Column("bigint", "How often it could not start one."),
    },
    appliers={
        TriggerCreated: created,
        TriggerChanged: changed,
        TriggerRetired: retired,
        TriggerPaused: paused,
        TriggerResumed: resumed,
        TriggerScheduled: scheduled,
        TriggerFired: fired,
        TriggerFreed: freed,
        TriggerBackfilled: backfilled,
        TriggerSecretRotated: rotated,
        ExecutionStarted: execution_started,
    },
    rows_needed=rows_needed,
)
