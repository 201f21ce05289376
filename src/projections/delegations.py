"""projections.delegations: who stands in for whom, from when to when, and for what."""

from domain.delegation import DelegationEnded, DelegationGiven
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, row_with_id

NAME = "delegations"


def given(rows: Rows, record: RecordedEvent, event: DelegationGiven) -> None:
    row = {
        "id": event.delegation_id,
        "from_user_id": event.from_user_id,
        "to_user_id": event.to_user_id,
        "kind": event.kind,
        "starts_at": event.starts_at,
        "ends_at": event.ends_at,
        "workflows": list(event.workflows),
        "condition": event.condition,
        "reason": event.reason,
        "status": "given",
        "given_by": record.envelope.user_id,
        "ended_by": None,
        "ended_at": None,
    }
    rows.insert(NAME, record, row)


def ended(rows: Rows, record: RecordedEvent, event: DelegationEnded) -> None:
    by = None if event.how == "expired" else record.envelope.user_id
    changes = {"status": event.how, "ended_by": by, "ended_at": record.occurred_at}
    rows.update(NAME, record, (record.tenant_id, event.delegation_id), changes)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    event = record.event
    return (row_with_id(record, event.delegation_id),) if isinstance(event, DelegationEnded) else ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The delegation's id."),
        "from_user_id": Column("uuid", "Who is stood in for."),
        "to_user_id": Column("uuid", "Who stands in."),
        "kind": Column("text", "delegation, or absence: the one who is stood in for is away.", choices=("delegation", "absence")),
        "starts_at": Column("timestamptz", "From when on."),
        "ends_at": Column("timestamptz", "Until when; null: until it is taken back.", null=True),
        "workflows": Column("text[]", "For requests of which workflows, by key; none: of all."),
        "condition": Column("text", "For which requests: CEL over `request`; null: for all.", null=True),
        "reason": Column("text", "Why.", null=True),
        "status": Column(
            "text",
            "given; withdrawn: taken back; returned: given back by who stood in; expired: cleared away after its end.",
            choices=("given", "withdrawn", "returned", "expired"),
        ),
        "given_by": Column("uuid", "Who gave it; null: a service or the platform.", null=True),
        "ended_by": Column("uuid", "Who took it back or gave it back; null: nobody, a service or the platform.", null=True),
        "ended_at": Column("timestamptz", "When it was taken back, given back or cleared away.", null=True),
    },
    appliers={DelegationGiven: given, DelegationEnded: ended},
    rows_needed=rows_needed,
)
