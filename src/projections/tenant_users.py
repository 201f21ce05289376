"""projections.tenant_users: the memberships of a tenant. A row stays when its member goes, and serves again on return."""

from domain.envelope import RecordedEvent
from domain.member import MemberAdded, MemberChanged, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.totp import TotpConfirmed, TotpRemoved
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table

NAME = "tenant_users"


def added(rows: Rows, record: RecordedEvent, event: MemberAdded) -> None:
    since = {"invited_by": event.invited_by, "joined_at": record.occurred_at}
    row: Row = {"status": "active", **since, "manager_id": None, "attributes": {}}
    if rows.find(NAME, record.tenant_id, event.user_id) is None:
        rows.insert(NAME, record, {"user_id": event.user_id, **row, "totp_since": None})
    else:
        rows.update(NAME, record, (record.tenant_id, event.user_id), row)


def roles_changed(rows: Rows, record: RecordedEvent, event: MemberRolesChanged) -> None:
    rows.update(NAME, record, (record.tenant_id, event.user_id), {})


def changed(rows: Rows, record: RecordedEvent, event: MemberChanged) -> None:
    row = {"manager_id": event.manager_id, "attributes": event.attributes}
    rows.update(NAME, record, (record.tenant_id, event.user_id), row)


def suspended(rows: Rows, record: RecordedEvent, event: MemberSuspended) -> None:
    rows.update(NAME, record, (record.tenant_id, event.user_id), {"status": "suspended"})


def reactivated(rows: Rows, record: RecordedEvent, event: MemberReactivated) -> None:
    rows.update(NAME, record, (record.tenant_id, event.user_id), {"status": "active"})


def removed(rows: Rows, record: RecordedEvent, event: MemberRemoved) -> None:
    rows.update(NAME, record, (record.tenant_id, event.user_id), {"status": "removed"})


def totp_confirmed(rows: Rows, record: RecordedEvent, event: TotpConfirmed) -> None:
    rows.note(NAME, (record.tenant_id, event.user_id), {"totp_since": record.occurred_at})


def totp_removed(rows: Rows, record: RecordedEvent, event: TotpRemoved) -> None:
    rows.note(NAME, (record.tenant_id, event.user_id), {"totp_since": None})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    user_id = event.user_id if isinstance(event, TotpConfirmed | TotpRemoved) else record.stream_id
    return (Lookup(("tenant_id", "user_id"), (record.tenant_id, user_id)),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "user_id"),
    columns={
        "tenant_id": TENANT_ID,
        "user_id": Column("uuid", "The member."),
        "status": Column(
            "text",
            "invited, active, suspended or removed.",
            choices=("invited", "active", "suspended", "removed"),
        ),
        "invited_by": Column("uuid", "Who made this user a member.", null=True),
        "joined_at": Column("timestamptz", "When the membership that holds now, or held last, began.", null=True),
        "manager_id": Column("uuid", "Whom they report to; null: nobody. One who was removed is passed over.", null=True),
        "attributes": Column("jsonb", "What else is known of them, by name: rules name people by it.", listed=False),
        "totp_since": Column("timestamptz", "Since when one-time passwords prove who they are; null: they have none.", null=True),
    },
    appliers={
        MemberAdded: added,
        MemberRolesChanged: roles_changed,
        MemberChanged: changed,
        MemberSuspended: suspended,
        MemberReactivated: reactivated,
        MemberRemoved: removed,
        TotpConfirmed: totp_confirmed,
        TotpRemoved: totp_removed,
    },
    rows_needed=rows_needed,
)
