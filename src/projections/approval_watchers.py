"""projections.approval_watchers: who wants to know what becomes of a request."""

from domain.approval import ApprovalUnwatched, ApprovalWatched
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "approval_watchers"


def watched(rows: Rows, record: RecordedEvent, event: ApprovalWatched) -> None:
    row = {
        "request_id": record.stream_id,
        "user_id": event.user_id,
        "added_by": event.added_by,
        "since": record.occurred_at,
    }
    rows.insert(NAME, record, row)


def unwatched(rows: Rows, record: RecordedEvent, event: ApprovalUnwatched) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id, event.user_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    assert isinstance(event, ApprovalWatched | ApprovalUnwatched)
    return (Lookup(("tenant_id", "request_id", "user_id"), (record.tenant_id, record.stream_id, event.user_id)),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "request_id", "user_id"),
    columns={
        "tenant_id": TENANT_ID,
        "request_id": Column("uuid", "The request."),
        "user_id": Column("uuid", "Who watches it."),
        "added_by": Column("uuid", "Who had them do so, where it was another one.", null=True),
        "since": Column("timestamptz", "Since when."),
    },
    appliers={ApprovalWatched: watched, ApprovalUnwatched: unwatched},
    rows_needed=rows_needed,
    lookups=(("tenant_id", "request_id"),),
)
