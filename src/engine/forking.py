"""A fork: an execution of its own that begins at a node which another one has visited, with what that visit had behind it.

It is the way to try again what has failed, or to see what would have become of it otherwise. Only the way to that visit counts:
other branches that were alive are not carried over, and what they would have brought to a join does not come. What the other
execution has done is not undone by this one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from domain.execution import (
    EXECUTION,
    FIRST_TOKEN,
    ActivationStarted,
    ExecutionForked,
    ExecutionStarted,
    ForkedVisit,
    Names,
    Result,
    evolve,
    lineage_after,
    names_after,
)
from domain.facts import Decided, Event, Fact, FieldError, Invalid, Json, RuleViolation, View
from domain.tokens import Lineage
from domain.workflow import WORKFLOW
from engine.context import Engine
from engine.executions import AlreadyStarted, NoSuchExecution, claims_of, summary
from engine.expressions import Budgeted
from engine.plan import Plan
from engine.run import Run
from engine.size_limit import TooLarge, weight
from engine.starting import accept_input, version_of, with_attributes
from engine.time_limit import with_timeout
from engine.variables import event_of

MOST_BYTES = 1 << 24
"""Of what the visits came to that a fork has behind it."""
BYTES_PER_EVENT = 1 << 19
MOST_EVENTS = 200_000
"""Of an execution that is forked."""


class TooLong(RuleViolation):
    """The execution has too many events to be forked."""

    code = "too_long"


@dataclass(frozen=True)
class Seed:
    """Where a fork begins. `version`: of the stream that it was found in."""

    started: ExecutionStarted
    version: int
    activation_id: UUID | None = None
    """The last visit of the node; None where it was never visited."""
    visits: tuple[ForkedVisit, ...] = ()


@dataclass(frozen=True)
class Visited:
    """A node's last visit, with what it had behind it."""

    activation_id: UUID
    order: int
    lineage: Lineage
    results: Mapping[UUID, Result]

    def order_of(self, activation_id: UUID) -> int:
        return self.results[activation_id].order


class Finder:
    """Reads an execution's events in their order, as many at a time as one likes, and finds the last visit of a node.

    After a migration nodes are called as in the version that the execution goes on by.
    """

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._state = EXECUTION.initial
        self._started: ExecutionStarted | None = None
        self._found: dict[str, Visited] = {}
        self._version = 0

    def read(self, events: Iterable[Event]) -> None:
        for event in events:
            self._version += 1
            self._state = EXECUTION.evolve(self._state, event)
            if isinstance(event, ExecutionStarted):
                self._started = event
            elif isinstance(event, ActivationStarted) and event.compensates is None:
                begun = self._state.activations[event.activation_id]
                self._found[event.node_id] = Visited(begun.id, begun.order, begun.lineage, self._state.results)
            elif (names := names_after(event)) is not None and self._state.started is not None and self._started is not None:
                self._started = replace(self._started, workflow_version=self._state.started.workflow_version)
                self._found = _renamed(self._found, names)

    @property
    def seed(self) -> Seed | None:
        """None: it is no execution's stream."""
        if self._started is None:
            return None
        found = self._found.get(self._node_id)
        if found is None:
            return Seed(self._started, self._version)
        ids = sorted(found.lineage.items(), key=lambda one: found.order_of(one[1]))
        visits = tuple(ForkedVisit(node_id, id, found.results[id].value) for node_id, id in ids)
        return Seed(self._started, self._version, found.activation_id, visits)


def _renamed(found: Mapping[str, Visited], names: Names) -> dict[str, Visited]:
    after: dict[str, Visited] = {}
    for node_id, visited in found.items():
        to = names.get(node_id, node_id)
        if to is not None and (to not in after or after[to].order < visited.order):
            after[to] = replace(visited, lineage=lineage_after(names, visited.lineage, visited.order_of))
    return after


def also_asked(origin: ExecutionStarted, created_by: UUID | None, behind: Iterable[UUID]) -> tuple[UUID, ...]:
    """Who starts the other one in fact, and whose wish it was: what they had asked for is not theirs to approve then either."""
    return tuple(one for one in dict.fromkeys((*behind, *origin.requesters)) if one != created_by)


def fork(
    view: View,
    engine: Engine,
    origin_id: UUID,
    node_id: str,
    seed: Seed | None,
    *,
    input: Json = None,
    version: int | None = None,
    business_key: str | None = None,
    labels: Mapping[str, str] | None = None,
    created_by: UUID | None = None,
    behind: tuple[UUID, ...] = (),
    correlation_id: UUID | None = None,
    execution_id: UUID | None = None,
) -> Decided:
    """Start from a node's last visit. `input`, `version`, `labels`: the other execution's where they are None.

    `execution_id`: as `executions.start`; result {id, status, version, open}.
    """
    if seed is None or view.read(EXECUTION, origin_id).started is None:
        raise NoSuchExecution
    origin = seed.started
    number = version_of(view.read(WORKFLOW, origin.workflow_id), origin.workflow_version if version is None else version)
    plan = engine.plan(view, origin.workflow_id, number)
    _require_beginning(plan, node_id, seed)
    given = origin.input if input is None else input
    accept_input(view, plan.definition, given)
    if execution_id is None:
        execution_id = view.new_id()
    elif view.read(EXECUTION, execution_id) != EXECUTION.initial:
        raise AlreadyStarted
    started = ExecutionStarted(
        origin.workflow_id,
        origin.workflow_key,
        number,
        node_id,
        given,
        business_key,
        origin.priority,
        "fork",
        _about(origin, origin_id, node_id, seed),
        correlation_id=correlation_id or origin.correlation_id,
        created_by=created_by,
        behind=also_asked(origin, created_by, behind) or None,
        labels=dict(origin.labels or {}) if labels is None else dict(labels),
    )
    started = with_attributes(view, Budgeted(engine.evaluator, view.effort), plan.definition, execution_id, started)
    started = with_timeout(plan.definition, execution_id, started)
    facts, state = [Fact(execution_id, started)], evolve(EXECUTION.initial, started)
    for forked in _told(origin_id, node_id, seed.visits):
        facts.append(Fact(execution_id, forked))
        state = evolve(state, forked)
    run = Run(view, engine, plan, execution_id, state, facts, new=True)
    run.pending.append(FIRST_TOKEN)
    run.advance()
    result = summary(execution_id, run.state, sum(fact.stream_id == execution_id for fact in run.facts))
    return run.decided(result, claims_of(view, execution_id, run.state))


def _about(origin: ExecutionStarted, origin_id: UUID, node_id: str, seed: Seed) -> Json:
    """Where it comes from, and the event that its expressions go on to see."""
    about = {"execution_id": str(origin_id), "node_id": node_id, "activation_id": str(seed.activation_id)}
    event = event_of(origin)
    return about if event is None else {**about, "event": event}


def _require_beginning(plan: Plan, node_id: str, seed: Seed) -> None:
    if seed.activation_id is None:
        raise _refused("never_visited", f"The execution has never come to a node {node_id}.")
    if node_id not in plan.nodes:
        raise _refused("unknown_node", f"That version of the workflow has no node {node_id}.")
    if not plan.graph.entering[plan.graph.place[node_id]] and node_id != plan.start:
        raise _refused("not_a_beginning", f"No edge leads to {node_id}: it only undoes what others have done.")


def _refused(code: str, message: str) -> Invalid:
    return Invalid(message, "/node_id", (FieldError("/node_id", code, message),))


def _told(origin_id: UUID, node_id: str, visits: Iterable[ForkedVisit]) -> Iterable[ExecutionForked]:
    """Raises Invalid where it is more than a fork may have behind it."""
    part: list[ForkedVisit] = []
    size = total = 0
    for visit in visits:
        try:
            own = weight(visit.value)
        except TooLarge as error:  # of an older release, which had no such limit
            raise _too_much() from error
        total += own
        if total > MOST_BYTES:
            raise _too_much()
        if part and size + own > BYTES_PER_EVENT:
            yield ExecutionForked(origin_id, node_id, tuple(part))
            part, size = [], 0
        part.append(visit)
        size += own
    if part:
        yield ExecutionForked(origin_id, node_id, tuple(part))


def _too_much() -> Invalid:
    return _refused("too_large", f"What the visits before it came to is more than {MOST_BYTES >> 20} MiB.")
