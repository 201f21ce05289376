"""An execution that is over, played through another version: what came from outside is taken from the record, the rest decided.

Each visit takes as long as the visit of the same node and number that is on record. So what came to it comes to it again, in the
same order and after the same time; where nothing went otherwise, that is when it came. Where the record says nothing of what a
visit waits for, it waits on, and it is said why.

`Play` is what has happened so far, `engine.what_if.coming` says what comes next.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from domain.approval import ApprovalRequested
from domain.effort import TooCostly
from domain.execution import (
    EXECUTION,
    FIRST_TOKEN,
    TIMEOUT,
    ActivationCompleted,
    ActivationStarted,
    Execution,
    ExecutionEvent,
    ExecutionStarted,
    evolve,
)
from domain.facts import Decided, Due, Fact, Json, Refusal, Timer
from domain.workflow import Workflow
from engine.context import Engine
from engine.definition import Node
from engine.executions import load_run
from engine.expressions import Budgeted
from engine.plan import Plan
from engine.run import Run
from engine.starting import accept_input, with_attributes
from engine.time_limit import with_timeout
from engine.what_if import outcomes, requests
from engine.what_if.coming import known_until, next_of
from engine.what_if.record import Key, PastExecution
from engine.what_if.view import PlayedView, ViewAt
from engine.what_if.visits import SIMULATED, Next, Note, OpenVisit

MOST_VISITS = 10_000
"""In one play, beside as many again as are on record: a loop of waits alone comes to no end by itself."""


@dataclass(frozen=True)
class Version:
    """What executions are played through. `engine` keeps its plan, and has `engine.what_if.kinds.NODE_TYPES`."""

    definition: Json
    number: int
    engine: Engine


@dataclass
class Played:
    """`events`: of the execution, as they would be. `refused`: why it would not have started."""

    events: list[ExecutionEvent] = field(default_factory=list)
    refused: str | None = None
    unknown: dict[Key, str] = field(default_factory=dict)
    """Visits of which cannot be said what would have come of them, and why."""
    assumed: list[Note] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)
    stopped: str | None = None
    """Why it was played no further."""
    lost: dict[Key, None] = field(default_factory=dict)
    """Visits that go on waiting while others move, after all that is known of them: what comes then depends on when they end."""
    certain: int | None = None
    """How many of the events happened before there was such a visit; None: all."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    """Of the version that it was played through."""

    @property
    def visited(self) -> list[Key]:
        return [(event.node_id, event.visit) for event in self.events if isinstance(event, ActivationStarted)]


def played(
    past: PastExecution,
    before: Plan,
    version: Version,
    view_at: ViewAt,
    *,
    strict: bool = False,
    assume: Mapping[str, Json] | None = None,
) -> Played:
    """`before`: the plan of the version that it ran by. `strict`, `assume`: as of a `Play`."""
    found = Played()
    view = PlayedView.of(view_at, past, _workflow(past, version), before.nodes)
    try:
        plan = version.engine.plan(view, past.started.workflow_id, version.number)
        found.nodes = plan.nodes
        play = Play(past, before, version.engine, plan, view, found, strict, assume or {})
        _begin(play, version.number)
        while found.stopped is None and (step := next_of(play)) is not None:
            play.step(step)
    except TooCostly:
        found.stopped = "It would take more computing than one command may use."
    return found


def _workflow(past: PastExecution, version: Version) -> Workflow:
    """As if it were published."""
    workflow = Workflow("active", past.started.workflow_key, None, version.number)
    return replace(workflow, versions=workflow.versions.insert(version.number, version.definition))


@dataclass
class Play:
    """What has happened so far: the execution is what `view` reads of it."""

    past: PastExecution
    before: Plan
    """Of the version that it ran by."""
    engine: Engine
    plan: Plan
    view: PlayedView
    found: Played
    strict: bool = False
    """What was asked otherwise is not answered as it was."""
    assume: Mapping[str, Json] = field(default_factory=dict)
    """What visits come to where the record says nothing more, by node: {outcome}, {output} or {error}."""
    at: datetime = field(init=False)
    outside: int = 0
    """How much of what happened to the execution as a whole has happened again."""
    paused_at: datetime | None = None
    open: dict[UUID, OpenVisit] = field(default_factory=dict)
    """Visits that wait, by their ids."""
    keys: dict[UUID, Key] = field(default_factory=dict)
    """Of all visits."""
    drifted: bool = False
    """Whether something came to something else than by the record."""
    requested: dict[UUID, ApprovalRequested] = field(default_factory=dict)
    timers: dict[UUID, tuple[Timer, datetime]] = field(default_factory=dict)
    """Of requests: those that are set, and when they are due."""
    leaving_alike: frozenset[str] = field(init=False)
    """Nodes that the same edges leave as before."""

    def __post_init__(self) -> None:
        self.at = self.past.begun_at
        then, now = _ways_out(self.before), _ways_out(self.plan)
        self.leaving_alike = frozenset(id for id in self.plan.nodes if then.get(id) == now.get(id))

    @property
    def state(self) -> Execution:
        return self.view.read(EXECUTION, self.past.id)

    def step(self, step: Next) -> None:
        self._lose(step.at)
        self.at = step.at
        if step.position != SIMULATED:
            self.view.move(step.position, step.now)
        step.act()
        if self.state.steps > MOST_VISITS + 2 * len(self.past.visits):
            self.found.stopped = f"It does not come to an end within {self.state.steps:,} visits."

    def _lose(self, at: datetime) -> None:
        for visit in self.open.values():
            until = known_until(self, visit)
            if until is not None and until < at and visit.key not in self.found.lost:
                self.found.lost[visit.key] = None
                if self.found.certain is None:
                    self.found.certain = len(self.found.events)

    def move(self, act: Callable[[Run], object]) -> None:
        """Something is done to the execution, and it moves on."""
        run = load_run(self.view, self.engine, self.past.id, self.state)
        act(run)
        run.advance()
        self.take(run.decided(None))

    def take(self, decided: Decided) -> None:
        """It has happened. What a command leaves to the next one goes on at once."""
        self.view.take(decided)
        events = [fact.event for fact in decided.facts if fact.stream_id == self.past.id]
        self.found.events += events  # type: ignore[arg-type]  # a stream has the events of one aggregate
        self.requested |= {fact.stream_id: fact.event for fact in decided.facts if isinstance(fact.event, ApprovalRequested)}
        for timer in decided.timers:
            if timer.owner != EXECUTION.name:
                self.timers[timer.id] = timer, timer.due.moment(self.at)
        for id in decided.dropped_timers:
            self.timers.pop(id, None)
        self._see(events)
        state = self.state
        if state.status == "running" and state.continuation is not None and state.compensation is None:
            self.move(lambda _: None)

    def _see(self, events: Iterable[object]) -> None:
        """Which visits wait now."""
        begun = [event for event in events if isinstance(event, ActivationStarted)]
        active = self.state.activations
        self.keys |= {event.activation_id: (event.node_id, event.visit) for event in begun}
        self.drifted = self.drifted or any(isinstance(event, ActivationCompleted) and self._drifts(event) for event in events)
        self.open = {id: visit for id, visit in self.open.items() if id in active}
        for event in begun:
            if event.activation_id in active and event.compensates is None:
                self._open(event)

    def _drifts(self, event: ActivationCompleted) -> bool:
        past = self.past.visits.get(self.keys.get(event.activation_id, ("", 0)))
        end = None if past is None else past.end
        return not isinstance(end, ActivationCompleted) or (end.handle, end.output) != (event.handle, event.output)

    def _open(self, event: ActivationStarted) -> None:
        visit = self.open[event.activation_id] = self._opened(event)
        if visit.past is None:
            return
        if visit.past.waited:
            self._compare(visit, event)
        elif outcomes.would_begin_others(visit):
            self.give_up(visit, outcomes.NOTHING_BEGAN)

    def _opened(self, event: ActivationStarted) -> OpenVisit:
        key = event.node_id, event.visit
        node, before, past = self.plan.nodes[key[0]], self.before.nodes.get(key[0]), self.past.visits.get(key)
        if before is None or past is None or before.type != node.type:
            return OpenVisit(event.activation_id, key, node, None, None, self.at, False, _until(event), event.input)
        alike = node.id in self.leaving_alike
        visit = OpenVisit(event.activation_id, key, node, before, past, self.at, alike, _until(event), event.input)
        visit.shift = self.at - past.begun.recorded_at
        return visit

    def _compare(self, visit: OpenVisit, begun: ActivationStarted) -> None:
        """Whether what is on record of it answers what is asked now."""
        if visit.node.type == "approval":
            visit.why, otherwise = requests.compare(self, visit)
        else:
            visit.why, otherwise = outcomes.compare(visit, begun)
        if otherwise is not None and self.strict:
            visit.why = visit.why or otherwise
        elif otherwise is not None:
            self.assume_that(visit, otherwise)
        if visit.why is not None:
            self.give_up(visit, visit.why)

    def give_up(self, visit: OpenVisit, why: str) -> None:
        visit.why, visit.given_up_at = why, self.at
        self.found.unknown[visit.key] = why

    def assume_that(self, visit: OpenVisit, what: str) -> None:
        note = Note(visit.key, what)
        if note not in self.found.assumed:
            self.found.assumed.append(note)

    def leave_out(self, visit: OpenVisit, what: str) -> None:
        self.found.left_out.append(Note(visit.key, what))


def _begin(play: Play, number: int) -> None:
    """As it was started, but nobody waits for it, and nobody is told of its end."""
    evaluator, definition = Budgeted(play.engine.evaluator, play.view.effort), play.plan.definition
    try:
        accept_input(play.view, definition, play.past.started.input)
        started = with_attributes(play.view, evaluator, definition, play.past.id, _alone(play, number))
    except Refusal as refused:
        play.found.refused = refused.errors[0].message if refused.errors else refused.message
        return
    started = with_timeout(definition, play.past.id, started)
    state = evolve(EXECUTION.initial, started)
    run = Run(play.view, play.engine, play.plan, play.past.id, state, [Fact(play.past.id, started)], new=True)
    run.pending.append(FIRST_TOKEN)
    run.advance()
    play.take(run.decided(None))


def _alone(play: Play, number: int) -> ExecutionStarted:
    return replace(
        play.past.started,
        workflow_version=number,
        start_node=play.plan.start,
        parent_activation_id=None,
        parent_item_id=None,
        parent_task_id=None,
        trigger_id=None,
        scheduled_at=None,
        callback=None,
        attributes=None,
        timeout=None,
    )


def _until(event: ActivationStarted) -> Due | None:
    return next((wait.due for wait in event.waits if wait.kind == "timer" and wait.about != TIMEOUT), None)


def _ways_out(plan: Plan) -> dict[str, Counter[tuple[str, str, str | None]]]:
    """By node."""
    found: dict[str, Counter[tuple[str, str, str | None]]] = {}
    for edge in plan.definition.edges:
        found.setdefault(edge.source, Counter())[edge.handle, edge.target, edge.when] += 1
    return found
