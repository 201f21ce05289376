"""What requests and their steps have in common of time: who took it on, what is late, whether what was due was met."""

from datetime import datetime, timedelta

from domain.approval import ApprovalEscalated, ApprovalOverdue
from domain.approval.times import Clock, Times
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections.table import Column, Row

MILLISECOND = timedelta(milliseconds=1)
NOT_TAKEN_ON: Row = {"taken_on_at": None, "taken_on_by": None}
NOTHING_YET: Row = {
    "start_by": None,
    **NOT_TAKEN_ON,
    "overdue_at": None,
    "start_missed_at": None,
    "reminders_sent": 0,
    "escalation_level": 0,
    "sla_met": None,
}
COLUMNS = {
    "start_by": Column("timestamptz", "By when somebody is to have claimed or answered it.", null=True),
    "taken_on_at": Column("timestamptz", "When somebody first claimed or answered it.", null=True),
    "taken_on_by": Column("uuid", "Who that was.", null=True),
    "overdue_at": Column(
        "timestamptz", "When it was recorded that no answer had come by when it was due; null: it was not late so far.", null=True
    ),
    "start_missed_at": Column(
        "timestamptz", "When it was recorded that nobody had taken it on by when that was to be.", null=True
    ),
    "reminders_sent": Column("integer", "How many reminders there were."),
    "escalation_level": Column("integer", "The level of the escalation that was reached; 0: none."),
    "sla_met": Column(
        "boolean",
        "Whether people answered by when it was due, by the database's clock; false as soon as that is missed. Null: nothing was "
        "due, or it is open and not late, or it was taken back. A pause does not stop this clock.",
        null=True,
    ),
}


def start_by(times: Times | None, asked_at: datetime) -> datetime | None:
    return None if times is None or times.start is None else times.start.moment(asked_at)


def anew(clock: Clock, asked_at: datetime) -> Row:
    """Of a place that goes on when the request is asked again: its moments are all to come. One that is not due anew stays due as
    it was."""
    due: Row = {} if clock.due is None else {"due_at": clock.due.moment(asked_at)}
    return {
        **due,
        "start_by": start_by(clock.times, asked_at),
        "overdue_at": None,
        "start_missed_at": None,
        "sla_met": None,
        **({} if clock.started else NOT_TAKEN_ON),
    }


def levels(times: Times | None, asked_at: datetime) -> Json:
    """Of an escalation, each with when it is reached."""
    if times is None or not times.escalate:
        return None
    return [
        {
            "level": number,
            "at": level.moment.after(asked_at).isoformat().replace("+00:00", "Z"),
            "by": level.by,
            "replace": level.replace,
            "outcome": level.outcome,
            "only_if_not_taken_on": level.unstarted,
        }
        for number, level in enumerate(times.escalate, 1)
    ]


def taken_on(row: Row, record: RecordedEvent, user_id: object) -> Row:
    if row["taken_on_at"] is not None:
        return {}
    return {"taken_on_at": record.occurred_at, "taken_on_by": user_id}


def late(row: Row, record: RecordedEvent, event: ApprovalOverdue) -> Row:
    if event.what == "start":
        return {"start_missed_at": row["start_missed_at"] or record.recorded_at}
    return {"overdue_at": row["overdue_at"] or record.recorded_at, "sla_met": False}


def escalated(row: Row, event: ApprovalEscalated) -> Row:
    return {"escalation_level": max(row["escalation_level"], event.level)}


def met(row: Row, record: RecordedEvent, *, by_people: bool) -> bool | None:
    """`sla_met` of what is answered now."""
    if row["sla_met"] is False:
        return False
    if row["due_at"] is None:
        return None
    return by_people and record.recorded_at <= row["due_at"]


def milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    return None if start is None or end is None else (end - start) // MILLISECOND
