"""projections.role_permissions: which permissions the roles give."""

from domain.envelope import RecordedEvent
from domain.permission import permission_id
from domain.role import RoleChanged, RoleCreated, RoleDeleted
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "role_permissions"
BY_ROLE = ("tenant_id", "role_id")


def of_role(record: RecordedEvent) -> Lookup:
    return Lookup(BY_ROLE, (record.tenant_id, record.stream_id))


def given(rows: Rows, record: RecordedEvent, event: RoleCreated | RoleChanged) -> None:
    wanted = [{"role_id": record.stream_id, "permission_id": permission_id(key)} for key in event.permissions]
    rows.keep_only(NAME, record, of_role(record), wanted)


def deleted(rows: Rows, record: RecordedEvent, _event: RoleDeleted) -> None:
    rows.keep_only(NAME, record, of_role(record), ())


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, RoleCreated) else (of_role(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "role_id", "permission_id"),
    columns={
        "tenant_id": TENANT_ID,
        "role_id": Column("uuid", "The role."),
        "permission_id": Column("uuid", "The permission it gives."),
    },
    appliers={RoleCreated: given, RoleChanged: given, RoleDeleted: deleted},
    rows_needed=rows_needed,
    lookups=(BY_ROLE,),
)
