"""projections.users: from the platform's ledger alone."""

from domain.envelope import RecordedEvent
from domain.user import UserChanged, UserRegistered
from projections.platform import platform_row, require_platform
from projections.rows import Rows
from projections.table import Lookup, Table

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


def touched(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, UserRegistered) else (platform_row(record),)


TABLE = Table(
    name=NAME,
    key=("id",),
    own={
        "id": "uuid",
        "email": "text",
        "display_name": "text",
        "avatar_url": "text",
        "preferences": "jsonb",
        "is_active": "boolean",
        "last_login_at": "timestamptz",
    },
    on={UserRegistered: registered, UserChanged: changed},
    touched=touched,
)
