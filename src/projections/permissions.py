"""projections.permissions: from the platform's ledger alone."""

from domain.envelope import RecordedEvent
from domain.permission import PermissionRegistered
from projections.platform import require_platform
from projections.rows import Rows
from projections.table import Table

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
    own={"id": "uuid", "key": "text", "resource": "text", "action": "text", "description": "text"},
    on={PermissionRegistered: registered},
)
