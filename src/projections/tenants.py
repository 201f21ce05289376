"""projections.tenants: from the platform's ledger alone."""

from domain.envelope import RecordedEvent
from domain.tenant import TenantChanged, TenantCreated, TenantReactivated, TenantSuspended
from projections.platform import platform_row, require_platform
from projections.rows import Rows
from projections.table import Column, Lookup, Row, Table

NAME = "tenants"


def created(rows: Rows, record: RecordedEvent, event: TenantCreated) -> None:
    require_platform(record)
    rows.insert(
        NAME,
        record,
        {
            "id": record.stream_id,
            "slug": event.slug,
            "name": event.name,
            "domain": event.domain,
            "description": event.description,
            "settings": event.settings if event.settings is not None else {},
            "is_active": True,
            "subscription_tier": None,
            "subscription_status": None,
            "billing_email": event.billing_email,
        },
    )


def changed(rows: Rows, record: RecordedEvent, event: TenantChanged) -> None:
    changes = dict(event.changes)
    if "settings" in changes and changes["settings"] is None:
        changes["settings"] = {}
    _update(rows, record, changes)


def suspended(rows: Rows, record: RecordedEvent, _event: TenantSuspended) -> None:
    _update(rows, record, {"is_active": False})


def reactivated(rows: Rows, record: RecordedEvent, _event: TenantReactivated) -> None:
    _update(rows, record, {"is_active": True})


def _update(rows: Rows, record: RecordedEvent, changes: Row) -> None:
    require_platform(record)
    rows.update(NAME, record, (record.stream_id,), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, TenantCreated) else (platform_row(record),)


TABLE = Table(
    name=NAME,
    key=("id",),
    columns={
        "id": Column("uuid", "The tenant id of every other table."),
        "slug": Column("text", "Its name in addresses and on the command line; unique on the platform."),
        "name": Column("text", "Its name for people."),
        "domain": Column("text", "Its internet domain, where it named one.", null=True),
        "description": Column("text", "What it is, in its own words.", null=True),
        "settings": Column("jsonb", "Settings and limits, as JSON.", listed=False),
        "is_active": Column("boolean", "False while it is suspended."),
        "subscription_tier": Column("text", "What it subscribed to.", null=True),
        "subscription_status": Column("text", "How its subscription stands.", null=True),
        "billing_email": Column("text", "Where its bills go.", null=True),
    },
    appliers={TenantCreated: created, TenantChanged: changed, TenantSuspended: suspended, TenantReactivated: reactivated},
    rows_needed=rows_needed,
)
