"""projections.approval_steps: the steps of requests that ask in steps, one row each."""

from collections.abc import Callable

from domain.approval import (
    ApprovalCancelled,
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalEscalated,
    ApprovalExpired,
    ApprovalOverdue,
    ApprovalOverridden,
    ApprovalReminded,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalReturned,
    ApprovalRevoked,
    ApprovalStepCompleted,
    ApprovalStepSkipped,
    ApprovalStepStarted,
)
from domain.envelope import RecordedEvent
from projections import approval_times
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Key, Lookup, Row, Table

NAME = "approval_steps"
BY_REQUEST = ("tenant_id", "request_id")
NOTHING_YET: Row = {
    "status": "waiting",
    "rule": None,
    "required_approvals": None,
    "received_approvals": 0,
    "received_rejections": 0,
    "outcome": None,
    "outcome_kind": None,
    "decided_by": None,
    "started_at": None,
    "due_at": None,
    "completed_at": None,
    **approval_times.NOTHING_YET,
    "first_response_at": None,
    "duration_ms": None,
}


def requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    for number, step in enumerate(event.steps, 1):
        about = {"step": number, "name": step.name, "stage": step.stage, "ad_hoc": step.ad_hoc, "times_started": 0}
        rows.insert(NAME, record, {"request_id": record.stream_id, **about, **NOTHING_YET})


def started(rows: Rows, record: RecordedEvent, event: ApprovalStepStarted) -> None:
    key = _key(record, event.step)
    changes = {
        "status": "open",
        "rule": event.rule["type"],
        "required_approvals": event.required_approvals,
        "started_at": record.occurred_at,
        "due_at": None if event.due is None else event.due.moment(record.recorded_at),
        "start_by": approval_times.start_by(event.times, record.recorded_at),
        "times_started": rows.get(NAME, *key)["times_started"] + 1,
    }
    rows.update(NAME, record, key, changes)


def skipped(rows: Rows, record: RecordedEvent, event: ApprovalStepSkipped) -> None:
    rows.update(NAME, record, _key(record, event.step), {"status": "skipped", "completed_at": record.occurred_at})


def decided(rows: Rows, record: RecordedEvent, event: ApprovalDecided) -> None:
    key = _key(record, event.step)
    row = rows.find(NAME, *key)
    if row is not None:
        counted = {
            "received_approvals": row["received_approvals"] + (event.kind == "approve"),
            "received_rejections": row["received_rejections"] + (event.kind == "reject"),
            "first_response_at": row["first_response_at"] or record.occurred_at,
            **approval_times.taken_on(row, record, event.user_id),
        }
        rows.update(NAME, record, key, counted)


def revoked(rows: Rows, record: RecordedEvent, event: ApprovalRevoked) -> None:
    key = _key(record, event.step)
    row = rows.find(NAME, *key)
    if row is not None:
        counted = {
            "received_approvals": row["received_approvals"] - (event.kind == "approve"),
            "received_rejections": row["received_rejections"] - (event.kind == "reject"),
        }
        rows.update(NAME, record, key, counted)


def claimed(rows: Rows, record: RecordedEvent, event: ApprovalClaimed) -> None:
    _note(rows, record, event.step, lambda row: approval_times.taken_on(row, record, event.user_id))


def reminded(rows: Rows, record: RecordedEvent, event: ApprovalReminded) -> None:
    _note(rows, record, event.step, lambda row: {"reminders_sent": row["reminders_sent"] + 1})


def overdue(rows: Rows, record: RecordedEvent, event: ApprovalOverdue) -> None:
    _note(rows, record, event.step, lambda row: approval_times.late(row, record, event))


def escalated(rows: Rows, record: RecordedEvent, event: ApprovalEscalated) -> None:
    """Of its own escalation, or of that of the whole, where this asks others in it."""
    _note(rows, record, event.step, lambda row: approval_times.escalated(row, event))


def _note(rows: Rows, record: RecordedEvent, step: int, change: Callable[[Row], Row]) -> None:
    """What is of the whole has no row here."""
    row = rows.find(NAME, *_key(record, step))
    if row is not None:
        rows.update(NAME, record, _key(record, step), change(row))


def completed(rows: Rows, record: RecordedEvent, event: ApprovalStepCompleted) -> None:
    row = rows.get(NAME, *_key(record, event.step))
    changes = {
        "status": "completed",
        "outcome": event.outcome,
        "outcome_kind": event.kind,
        "decided_by": event.decided_by[-1] if event.decided_by else None,
        "completed_at": record.occurred_at,
        "duration_ms": approval_times.milliseconds(row["started_at"], record.occurred_at),
        "sla_met": approval_times.met(row, record, by_people=bool(event.decided_by)),
    }
    rows.update(NAME, record, _key(record, event.step), changes)


def asked_again(rows: Rows, record: RecordedEvent, event: ApprovalReturned | ApprovalResubmitted) -> None:
    for step in event.steps:
        if rows.find(NAME, *_key(record, step)) is not None:
            rows.update(NAME, record, _key(record, step), NOTHING_YET)


def resubmitted(rows: Rows, record: RecordedEvent, event: ApprovalResubmitted) -> None:
    """The others go on, with their moments anew."""
    asked_again(rows, record, event)
    for clock in event.clocks:
        if rows.find(NAME, *_key(record, clock.step)) is not None:
            rows.update(NAME, record, _key(record, clock.step), approval_times.anew(clock, record.recorded_at))


def overridden(rows: Rows, record: RecordedEvent, event: ApprovalOverridden) -> None:
    """Somebody's answer, in those that were asked."""
    for row in rows.where(NAME, of_request(record)):
        if row["step"] in event.steps:
            changes: Row = {"status": "overridden", "completed_at": record.occurred_at}
            if row["status"] == "open":
                changes |= {
                    "first_response_at": row["first_response_at"] or record.occurred_at,
                    "duration_ms": approval_times.milliseconds(row["started_at"], record.occurred_at),
                    "sla_met": approval_times.met(row, record, by_people=True),
                }
            rows.update(NAME, record, _key(record, row["step"]), changes)


def closed(rows: Rows, record: RecordedEvent, _event: ApprovalResolved | ApprovalCancelled | ApprovalExpired) -> None:
    for row in rows.where(NAME, of_request(record)):
        if row["status"] in ("waiting", "open"):
            changes: Row = {"status": "closed"}
            if isinstance(record.event, ApprovalExpired):
                changes["sla_met"] = approval_times.met(row, record, by_people=False)
            rows.update(NAME, record, _key(record, row["step"]), changes)


def of_request(record: RecordedEvent) -> Lookup:
    return Lookup(BY_REQUEST, (record.tenant_id, record.stream_id), NAME)


def _key(record: RecordedEvent, step: int) -> Key:
    return (record.tenant_id, record.stream_id, step)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApprovalRequested) else (of_request(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "request_id", "step"),
    columns={
        "tenant_id": TENANT_ID,
        "request_id": Column("uuid", "The request."),
        "step": Column("integer", "The step's number, from 1."),
        "name": Column("text", "Its name."),
        "stage": Column("integer", "Steps of one stage are asked at the same time, stages one after another, from 1."),
        "ad_hoc": Column("boolean", "Whether somebody may be added to those whom it asks."),
        "times_started": Column(
            "integer", "How often it was asked: more than once where the request was sent back or resubmitted."
        ),
        "status": Column(
            "text",
            "waiting, open, completed, skipped, overridden, or closed: the request ended without it.",
            choices=("waiting", "open", "completed", "skipped", "closed", "overridden"),
        ),
        "rule": Column("text", "The type of its rule, e.g. single; null until it is asked.", null=True),
        "required_approvals": Column(
            "integer", "How many approvals its rule asks for; of a rule of weights, of what weight.", True
        ),
        "received_approvals": Column("integer", "Decisions so far that approve, and count."),
        "received_rejections": Column("integer", "Decisions so far that reject, and count."),
        "outcome": Column("text", "What it came to.", null=True),
        "outcome_kind": Column(
            "text",
            "What that outcome means: approve, reject, changes, submit, withdraw or other.",
            null=True,
            choices=("approve", "reject", "changes", "submit", "withdraw", "other"),
        ),
        "decided_by": Column("uuid", "Whose decision completed it.", null=True),
        "started_at": Column("timestamptz", "When it was asked, last.", null=True),
        "due_at": Column("timestamptz", "By when an answer is hoped for.", null=True),
        "completed_at": Column("timestamptz", "When it was completed, skipped or overridden.", null=True),
        **approval_times.COLUMNS,
        "first_response_at": Column("timestamptz", "When the first decision was made.", null=True),
        "duration_ms": Column("bigint", "From when it was asked, last, to when it was completed, in milliseconds.", null=True),
    },
    appliers={
        ApprovalRequested: requested,
        ApprovalStepStarted: started,
        ApprovalStepSkipped: skipped,
        ApprovalDecided: decided,
        ApprovalClaimed: claimed,
        ApprovalReminded: reminded,
        ApprovalEscalated: escalated,
        ApprovalOverdue: overdue,
        ApprovalStepCompleted: completed,
        ApprovalReturned: asked_again,
        ApprovalResubmitted: resubmitted,
        ApprovalRevoked: revoked,
        ApprovalOverridden: overridden,
        ApprovalResolved: closed,
        ApprovalCancelled: closed,
        ApprovalExpired: closed,
    },
    rows_needed=rows_needed,
    lookups=(BY_REQUEST,),
)
