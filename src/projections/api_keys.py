"""projections.api_keys: what is known of the keys, without their secrets or the hashes of them."""

from domain.api_key import ApiKeyCreated, ApiKeyHandedOver, ApiKeyRevoked
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import Lookup, Table, stream_row

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


def touched(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApiKeyCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    own={
        "tenant_id": "uuid",
        "id": "uuid",
        "name": "text",
        "user_id": "uuid",
        "permissions": "text[]",
        "expires_at": "timestamptz",
        "revoked_at": "timestamptz",
        "created_by": "uuid",
        "on_behalf_of": "uuid",
        "owner_id": "uuid",
        "made_by": "uuid",
        "by_platform": "boolean",
    },
    on={ApiKeyCreated: created, ApiKeyHandedOver: handed_over, ApiKeyRevoked: revoked},
    touched=touched,
)
