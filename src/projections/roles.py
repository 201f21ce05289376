"""projections.roles."""

from domain.envelope import RecordedEvent
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

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


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, RoleCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The role's id."),
        "key": Column("text", "As rules name it; unique in the tenant."),
        "name": Column("text", "Its name for people."),
        "description": Column("text", "What it is for.", null=True),
        "is_system": Column("boolean", "True for the roles that every tenant is seeded with; they cannot be changed."),
    },
    appliers={RoleCreated: created, RoleChanged: changed, RoleDeleted: deleted},
    rows_needed=rows_needed,
)
