"""An approval request as decisions see it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from domain.approval.content import Content
from domain.approval.events import (
    ApprovalDecided,
    ApprovalResolved,
    ApprovalStepCompleted,
    Outcome,
    Voter,
)
from domain.approval.rules import Vote
from domain.approval.thread import Said
from domain.approval.times import Clock
from domain.facts import Due, Json


@dataclass(frozen=True)
class Step:
    """What is asked at a time, and what was decided. A request that does not ask in steps has one, without a name."""

    number: int = 1
    name: str = ""
    stage: int = 0
    status: Literal["waiting", "open", "completed", "skipped", "overridden"] = "waiting"
    distinct: tuple[str, ...] = ()
    ad_hoc: bool = False
    rule: Json = None
    outcomes: tuple[Outcome, ...] = ()
    form: Json = None
    voters: tuple[Voter, ...] | None = None
    """Where they are fixed: whose decisions count."""
    decisions: tuple[ApprovalDecided, ...] = ()
    """Those that count, in their order."""
    result: ApprovalStepCompleted | None = None
    claimed_by: UUID | None = None
    added: tuple[UUID, ...] = ()
    """Who is asked because somebody added them."""
    depends_on: tuple[str, ...] | None = None

    @property
    def stood_in(self) -> frozenset[UUID]:
        """Who decided in the place of somebody else, and so no longer for themselves: the two count as one."""
        return frozenset(one for each in self.decisions for one in each.people if one != each.voter)

    @property
    def answered(self) -> frozenset[UUID]:
        """Who has had their say."""
        return frozenset().union(*(decision.people for decision in self.decisions))

    @property
    def votes(self) -> tuple[Vote, ...]:
        return tuple(Vote(each.voter, each.outcome, each.kind, each.weight) for each in self.decisions)


@dataclass(frozen=True)
class OwnRequest:
    """What goes with a request that no approval node asks, but whoever opened it, or an AI task: who asks, and by what its
    steps go."""

    requested_by: UUID | None = None
    behind: tuple[UUID, ...] = ()
    definition: Json = None
    expires: bool = False
    """Whether it has a timer."""
    due: Due | None = None
    closes: Due | None = None
    """By when an answer is hoped for, and when it closes by itself, as from when it was asked."""

    @property
    def requesters(self) -> tuple[UUID, ...]:
        """Who asks, and who does so on their behalf."""
        return (*(() if self.requested_by is None else (self.requested_by,)), *self.behind)


NOTHING = Content("")


@dataclass(frozen=True)
class Approval:
    status: Literal["absent", "pending", "with_requester", "resolved", "cancelled", "expired"] = "absent"
    """with_requester: in the hands of who asked, until they resubmit or withdraw it; nobody decides meanwhile."""
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    node_id: str = ""
    steps: tuple[Step, ...] = ()
    """By their numbers, from 1."""
    in_steps: bool = False
    resolution: ApprovalResolved | None = None
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    content: Content = NOTHING
    """What it asks, as it was last submitted."""
    priority: int = 0
    requested_by: UUID | None = None
    own: OwnRequest | None = None
    """Where no approval node asks."""
    ai_task_id: UUID | None = None
    """The AI task that asks, where one does."""
    overridden_by: UUID | None = None
    clocks: tuple[Clock, ...] = ()
    """Of what is asked and has moments to come."""
    turn: int = 0
    """How often a step with moments was asked."""
    held: tuple[Clock, ...] = ()
    """The same, of a request that is with its requester."""
    number: int = 1
    """Of the version that was submitted last."""
    editable: tuple[str, ...] | None = None
    thread: tuple[Said, ...] = ()
    """What was said about it, in its order."""
    watchers: tuple[UUID, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is still to be decided, be it with its requester meanwhile."""
        return self.status in ("pending", "with_requester")

    @property
    def asks(self) -> dict[str, Json]:
        """What it asks, as the conditions of delegations see it."""
        return {
            "node_id": self.node_id,
            "title": self.content.title,
            "description": self.content.description,
            "priority": self.priority,
            "requested_by": None if self.requested_by is None else str(self.requested_by),
            "context": self.content.context,
        }

    @property
    def begun_steps(self) -> tuple[Step, ...]:
        """Those that were asked and have come to nothing yet, also while it is with its requester."""
        return tuple(step for step in self.steps if step.status == "open") if self.open else ()

    @property
    def open_steps(self) -> tuple[Step, ...]:
        """Those that are asked now; none, once the request is closed."""
        return self.begun_steps if self.status == "pending" else ()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What is offered now."""
        return tuple(outcome for step in self.open_steps for outcome in step.outcomes)

    @property
    def decisions(self) -> tuple[ApprovalDecided, ...]:
        """Those that count."""
        return tuple(decision for step in self.steps for decision in step.decisions)
