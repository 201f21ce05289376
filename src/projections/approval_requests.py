"""projections.approval_requests: what people are asked to decide, and how it was resolved."""

from domain.approval import ApprovalCancelled, ApprovalDecided, ApprovalExpired, ApprovalRequested, ApprovalResolved, Outcome
from domain.envelope import RecordedEvent
from domain.facts import Json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table, stream_row

NAME = "approval_requests"


def requested(rows: Rows, record: RecordedEvent, event: ApprovalRequested) -> None:
    rule = event.rule if isinstance(event.rule, dict) else {}
    row = {
        "id": record.stream_id,
        "execution_id": event.execution_id,
        "activation_id": event.activation_id,
        "item_index": event.item_index,
        "node_id": event.node_id,
        "title": event.title,
        "description": event.description,
        "priority": event.priority,
        "status": "pending",
        "outcome": None,
        "outcome_kind": None,
        "approval_type": str(rule.get("type", "single")),
        "required_approvals": event.required_approvals,
        "received_approvals": 0,
        "received_rejections": 0,
        "request_data": {
            "context": event.context,
            "form": event.form,
            "outcomes": [outcome_json(outcome) for outcome in event.outcomes],
            "rule": event.rule,
        },
        "approval_data": None,
        "escalation_rules": None,
        "escalation_level": 0,
        "assigned_to": assigned_to(event.outcomes),
        "requested_by": event.requested_by,
        "decided_by": None,
        "due_at": None if event.due is None else event.due.moment(record.recorded_at),
        "expires_at": None if event.expires is None else event.expires.moment(record.recorded_at),
        "first_response_at": None,
        "responded_at": None,
    }
    rows.insert(NAME, record, row)


def outcome_json(outcome: Outcome) -> Json:
    by = {"users": [str(user) for user in outcome.users], "roles": list(outcome.roles)}
    more: Json = {
        "exclude": [str(user) for user in outcome.exclude],
        "comment": outcome.comment,
        "reasons": list(outcome.reasons),
        "form": outcome.form,
    }
    return {"name": outcome.name, "kind": outcome.kind, "by": by, **{name: value for name, value in more.items() if value}}


def assigned_to(outcomes: tuple[Outcome, ...]) -> Json:
    """Everybody whom some outcome names, in the order in which they are named."""
    users = dict.fromkeys(str(user) for outcome in outcomes for user in outcome.users)
    roles = dict.fromkeys(role for outcome in outcomes for role in outcome.roles)
    return {"users": list(users), "roles": list(roles)}


def decided(rows: Rows, record: RecordedEvent, event: ApprovalDecided) -> None:
    key = (record.tenant_id, record.stream_id)
    row = rows.get(NAME, *key)
    changes = {
        "received_approvals": row["received_approvals"] + (event.kind == "approve"),
        "received_rejections": row["received_rejections"] + (event.kind == "reject"),
        "first_response_at": row["first_response_at"] or record.occurred_at,
    }
    rows.update(NAME, record, key, changes)


def resolved(rows: Rows, record: RecordedEvent, event: ApprovalResolved) -> None:
    changes = {
        "status": "resolved",
        "outcome": event.outcome,
        "outcome_kind": event.kind,
        "approval_data": event.form,
        "decided_by": event.decided_by[-1] if event.decided_by else None,
        "responded_at": record.occurred_at,
    }
    rows.update(NAME, record, (record.tenant_id, record.stream_id), changes)


def cancelled(rows: Rows, record: RecordedEvent, _event: ApprovalCancelled) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"status": "cancelled"})


def expired(rows: Rows, record: RecordedEvent, _event: ApprovalExpired) -> None:
    rows.update(NAME, record, (record.tenant_id, record.stream_id), {"status": "expired"})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    return () if isinstance(record.event, ApprovalRequested) else (stream_row(record),)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The request's id."),
        "execution_id": Column("uuid", "The execution that asks."),
        "activation_id": Column("uuid", "The visit of the approval node that asks."),
        "item_index": Column("integer", "Of the foreach's item that asks, from 0; null outside of a foreach.", null=True),
        "node_id": Column("text", "That node."),
        "title": Column("text", "What is asked."),
        "description": Column("text", "What is asked, at length.", null=True),
        "priority": Column("integer", "Higher is more urgent."),
        "status": Column(
            "text",
            "pending, resolved, cancelled or expired.",
            choices=("pending", "resolved", "cancelled", "expired"),
        ),
        "outcome": Column("text", "The outcome it was resolved with.", null=True),
        "outcome_kind": Column(
            "text",
            "What that outcome means: approve, reject, changes, submit, withdraw or other.",
            null=True,
            choices=("approve", "reject", "changes", "submit", "withdraw", "other"),
        ),
        "approval_type": Column("text", "The rule that turns decisions into an outcome, e.g. single."),
        "required_approvals": Column("integer", "How many approvals the rule asks for; of a rule of weights, of what weight."),
        "received_approvals": Column("integer", "Decisions so far that approve."),
        "received_rejections": Column("integer", "Decisions so far that reject."),
        "request_data": Column("jsonb", "What the deciders get: {context, form (JSON Schema), outcomes, rule}.", listed=False),
        "approval_data": Column("jsonb", "The form of the decision that resolved it.", null=True, listed=False),
        "escalation_rules": Column("jsonb", "Who is asked when nobody answers.", null=True, listed=False),
        "escalation_level": Column("integer", "How often it was escalated."),
        "assigned_to": Column("jsonb", "Who may decide: {users, roles}; both empty: every member who may decide approvals."),
        "requested_by": Column("uuid", "On whose behalf the execution asks.", null=True),
        "decided_by": Column("uuid", "Whose decision resolved it.", null=True),
        "due_at": Column("timestamptz", "By when an answer is hoped for.", null=True),
        "expires_at": Column("timestamptz", "When it closes by itself.", null=True),
        "first_response_at": Column("timestamptz", "When the first decision was made.", null=True),
        "responded_at": Column("timestamptz", "When it was resolved.", null=True),
    },
    appliers={
        ApprovalRequested: requested,
        ApprovalDecided: decided,
        ApprovalResolved: resolved,
        ApprovalCancelled: cancelled,
        ApprovalExpired: expired,
    },
    rows_needed=rows_needed,
)
