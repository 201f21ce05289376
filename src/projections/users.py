"""projections.users: from the platform's ledger alone."""

from domain.envelope import RecordedEvent
from domain.user import UserChanged, UserRegistered
from projections.platform import platform_row, require_platform
from projections.rows import Rows
from projections.table import Column, Lookup, Table

NAME = "users"


def registered(rows: Rows, record: RecordedEvent, event: UserRegistered) -> None:
    require_platform(record)
    rows.insert(
        NAME,
        record,
        {
            "id": record.stream_id,
            "email": event.email,
            "display_name": event.display_name,
            "avatar_url": event.avatar_url,
            "preferences": event.preferences if event.preferences is not None else {},
            "is_active": True,
            "last_login_at": None,
        },
    )


def changed(rows: Rows, record: RecordedEvent, event: UserChanged) -> None:
    require_platform(record)
    changes = dict(event.changes)
    if "preferences" in changes and changes["preferences"] is None:
        changes["preferences"] = {}
    rows.update(NAME, record, (record.stream_id,), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, UserRegistered) else (platform_row(record),)


TABLE = Table(
    name=NAME,
    key=("id",),
    columns={
        "id": Column("uuid", "The user's id in every tenant."),
        "email": Column("text", "Unique on the platform, without regard to case."),
        "display_name": Column("text", "The name that others see."),
        "avatar_url": Column("text", "Where a picture is.", null=True),
        "preferences": Column("jsonb", "The user's own preferences, as JSON.", listed=False),
        "is_active": Column("boolean", "False: may not act anywhere."),
        "last_login_at": Column("timestamptz", "Reserved for interactive logins; API keys do not count.", null=True),
    },
    appliers={UserRegistered: registered, UserChanged: changed},
    rows_needed=rows_needed,
)
