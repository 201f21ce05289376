"""What decisions read where an execution is played again: the ledger as it was, and over it what has happened in the play."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.facts import Aggregate, Decided, Event, Fact, Holders, View
from domain.workflow import WORKFLOW, Workflow
from engine.definition import Node
from engine.what_if.record import PastExecution, PastVisit

S = TypeVar("S")
ViewAt = Callable[[int, datetime], View]
"""The ledger as it was after a position, at a moment."""
KINDS: dict[type[Event], Aggregate[Any]] = {event: aggregate for aggregate in AGGREGATES for event in aggregate.events}
FIRST_ID = 1 << 127
"""Ids of what the play makes count up from here: those of the ledger are of another kind."""


@dataclass
class PlayedView:
    """A `domain.facts.View`. The workflow is the one that is tried; nothing is kept of what is decided but here."""

    view_at: ViewAt
    past: PastExecution
    workflow: Workflow
    before: Mapping[str, Node]
    """The nodes of the version that it ran by."""
    below: View
    effort: Effort = field(default_factory=Effort)
    ids: int = FIRST_ID
    _states: dict[UUID, tuple[Aggregate[Any], Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, view_at: ViewAt, past: PastExecution, workflow: Workflow, before: Mapping[str, Node]) -> "PlayedView":
        first = past.events[0]
        return cls(view_at, past, workflow, before, view_at(first.position - 1, first.occurred_at))

    def move(self, position: int, now: datetime) -> None:
        """Another decision is made: the ledger is as it was before this position."""
        self.below, self.effort = self.view_at(position - 1, now), Effort()

    @property
    def tenant_id(self) -> UUID:
        return self.below.tenant_id

    @property
    def now(self) -> datetime:
        return self.below.now

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        if stream_id in self._states:
            known, state = self._states[stream_id]
            return state if known.name == aggregate.name else aggregate.initial
        if aggregate.name == WORKFLOW.name and stream_id == self.past.started.workflow_id:
            return self.workflow  # type: ignore[return-value]  # S is Workflow by then: there is one aggregate of a kind
        if stream_id == self.past.id:
            return aggregate.initial
        return self.below.read(aggregate, stream_id)

    def version(self, stream_id: UUID) -> int:  # noqa: ARG002 - nothing is appended, so nothing is expected
        return 0

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002 - the plan that is tried is known as long as the engine is
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        return self.below.owner(scope, name)

    def holders(self, role_ids: frozenset[UUID]) -> Holders:
        return self.below.holders(role_ids)

    def take(self, decided: Decided) -> None:
        """It has happened, in the play."""
        self.happen(decided.facts)

    def happen(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            aggregate = KINDS[type(fact.event)]
            _, state = self._states.get(fact.stream_id, (aggregate, aggregate.initial))
            self._states[fact.stream_id] = aggregate, aggregate.evolve(state, fact.event)

    def past_visit(self, node_id: str, number: int) -> PastVisit | None:
        return self.past.visits.get((node_id, number))
