"""A business calendar of a tenant's: when people work, so that moments can be reckoned in working time.

Its stream's id follows from its key. A change holds for what is asked for from then on; moments that were reckoned before stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Json, NotFound, RuleViolation, View
from domain.names import require_role_key, require_text
from domain.working_time import WorkingHours, working_hours


@dataclass(frozen=True)
class CalendarCreated(Event):
    """`hours`: by weekday (`mon` … `sun`), spans {from, to} of the clock on the wall. `holidays`: dates."""

    key: str
    name: str
    time_zone: str
    hours: Json
    holidays: tuple[str, ...] = ()


@dataclass(frozen=True)
class CalendarChanged(Event):
    name: str
    time_zone: str
    hours: Json
    holidays: tuple[str, ...] = ()


CalendarEvent = CalendarCreated | CalendarChanged


@dataclass(frozen=True)
class Calendar:
    key: str = ""
    name: str = ""
    time_zone: str = ""
    hours: Json = None
    holidays: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.key != ""

    @property
    def working_hours(self) -> WorkingHours:
        return working_hours(self.time_zone, self.hours, self.holidays)


def evolve(state: Calendar, event: CalendarEvent) -> Calendar:
    match event:
        case CalendarCreated():
            return Calendar(event.key, event.name, event.time_zone, event.hours, event.holidays)
        case CalendarChanged():
            return Calendar(state.key, event.name, event.time_zone, event.hours, event.holidays)
        case _:
            assert_never(event)


def _changes(event: CalendarChanged) -> Mapping[str, Json]:
    return {"name": event.name, "time_zone": event.time_zone, "hours": event.hours, "holidays": list(event.holidays)}


CALENDAR: Aggregate[Calendar] = Aggregate(
    "calendar",
    Calendar(),
    evolve,
    (
        EventType(
            CalendarCreated,
            "calendar.created.v1",
            lambda e, _: f"The calendar {e.key} was created.",
            note="`hours`: by weekday, spans of the clock on the wall in `time_zone`; `holidays`: dates.",
        ),
        EventType(
            CalendarChanged,
            "calendar.changed.v1",
            lambda _, calendar: f"The calendar {calendar.name} was changed.",
            changes=_changes,
            note="In whole. It holds for moments that are reckoned from then on.",
        ),
    ),
    "tenant",
)


class CalendarExists(RuleViolation):
    """There is a calendar of this key."""

    code = "name_taken"


def calendar_id_of(tenant_id: UUID, key: str) -> UUID:
    return uuid5(tenant_id, f"calendar:{key}")


def create(view: View, key: str, name: str, time_zone: str, hours: Mapping[str, Json], holidays: Sequence[str] = ()) -> Decided:
    require_role_key(key, "/key", "A calendar's key")
    require_text(name, "/name")
    working_hours(time_zone, hours, holidays)
    calendar_id = calendar_id_of(view.tenant_id, key)
    if view.read(CALENDAR, calendar_id).exists:
        raise CalendarExists(path="/key")
    return _answer(view, calendar_id, CalendarCreated(key, name, time_zone, hours, _sorted(holidays)))


def change(view: View, calendar_id: UUID, changes: Mapping[str, Json]) -> Decided:
    """Change what is named: `name`, `time_zone`, `hours`, `holidays`, each in whole."""
    state = view.read(CALENDAR, calendar_id)
    if not state.exists:
        raise NotFound
    name, time_zone = changes.get("name", state.name), changes.get("time_zone", state.time_zone)
    hours, holidays = changes.get("hours", state.hours), changes.get("holidays", state.holidays)
    require_text(name, "/name")
    working_hours(time_zone, hours, holidays)
    event = CalendarChanged(name, time_zone, hours, _sorted(holidays))
    return _answer(view, calendar_id, *((event,) if evolve(state, event) != state else ()))


def _sorted(holidays: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(holidays)))


def _answer(view: View, calendar_id: UUID, *events: CalendarEvent) -> Decided:
    state = view.read(CALENDAR, calendar_id)
    for event in events:
        state = evolve(state, event)
    result = {
        "id": str(calendar_id),
        "key": state.key,
        "name": state.name,
        "time_zone": state.time_zone,
        "hours": state.hours,
        "holidays": list(state.holidays),
        "version": view.version(calendar_id) + len(events),
    }
    return Decided(tuple(Fact(calendar_id, event) for event in events), result=result)
