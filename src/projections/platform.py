"""What the tables of the platform's own ledger (tenants, users, permissions) share."""

from domain.envelope import PLATFORM, RecordedEvent
from projections.rows import Unappliable
from projections.table import Lookup


def require_platform(record: RecordedEvent) -> None:
    """These tables have no tenant column: an event from a tenant's ledger must never reach them."""
    if record.tenant_id != PLATFORM:
        raise Unappliable(f"{record.topic} belongs to the platform's ledger, not to a tenant's")


def platform_row(record: RecordedEvent) -> Lookup:
    """The row whose id is the event's stream, in a table without tenant."""
    return Lookup(("id",), (record.stream_id,))
