"""projections.secrets: which secrets a tenant has, who gave them their values and when. Values are nowhere here."""

from domain.envelope import RecordedEvent
from domain.secret import SecretCreated, SecretDeleted, SecretRotated
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "secrets"


def created(rows: Rows, record: RecordedEvent, event: SecretCreated) -> None:
    row = {
        "id": record.stream_id,
        "name": event.name,
        "description": event.description,
        "hosts": list(event.hosts),
        "number": 1,
        "created_by": record.envelope.user_id,
        "rotated_by": None,
        "rotated_at": None,
    }
    rows.insert(NAME, record, row)


def rotated(rows: Rows, record: RecordedEvent, event: SecretRotated) -> None:
    changes = {
        "hosts": list(event.hosts),
        "number": event.number,
        "rotated_by": record.envelope.user_id,
        "rotated_at": record.occurred_at,
    }
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def deleted(rows: Rows, record: RecordedEvent, _event: SecretDeleted) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, SecretCreated) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The secret's id; follows from its name."),
        "name": Column("text", "As definitions name it."),
        "description": Column("text", "What it is for.", null=True),
        "hosts": Column("text[]", "Where requests may carry it; none: nowhere, it signs only."),
        "number": Column("bigint", "Of its value: 1 when it was created, one more with each rotation."),
        "created_by": Column("uuid", "Who created it; null: a service or the platform.", null=True),
        "rotated_by": Column("uuid", "Who gave it its value of now; null: nobody since it was created, or a service.", null=True),
        "rotated_at": Column("timestamptz", "When it was given its value of now; null: when it was created.", null=True),
    },
    appliers={SecretCreated: created, SecretRotated: rotated, SecretDeleted: deleted},
    rows_needed=rows_needed,
)
