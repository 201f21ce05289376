"""Moments by a business calendar: `{"calendar": "de", "duration": "PT8H"}` is due after so much working time."""

from collections.abc import Iterator
from datetime import timedelta

from domain.calendar import CALENDAR, calendar_id_of
from domain.facts import Due, Json, View
from domain.names import ROLE_KEY
from domain.openings import Opening
from domain.working_time import TooFar, WorkingHours, openings_for, openings_until
from engine.durations import duration
from engine.expressions import is_expression
from engine.invalid import InvalidValue

SLACK = timedelta(days=1)
"""How far the clocks of a process and of the database may be apart."""
DUE_IN: Json = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"calendar": {"type": "string", "minLength": 1}, "duration": {"type": "string"}},
            "required": ["calendar", "duration"],
            "additionalProperties": False,
        },
    ]
}
"""A duration, or one in the working time of a calendar."""


def due_of(view: View, due_in: Json) -> Due | None:
    """By a calendar: with the openings that it has from now on, so that the moment follows from the time of the append.

    Raises InvalidValue.
    """
    if due_in is None or isinstance(due_in, str):
        return None if due_in is None else Due(duration(due_in))
    after, hours = duration(due_in["duration"]), _hours(view, due_in["calendar"])
    try:
        return Due(after, openings=openings_for(hours, after, view.now - SLACK, view.now + SLACK))
    except TooFar:
        raise _too_far(due_in) from None


def shifted(view: View, base: Due, span: Json, *, back: bool = False) -> tuple[timedelta, tuple[Opening, ...] | None]:
    """So long after another moment, or before it: how long, and within which openings where a calendar is named.

    Raises InvalidValue.
    """
    if isinstance(span, str):
        return (-duration(span) if back else duration(span)), None
    shift, hours = duration(span["duration"]), _hours(view, span["calendar"])
    earliest, latest = base.moment(view.now - SLACK), base.moment(view.now + SLACK)
    try:
        if back:
            return -shift, openings_until(hours, view.now - SLACK, latest)
        return shift, openings_for(hours, shift, earliest, latest)
    except TooFar:
        raise _too_far(span) from None


def _hours(view: View, key: Json) -> WorkingHours:
    calendar = view.read(CALENDAR, calendar_id_of(view.tenant_id, key)) if ROLE_KEY.fullmatch(str(key)) else CALENDAR.initial
    if not calendar.exists:
        raise InvalidValue(f"there is no calendar {key!r}")
    return calendar.working_hours


def _too_far(span: Json) -> InvalidValue:
    return InvalidValue(f"{span['duration']} of the calendar {span['calendar']} is too far away")


def durations_in(due_in: Json, pointer: str) -> Iterator[tuple[str, str]]:
    """Where `due_in` has a duration that is no expression, and which."""
    if isinstance(due_in, str) and not is_expression(due_in):
        yield pointer, due_in
    elif isinstance(due_in, dict) and not is_expression(due_in["duration"]):
        yield f"{pointer}/duration", due_in["duration"]
