"""projections.roles."""

from domain.envelope import RecordedEvent
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from projections.rows import Rows
from projections.table import Lookup, Table, stream_row

NAME = "roles"


def created(rows: Rows, record: RecordedEvent, event: RoleCreated) -> None:
    row = {
        "id": record.stream_id,
        "key": event.key,
        "name": event.name,
        "description": event.description,
        "is_system": event.is_system,
    }
    rows.insert(NAME, record, row)


def changed(rows: Rows, record: RecordedEvent, event: RoleChanged) -> None:
    changes = {"name": event.name, "description": event.description}
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def deleted(rows: Rows, record: RecordedEvent, _event: RoleDeleted) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


def touched(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, RoleCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    own={"tenant_id": "uuid", "id": "uuid", "key": "text", "name": "text", "description": "text", "is_system": "boolean"},
    on={RoleCreated: created, RoleChanged: changed, RoleDeleted: deleted},
    touched=touched,
)
