"""projections.tenant_user_roles: which roles the members have. A deleted role is taken from all of them."""

from domain.envelope import RecordedEvent
from domain.member import MemberAdded, MemberRemoved, MemberRolesChanged
from domain.role import RoleDeleted
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "tenant_user_roles"
BY_USER = ("tenant_id", "user_id")
BY_ROLE = ("tenant_id", "role_id")


def given(rows: Rows, record: RecordedEvent, event: MemberAdded | MemberRolesChanged) -> None:
    wanted = [{"user_id": event.user_id, "role_id": role_id} for role_id in event.role_ids]
    rows.keep_only(NAME, record, Lookup(BY_USER, (record.tenant_id, event.user_id)), wanted)


def removed(rows: Rows, record: RecordedEvent, event: MemberRemoved) -> None:
    rows.keep_only(NAME, record, Lookup(BY_USER, (record.tenant_id, event.user_id)), ())


def role_deleted(rows: Rows, record: RecordedEvent, _event: RoleDeleted) -> None:
    rows.keep_only(NAME, record, Lookup(BY_ROLE, (record.tenant_id, record.stream_id)), ())


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    """A member's stream is the user's id, a role's stream the role's."""
    columns = BY_ROLE if isinstance(record.event, RoleDeleted) else BY_USER
    return (Lookup(columns, (record.tenant_id, record.stream_id)),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "user_id", "role_id"),
    columns={
        "tenant_id": TENANT_ID,
        "user_id": Column("uuid", "The member."),
        "role_id": Column("uuid", "The role."),
    },
    appliers={MemberAdded: given, MemberRolesChanged: given, MemberRemoved: removed, RoleDeleted: role_deleted},
    rows_needed=rows_needed,
    lookups=(BY_USER, BY_ROLE),
)
