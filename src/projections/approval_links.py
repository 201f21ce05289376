"""projections.approval_links: the links that were made to decide by. Their addresses, and the hashes of them, are not in it."""

from domain.approval_link import ApprovalLinkMade, ApprovalLinkRevoked, ApprovalLinkUsed
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "approval_links"


def made(rows: Rows, record: RecordedEvent, event: ApprovalLinkMade) -> None:
    row = {
        "id": record.stream_id,
        "request_id": event.request_id,
        "user_id": event.user_id,
        "step": event.step,
        "outcome": event.outcome,
        "made_by": event.made_by,
        "made_at": record.occurred_at,
        "expires_at": event.expires_at,
        "used_at": None,
        "decision_id": None,
        "revoked_at": None,
    }
    rows.insert(NAME, record, row)


def used(rows: Rows, record: RecordedEvent, event: ApprovalLinkUsed) -> None:
    changes = {"used_at": record.occurred_at, "decision_id": event.decision_id}
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def revoked(rows: Rows, record: RecordedEvent, _event: ApprovalLinkRevoked) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"revoked_at": record.occurred_at})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApprovalLinkMade) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The link's id."),
        "request_id": Column("uuid", "The approval request."),
        "user_id": Column("uuid", "For whom it is."),
        "step": Column("integer", "The step of a request that asks in steps; 1 otherwise."),
        "outcome": Column("text", "The outcome that it chooses."),
        "made_by": Column("uuid", "Who made it; null: a service, or Gesta itself.", null=True),
        "made_at": Column("timestamptz", "When it was made."),
        "expires_at": Column("timestamptz", "Until when it can be used."),
        "used_at": Column("timestamptz", "When it was used; it then works no more.", null=True),
        "decision_id": Column("uuid", "The decision that was made by it.", null=True),
        "revoked_at": Column("timestamptz", "When it was revoked.", null=True),
    },
    appliers={ApprovalLinkMade: made, ApprovalLinkUsed: used, ApprovalLinkRevoked: revoked},
    rows_needed=rows_needed,
    lookups=(("tenant_id", "request_id"),),
)
