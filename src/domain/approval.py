"""An approval request: who may choose which outcome, what people decided, and how it was resolved."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never
from uuid import UUID

from domain.facts import Aggregate, Event, Json

OutcomeKind = Literal["approve", "reject", "changes", "submit", "withdraw", "other"]


@dataclass(frozen=True)
class Outcome:
    """One way to answer. With neither users nor roles, every member with `approvals:decide` may choose it."""

    name: str
    kind: OutcomeKind
    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApprovalRequested(Event):
    """Opened by an approval node's activation. `rule` is the node's rule as JSON; `form` a JSON Schema for form data."""

    execution_id: UUID
    activation_id: UUID
    node_id: str
    title: str
    rule: Json
    outcomes: tuple[Outcome, ...]
    required_approvals: int = 1
    description: str | None = None
    form: Json = None
    context: Json = None
    priority: int = 0
    requested_by: UUID | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class ApprovalDecided(Event):
    """One person's decision. `role` is the key of the role in which they acted."""

    decision_id: UUID
    user_id: UUID
    outcome: str
    kind: OutcomeKind
    step: int = 1
    role: str | None = None
    on_behalf_of: UUID | None = None
    comment: str | None = None
    form: Json = None


@dataclass(frozen=True)
class ApprovalResolved(Event):
    outcome: str
    kind: OutcomeKind
    decided_by: UUID
    form: Json = None


@dataclass(frozen=True)
class ApprovalCancelled(Event):
    reason: str | None = None


ApprovalEvent = ApprovalRequested | ApprovalDecided | ApprovalResolved | ApprovalCancelled


@dataclass(frozen=True)
class Approval:
    status: Literal["absent", "pending", "resolved", "cancelled"] = "absent"
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    node_id: str = ""
    outcomes: tuple[Outcome, ...] = ()
    rule: Json = None
    form: Json = None


def evolve(state: Approval, event: ApprovalEvent) -> Approval:
    match event:
        case ApprovalRequested():
            return Approval(
                "pending",
                event.execution_id,
                event.activation_id,
                event.node_id,
                event.outcomes,
                event.rule,
                event.form,
            )
        case ApprovalDecided():
            return state  # the rule "single" resolves with the first decision; later rules count here
        case ApprovalResolved():
            return replace(state, status="resolved")
        case ApprovalCancelled():
            return replace(state, status="cancelled")
        case _:
            assert_never(event)


APPROVAL: Aggregate[Approval] = Aggregate(
    "approval", Approval(), evolve, (ApprovalRequested, ApprovalDecided, ApprovalResolved, ApprovalCancelled)
)
