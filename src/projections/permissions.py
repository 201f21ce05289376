"""projections.permissions: from the platform's ledger alone."""

from domain.envelope import RecordedEvent
from domain.permission import PermissionRegistered
from projections.platform import require_platform
from projections.rows import Rows
from projections.table import Column, Table

NAME = "permissions"


def registered(rows: Rows, record: RecordedEvent, event: PermissionRegistered) -> None:
    require_platform(record)
    row = {
        "id": record.stream_id,
        "key": event.key,
        "resource": event.resource,
        "action": event.action,
        "description": event.description,
    }
    rows.insert(NAME, record, row)


TABLE = Table(
    name=NAME,
    key=("id",),
    columns={
        "id": Column("uuid", "Follows from the key."),
        "key": Column("text", "As roles and API keys name it: resource:action."),
        "resource": Column("text", "What it is about."),
        "action": Column("text", "What it permits."),
        "description": Column("text", "What it permits, in words."),
    },
    appliers={PermissionRegistered: registered},
)
