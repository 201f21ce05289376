"""projections.api_keys: what is known of the keys, without their secrets or the hashes of them."""

from domain.api_key import ApiKeyCreated, ApiKeyHandedOver, ApiKeyRevoked
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "api_keys"


def created(rows: Rows, record: RecordedEvent, event: ApiKeyCreated) -> None:
    row = {
        "id": record.stream_id,
        "name": event.name,
        "user_id": event.user_id,
        "permissions": list(event.permissions),
        "expires_at": event.expires_at,
        "revoked_at": None,
        "created_by": record.envelope.user_id,
        "on_behalf_of": event.on_behalf_of,
        "owner_id": event.owner_id,
        "made_by": event.made_by,
        "by_platform": event.by_platform,
    }
    rows.insert(NAME, record, row)


def handed_over(rows: Rows, record: RecordedEvent, event: ApiKeyHandedOver) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"owner_id": event.owner_id})


def revoked(rows: Rows, record: RecordedEvent, _event: ApiKeyRevoked) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"revoked_at": record.occurred_at})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApiKeyCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The key's id, part of its text."),
        "name": Column("text", "What it is for."),
        "user_id": Column("uuid", "Who acts by it; null for a service.", null=True),
        "permissions": Column("text[]", "The most it may do; the roles of its user or owner limit it as well."),
        "expires_at": Column("timestamptz", "From when on it is refused.", null=True),
        "revoked_at": Column("timestamptz", "When it was revoked.", null=True),
        "created_by": Column("uuid", "Who created it.", null=True),
        "on_behalf_of": Column("uuid", "The member on whose behalf every use of it is.", null=True),
        "owner_id": Column(
            "uuid", "Of a service's key: the member with whose membership it ends, unless it is handed over.", null=True
        ),
        "made_by": Column(
            "uuid",
            "The key that made it; when that one is revoked, this one is not valid any more, unless it was to be kept.",
            null=True,
        ),
        "by_platform": Column("boolean", "Whether it was made with the platform's authority."),
    },
    appliers={ApiKeyCreated: created, ApiKeyHandedOver: handed_over, ApiKeyRevoked: revoked},
    rows_needed=rows_needed,
)
