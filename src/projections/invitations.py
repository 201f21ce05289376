"""projections.invitations: whom a tenant has invited, by address; who answered is known once they accept."""

from domain.envelope import RecordedEvent
from domain.invitation import InvitationAccepted, InvitationDeclined, InvitationMade, InvitationWithdrawn
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, stream_row

NAME = "invitations"


def made(rows: Rows, record: RecordedEvent, event: InvitationMade) -> None:
    row = {
        "id": record.stream_id,
        "email": event.email,
        "role_ids": [str(role_id) for role_id in event.role_ids],
        "status": "pending",
        "invited_by": event.invited_by,
        "expires_at": event.expires_at,
        "closed_at": None,
        "user_id": None,
    }
    rows.insert(NAME, record, row)


def accepted(rows: Rows, record: RecordedEvent, event: InvitationAccepted) -> None:
    _close(rows, record, {"status": "accepted", "user_id": event.user_id})


def declined(rows: Rows, record: RecordedEvent, _event: InvitationDeclined) -> None:
    _close(rows, record, {"status": "declined"})


def withdrawn(rows: Rows, record: RecordedEvent, _event: InvitationWithdrawn) -> None:
    _close(rows, record, {"status": "withdrawn"})


def _close(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {**changes, "closed_at": record.occurred_at})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, InvitationMade) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The invitation's id."),
        "email": Column("text", "The address, as it was given."),
        "role_ids": Column("text[]", "The roles that come with it."),
        "status": Column(
            "text",
            "pending, accepted, declined or withdrawn. One that has expired stays pending until another is made.",
            choices=("pending", "accepted", "declined", "withdrawn"),
        ),
        "invited_by": Column("uuid", "Who made it; null: a service or the platform.", null=True),
        "expires_at": Column("timestamptz", "From when on it cannot be accepted."),
        "closed_at": Column("timestamptz", "When it was answered or withdrawn.", null=True),
        "user_id": Column("uuid", "Who accepted it.", null=True),
    },
    appliers={
        InvitationMade: made,
        InvitationAccepted: accepted,
        InvitationDeclined: declined,
        InvitationWithdrawn: withdrawn,
    },
    rows_needed=rows_needed,
)
