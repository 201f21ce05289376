"""projections.approval_assignees: who may choose at least one outcome of a request, one row each.

Whoever is named may choose one unless they are excluded from every outcome that names them so: these are `excluded`. Where the
people whose decisions count were fixed when they were asked, each has a row, and the rows of their roles are `members_fixed`.
"""

from uuid import UUID

from domain.approval import ApprovalCancelled, ApprovalExpired, ApprovalRequested, ApprovalResolved, Outcome
from domain.approval.events import asks_voters
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "approval_assignees"
BY_REQUEST = ("tenant_id", "request_id")


def requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    named: dict[tuple[str, str], set[UUID]] = {}
    voters = {("user", str(voter.user_id)): voter for voter in event.voters or ()}
    for outcome in event.outcomes:
        for key in _named(outcome):
            named[key] = named.get(key, set(outcome.exclude)) & set(outcome.exclude)
    still_open = {key for outcome in event.outcomes if not asks_voters(outcome, event.outcomes) for key in _named(outcome)}
    for kind, value in {**named, **dict.fromkeys(voters)}:
        voter = voters.get((kind, value))
        row = {
            "kind": kind,
            "value": value,
            "excluded": sorted(map(str, named.get((kind, value), ()))),
            "status": "pending",
            "role": None if voter is None else voter.role,
            "weight": None if voter is None else voter.weight,
            "members_fixed": event.voters is not None and kind == "role" and (kind, value) not in still_open,
        }
        rows.insert(NAME, record, {"request_id": record.stream_id, **row})


def _named(outcome: Outcome) -> list[tuple[str, str]]:
    names = [*(("user", str(user)) for user in outcome.users), *(("role", role) for role in outcome.roles)]
    return names or [("anyone", "")]


def resolved(rows: Rows, record: RecordedEvent, _event: ApprovalResolved) -> None:
    _close(rows, record, "resolved")


def cancelled(rows: Rows, record: RecordedEvent, _event: ApprovalCancelled) -> None:
    _close(rows, record, "cancelled")


def expired(rows: Rows, record: RecordedEvent, _event: ApprovalExpired) -> None:
    _close(rows, record, "expired")


def _close(rows: Rows, record: RecordedEvent, status: str) -> None:
    for row in rows.where(NAME, of_request(record)):
        key = (record.tenant_id, record.stream_id, row["kind"], row["value"])
        rows.update(NAME, record, key, {"status": status})


def of_request(record: RecordedEvent) -> Lookup:
    return Lookup(BY_REQUEST, (record.tenant_id, record.stream_id))


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApprovalRequested) else (of_request(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "request_id", "kind", "value"),
    columns={
        "tenant_id": TENANT_ID,
        "request_id": Column("uuid", "The request; created_at is its own."),
        "kind": Column(
            "text",
            "user, role, or anyone: every member who may decide approvals.",
            choices=("user", "role", "anyone"),
        ),
        "value": Column("text", "The user's id, the role's key, or nothing."),
        "excluded": Column(
            "text[]", "Ids of users who are excluded from every outcome that names this user, this role or anyone."
        ),
        "status": Column(
            "text",
            "The request's status.",
            choices=("pending", "resolved", "cancelled", "expired"),
        ),
        "role": Column("text", "Of one who was asked as a member of a role when these were fixed: that role's key.", null=True),
        "weight": Column("integer", "Of one who was asked when these were fixed: what their decision counts.", null=True),
        "members_fixed": Column(
            "boolean", "Whether this role stands for those who had it when they were asked: they have rows of their own."
        ),
    },
    appliers={ApprovalRequested: requested, ApprovalResolved: resolved, ApprovalCancelled: cancelled, ApprovalExpired: expired},
    rows_needed=rows_needed,
    lookups=(BY_REQUEST,),
)
