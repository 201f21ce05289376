"""An approval request: who may choose which outcome, what people decided, and how it was resolved."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never
from uuid import UUID

from domain.approval_rules import Vote, outcome_of
from domain.facts import (
    Aggregate,
    Due,
    Event,
    EventType,
    FieldError,
    Invalid,
    Json,
    NotFound,
    PermissionDenied,
    RuleViolation,
    Subject,
)
from domain.wording import because

OutcomeKind = Literal["approve", "reject", "changes", "submit", "withdraw", "other"]


@dataclass(frozen=True)
class Outcome:
    """One way to answer. With neither users nor roles, every member with `approvals:decide` may choose it.

    `exclude`: who may not in any case, whatever else they are.
    """

    name: str
    kind: OutcomeKind
    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()
    exclude: tuple[UUID, ...] = ()


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
    due: Due | None = None
    expires: Due | None = None
    """The node's timeout, as it stood when the request was opened."""
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    item_index: int | None = None


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
    """What the decisions come to by the request's rule. `decided_by`: whose decisions brought it about, in their order; the last
    one made it certain. Nobody, where a moment did."""

    outcome: str
    kind: OutcomeKind
    decided_by: tuple[UUID, ...] = ()
    form: Json = None


@dataclass(frozen=True)
class ApprovalCancelled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class ApprovalExpired(Event):
    """Nobody decided before the node's timeout."""


ApprovalEvent = ApprovalRequested | ApprovalDecided | ApprovalResolved | ApprovalCancelled | ApprovalExpired


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

    @property
    def votes(self) -> tuple[Vote, ...]:
        return tuple(Vote(each.user_id, each.outcome) for each in self.decisions)


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


class NoSuchApproval(NotFound):
    """There is no such approval request."""


class ApprovalClosed(RuleViolation):
    """The approval request is no longer pending."""

    code = "approval_closed"


class UnknownOutcome(Invalid):
    """The approval request does not offer this outcome."""

    code = "unknown_outcome"


class NotEligible(PermissionDenied):
    """You may not choose this outcome."""

    code = "not_eligible"


class Excluded(NotEligible):
    """You are excluded from choosing this outcome."""

    code = "excluded"


@dataclass(frozen=True)
class Decider:
    """Who decides: the person, the keys of their roles, and for whom they stand in, if for anybody.

    `behind`: who acts in fact, where somebody acts on behalf of the person.
    """

    user_id: UUID
    roles: Collection[str] = field(default_factory=frozenset)
    on_behalf_of: UUID | None = None
    behind: Collection[UUID] = ()


def offered(state: Approval, name: str) -> Outcome:
    """The outcome of a pending request by its name."""
    if state.status == "absent":
        raise NoSuchApproval
    if state.status != "pending":
        raise ApprovalClosed(f"The approval request is {state.status}.")
    for outcome in state.outcomes:
        if outcome.name == name:
            return outcome
    names = ", ".join(outcome.name for outcome in state.outcomes)
    detail = f"The outcome must be one of: {names}."
    raise UnknownOutcome(detail, "/outcome", (FieldError("/outcome", "unknown_outcome", detail),))


def acting_role(outcome: Outcome, decider: Decider, role: str | None) -> str | None:
    """The role in which the decider may choose the outcome; None where they may as the person they are.

    The one place that says who is eligible. A role that is named must be one of theirs. Unnamed, it is the first of the outcome's
    roles that they have. Raises NotEligible.
    """
    if not {decider.user_id, *decider.behind}.isdisjoint(outcome.exclude):
        raise Excluded(f"You may not choose {outcome.name}: you are excluded from it.")
    if role is not None and role not in decider.roles:
        raise NotEligible(f"You do not have the role {role}.", "/role")
    if decider.user_id in outcome.users or not (outcome.users or outcome.roles):
        return role
    roles = [key for key in outcome.roles if key in decider.roles and role in (None, key)]
    if not roles:
        raise NotEligible(f"You may not choose {outcome.name}.")
    return roles[0]


def decide(
    state: Approval,
    decider: Decider,
    outcome_name: str,
    decision_id: UUID,
    *,
    role: str | None = None,
    comment: str | None = None,
    form: Json = None,
) -> tuple[ApprovalEvent, ...]:
    """One person's decision and, where the rule now has its answer, the resolution. The form's data was validated before."""
    chosen = offered(state, outcome_name)
    decided = ApprovalDecided(
        decision_id,
        decider.user_id,
        chosen.name,
        chosen.kind,
        role=acting_role(chosen, decider, role),
        on_behalf_of=decider.on_behalf_of,
        comment=comment,
        form=form,
    )
    after = evolve(state, decided)
    resolution = outcome_of(after.rule, after.votes)
    if resolution is None:
        return (decided,)
    outcome = offered(after, resolution)
    whose = tuple(vote.user_id for vote in after.votes if vote.outcome == outcome.name)
    return (decided, ApprovalResolved(outcome.name, outcome.kind, whose, form))
