"""projections.calendars: when people of a tenant work."""

from domain.calendar import CalendarChanged, CalendarCreated
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "calendars"


def created(rows: Rows, record: RecordedEvent, event: CalendarCreated) -> None:
    rows.insert(NAME, record, {"id": record.stream_id, "key": event.key, **_content(event)})


def changed(rows: Rows, record: RecordedEvent, event: CalendarChanged) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), _content(event))


def _content(event: CalendarCreated | CalendarChanged) -> Row:
    return {"name": event.name, "time_zone": event.time_zone, "hours": event.hours, "holidays": list(event.holidays)}


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, CalendarCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The calendar's id; follows from its key."),
        "key": Column("text", "As definitions name it."),
        "name": Column("text", "For people."),
        "time_zone": Column("text", "By whose clocks its hours are, as Europe/Berlin."),
        "hours": Column("jsonb", "By weekday, mon to sun: spans {from, to} of the clock on the wall.", listed=False),
        "holidays": Column("text[]", "Dates on which nobody works, in their order.", listed=False),
    },
    appliers={CalendarCreated: created, CalendarChanged: changed},
    rows_needed=rows_needed,
)
