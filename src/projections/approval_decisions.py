"""projections.approval_decisions: what each person decided."""

from domain.approval import ApprovalDecided, ApprovalOverridden, ApprovalResubmitted, ApprovalReturned, ApprovalRevoked
from domain.approval.content import attachments_json
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Row, Table, row_with_id

NAME = "approval_decisions"
BY_REQUEST = ("tenant_id", "request_id")


def decided(rows: Rows, record: RecordedEvent, event: ApprovalDecided) -> None:
    row = {
        **_said(record, event),
        "step": event.step,
        "on_behalf_of": event.on_behalf_of,
        "role": event.role,
        "comment": event.comment,
        "reason": event.reason,
        "weight": event.weight,
        "via": event.via,
        "link_id": event.link_id,
        "is_override": False,
        "attachments": attachments_json(event.attachments),
    }
    rows.insert(NAME, record, row)


def overridden(rows: Rows, record: RecordedEvent, event: ApprovalOverridden) -> None:
    """What somebody decided, too; no rule counts it."""
    row = {
        **_said(record, event),
        "step": min(event.steps, default=1),
        "on_behalf_of": None,
        "role": None,
        "comment": event.reason,
        "reason": None,
        "weight": 0,
        "via": None,
        "link_id": None,
        "is_override": True,
        "attachments": [],
    }
    rows.insert(NAME, record, row)


def _said(record: RecordedEvent, event: ApprovalDecided | ApprovalOverridden) -> Row:
    """What every decision has."""
    return {
        "id": event.decision_id,
        "request_id": record.stream_id,
        "user_id": event.user_id,
        "outcome": event.outcome,
        "kind": event.kind,
        "form_data": event.form,
        "decided_at": record.occurred_at,
        "revoked_at": None,
        "returned_at": None,
        "proof": event.proof,
        "proof_id": event.proof_id,
        "signature_means": event.means,
        "request_version": event.request_version,
    }


def asked_again(rows: Rows, record: RecordedEvent, event: ApprovalReturned | ApprovalResubmitted) -> None:
    for row in rows.where(NAME, of_request(record)):
        if counts(row) and row["step"] in event.steps:
            rows.update(NAME, record, (record.tenant_id, row["id"]), {"returned_at": record.occurred_at})


def revoked(rows: Rows, record: RecordedEvent, event: ApprovalRevoked) -> None:
    rows.update(NAME, record, (record.tenant_id, event.decision_id), {"revoked_at": record.occurred_at})


def counts(row: Row) -> bool:
    """Whether a decision counts: it was not taken back, nor was it asked for again, and it is no override."""
    return row["revoked_at"] is None and row["returned_at"] is None and not row["is_override"]


def of_request(record: RecordedEvent) -> Lookup:
    return Lookup(BY_REQUEST, (record.tenant_id, record.stream_id), NAME)


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    match record.event:
        case ApprovalReturned() | ApprovalResubmitted():
            return (of_request(record),)
        case ApprovalRevoked(decision_id=decision_id):
            return (row_with_id(record, decision_id),)
        case _:
            return ()


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The decision's id."),
        "request_id": Column("uuid", "The request."),
        "step": Column("integer", "The step of a request that asks in steps; 1 otherwise."),
        "user_id": Column("uuid", "Who decided."),
        "on_behalf_of": Column("uuid", "For whom, where it was somebody else.", null=True),
        "role": Column("text", "Key of the role in which they acted.", null=True),
        "outcome": Column("text", "The outcome they chose."),
        "kind": Column(
            "text",
            "What that outcome means: approve, reject, changes, submit, withdraw or other.",
            choices=("approve", "reject", "changes", "submit", "withdraw", "other"),
        ),
        "comment": Column("text", "What they said.", null=True),
        "form_data": Column("jsonb", "The form they filled in.", null=True),
        "decided_at": Column("timestamptz", "When they decided."),
        "revoked_at": Column("timestamptz", "When the decision was taken back.", null=True),
        "reason": Column("text", "One of the outcome's reason codes.", null=True),
        "weight": Column("integer", "What it counts, by a rule of weights; 1 otherwise; 0 of an override."),
        "returned_at": Column(
            "timestamptz",
            "When it was asked for again, as the request was sent back or resubmitted, so that it counts no longer.",
            True,
        ),
        "via": Column("text", "How it was made: link; null: by the API.", null=True),
        "link_id": Column("uuid", "The link by which it was made.", null=True),
        "proof": Column(
            "text",
            "What was shown of who decides: key, the secret of their key again; totp, a one-time password; null: nothing.",
            null=True,
            choices=("key", "totp"),
        ),
        "proof_id": Column("uuid", "The key, or the secret of the one-time passwords.", null=True),
        "signature_means": Column("text", "What signing by it means, as it was said when it was asked.", null=True),
        "is_override": Column("boolean", "Whether it is an override, of the whole request; `comment` is its reason."),
        "request_version": Column("integer", "The number of the version of the request that they decided on."),
        "attachments": Column("jsonb", "Files that go with it: [{name, reference, sha256, media_type, size}]."),
    },
    appliers={
        ApprovalDecided: decided,
        ApprovalOverridden: overridden,
        ApprovalReturned: asked_again,
        ApprovalResubmitted: asked_again,
        ApprovalRevoked: revoked,
    },
    rows_needed=rows_needed,
    lookups=(BY_REQUEST,),
)
