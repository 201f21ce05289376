"""projections.approval_decisions: what each person decided."""

from domain.approval import ApprovalDecided
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import Table

NAME = "approval_decisions"


def decided(rows: Rows, record: RecordedEvent, event: ApprovalDecided) -> None:
    row = {
        "id": event.decision_id,
        "request_id": record.stream_id,
        "step": event.step,
        "user_id": event.user_id,
        "on_behalf_of": event.on_behalf_of,
        "role": event.role,
        "outcome": event.outcome,
        "kind": event.kind,
        "comment": event.comment,
        "form_data": event.form,
        "decided_at": record.occurred_at,
        "revoked_at": None,
    }
    rows.insert(NAME, record, row)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    own={
        "tenant_id": "uuid",
        "id": "uuid",
        "request_id": "uuid",
        "step": "integer",
        "user_id": "uuid",
        "on_behalf_of": "uuid",
        "role": "text",
        "outcome": "text",
        "kind": "text",
        "comment": "text",
        "form_data": "jsonb",
        "decided_at": "timestamptz",
        "revoked_at": "timestamptz",
    },
    on={ApprovalDecided: decided},
)
