"""An approval request as decisions see it, and what the ledger, the audit log and the reference know of its events."""

from dataclasses import dataclass, replace
from typing import Literal, assert_never
from uuid import UUID

from domain.approval.events import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalResolved,
    Outcome,
    Voter,
)
from domain.approval.rules import Vote
from domain.facts import Aggregate, EventType, Json, Subject
from domain.wording import because


@dataclass(frozen=True)
class Approval:
    status: Literal["absent", "pending", "resolved", "cancelled", "expired"] = "absent"
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    node_id: str = ""
    outcomes: tuple[Outcome, ...] = ()
    rule: Json = None
    form: Json = None
    decisions: tuple[ApprovalDecided, ...] = ()
    """In their order."""
    resolution: ApprovalResolved | None = None
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    voters: tuple[Voter, ...] | None = None
    """Where they are fixed: whose decisions count."""

    @property
    def votes(self) -> tuple[Vote, ...]:
        return tuple(Vote(each.voter, each.outcome, each.kind, each.weight) for each in self.decisions)


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
                item_id=event.item_id,
                voters=event.voters,
            )
        case ApprovalDecided():
            return replace(state, decisions=(*state.decisions, event))
        case ApprovalResolved():
            return replace(state, status="resolved", resolution=event)
        case ApprovalCancelled():
            return replace(state, status="cancelled")
        case ApprovalExpired():
            return replace(state, status="expired")
        case _:
            assert_never(event)


def _of_node(_event: ApprovalEvent, request: Subject) -> tuple[str, ...]:
    return (request.tag,)


APPROVAL: Aggregate[Approval] = Aggregate(
    "approval",
    Approval(),
    evolve,
    (
        EventType(
            ApprovalRequested,
            "approval.requested.v2",
            lambda e, _: f"A decision was asked for: {e.title}",
            tags=lambda e, _: (e.node_id,),
            note="`due`, `expires`: `{after}`, a duration from the recorded time of the event, or `{at}`, a moment. v1 named the "
            "moments and stays readable.",
        ),
        EventType(
            ApprovalDecided,
            "approval.decided.v1",
            lambda e, request: f"A member decided{f' as {e.role}' if e.role else ''}, {e.outcome}: {request.name}",
            tags=_of_node,
            note="One person's decision.",
        ),
        EventType(
            ApprovalResolved,
            "approval.resolved.v2",
            lambda e, request: f"The request was resolved, {e.outcome}: {request.name}",
            changes=lambda _: {"status": "resolved"},
            tags=_of_node,
            note="The request's outcome. `decided_by`: whose decisions brought it about; v1 named one person and stays readable.",
        ),
        EventType(
            ApprovalCancelled,
            "approval.cancelled.v1",
            lambda e, request: f"The request was cancelled{because(e.reason)}: {request.name}",
            changes=lambda _: {"status": "cancelled"},
            tags=_of_node,
        ),
        EventType(
            ApprovalExpired,
            "approval.expired.v1",
            lambda _, request: f"Nobody decided in time: {request.name}",
            severity="warning",
            changes=lambda _: {"status": "expired"},
            tags=_of_node,
            note="The node's `timeout`.",
        ),
    ),
    "approval",
)
