"""An execution that is over, played through another version: what came from outside is taken from the record, the rest decided.

Each visit takes as long as the visit of the same node and number that is on record. So what came to it comes to it again, in the
same order and after the same time; where nothing went otherwise, that is when it came. Where the record says nothing of what a
visit waits for, it waits on, and it is said why.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.approval import ApprovalRequested
from domain.effort import TooCostly
from domain.envelope import RecordedEvent
from domain.execution import (
    EXECUTION,
    FIRST_TOKEN,
    TIMEOUT,
    ActivationCompleted,
    ActivationStarted,
    Execution,
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionEvent,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    Wait,
    evolve,
)
from domain.facts import Decided, Due, Fact, Json, Refusal, Timer
from domain.workflow import Workflow
from engine.approval_timers import fire_of_request
from engine.context import Engine
from engine.definition import Definition, Node
from engine.executions import SIGNAL, load_run, pause, resume
from engine.expressions import Budgeted
from engine.happenings import MessageArrived, TimerFired
from engine.nodes.kind import Passed
from engine.plan import Plan
from engine.run import Run
from engine.starting import accept_input, with_attributes
from engine.time_limit import with_timeout
from engine.what_if import outcomes, requests
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

    state: Execution = field(default_factory=Execution)
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


@dataclass
class Play:
    past: PastExecution
    before: Plan
    """Of the version that it ran by."""
    version: Version
    view_at: ViewAt
    strict: bool = False
    """What was asked otherwise is not answered as it was."""
    assume: Mapping[str, Json] = field(default_factory=dict)
    """What visits come to where the record says nothing more, by node: {outcome}, {output} or {error}."""
    found: Played = field(default_factory=Played)

    def play(self) -> Played:
        started = self.past.started
        workflow = Workflow("active", started.workflow_key, None, self.version.number)
        workflow = replace(workflow, versions=workflow.versions.insert(self.version.number, self.version.definition))
        self.view = PlayedView.of(self.view_at, self.past, workflow, self.before.nodes)
        self.engine, self.open = self.version.engine, dict[UUID, OpenVisit]()
        self.timers, self.requested = dict[UUID, tuple[Timer, datetime]](), dict[UUID, ApprovalRequested]()
        self.keys, self.drifted = dict[UUID, Key](), False
        self.at, self.outside = self.past.begun_at, 0
        self.paused_at: datetime | None = None
        try:
            self.plan = self.engine.plan(self.view, started.workflow_id, self.version.number)
            self.found.nodes = self.plan.nodes
            self.ways_out = _ways_out(self.plan), _ways_out(self.before)
            self._start()
            while (step := self._next()) is not None and self.found.stopped is None:
                self._lose(step.at)
                self._step(step)
        except TooCostly:
            self.found.stopped = "It would take more computing than one command may use."
        self.found.state = self.state
        return self.found

    @property
    def state(self) -> Execution:
        return self.view.read(EXECUTION, self.past.id)

    @property
    def definition(self) -> Definition:
        return self.plan.definition

    # What happens

    def _start(self) -> None:
        """As it was started, but nobody waits for it, and nobody is told of its end."""
        started = replace(
            self.past.started,
            workflow_version=self.version.number,
            start_node=self.plan.start,
            parent_activation_id=None,
            parent_item_id=None,
            parent_task_id=None,
            trigger_id=None,
            scheduled_at=None,
            callback=None,
            attributes=None,
            timeout=None,
        )
        evaluator = Budgeted(self.engine.evaluator, self.view.effort)
        try:
            accept_input(self.view, self.definition, started.input)
            started = with_attributes(self.view, evaluator, self.definition, self.past.id, started)
        except Refusal as refused:
            self.found.refused = refused.errors[0].message if refused.errors else refused.message
            return
        started = with_timeout(self.definition, self.past.id, started)
        state = evolve(EXECUTION.initial, started)
        run = Run(self.view, self.engine, self.plan, self.past.id, state, [Fact(self.past.id, started)], new=True)
        run.pending.append(FIRST_TOKEN)
        run.advance()
        self.take(run.decided(None))

    def _step(self, step: Next) -> None:
        self.at = step.at
        if step.position != SIMULATED:
            self.view.move(step.position, step.now)
        step.act()
        if self.state.steps > MOST_VISITS + 2 * len(self.past.visits):
            self.found.stopped = f"It does not come to an end within {self.state.steps:,} visits."

    def _lose(self, at: datetime) -> None:
        for visit in self.open.values():
            until = self._known_until(visit)
            if until is not None and until < at and visit.key not in self.found.lost:
                self.found.lost[visit.key] = None
                if self.found.certain is None:
                    self.found.certain = len(self.found.events)

    def _known_until(self, visit: OpenVisit) -> datetime | None:
        """Until when it is known that nothing comes to it; None: what comes to it is known."""
        if visit.node.id in self.assume:
            return None
        if visit.why is not None:
            return visit.given_up_at or visit.begun_at
        if outcomes.is_simulated(visit):
            return None
        return visit.ended_at if visit.past is not None and visit.past.waited else visit.begun_at

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
        begun = [event for event in events if isinstance(event, ActivationStarted)]
        self._see(begun, [event for event in events if isinstance(event, ActivationCompleted)])
        state = self.state
        if state.status == "running" and state.continuation is not None and state.compensation is None:
            self.move(lambda _: None)

    def _see(self, begun: list[ActivationStarted], ended: list[ActivationCompleted]) -> None:
        """Which visits wait now."""
        active = self.state.activations
        self.keys |= {event.activation_id: (event.node_id, event.visit) for event in begun}
        self.drifted = self.drifted or self._drifts(ended)
        self.open = {id: visit for id, visit in self.open.items() if id in active}
        for event in begun:
            if event.activation_id not in active or event.compensates is not None:
                continue
            key = event.node_id, event.visit
            visit = self.open[event.activation_id] = self._opened(key, event)
            past = visit.past
            if past is not None and past.waited:
                self._compare(visit, event)
            elif past is not None and outcomes.would_begin_others(visit):
                self.give_up(visit, outcomes.NOTHING_BEGAN)

    def _drifts(self, ended: list[ActivationCompleted]) -> bool:
        """Whether something came to something else than by the record."""
        for event in ended:
            past = self.past.visits.get(self.keys.get(event.activation_id, ("", 0)))
            end = None if past is None else past.end
            if not isinstance(end, ActivationCompleted) or (end.handle, end.output) != (event.handle, event.output):
                return True
        return False

    def _opened(self, key: Key, event: ActivationStarted) -> OpenVisit:
        node, before, past = self.plan.nodes[key[0]], self.before.nodes.get(key[0]), self.past.visits.get(key)
        if before is None or past is None or before.type != node.type:
            return OpenVisit(event.activation_id, key, node, None, None, self.at, False, _until(event), event.input)
        alike = self.ways_out[0].get(node.id) == self.ways_out[1].get(node.id)
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

    # What comes next

    def _next(self) -> Next | None:
        if not self.state.live or self.state.compensation is not None:
            return None
        return min(self._candidates(), key=lambda each: (each.at, each.position), default=None)

    def _candidates(self) -> Iterator[Next]:
        if self.outside < len(self.past.outside):
            yield self._from_outside()
        paused = self.state.status == "paused"
        yield from self._end_by_time()
        for visit in self.open.values():
            if not (paused and visit.node.type in ("approval", "wait")):
                found = self._coming_to(visit) or self._as_assumed(visit)
                if found is not None:
                    yield found
            if not paused:
                yield from self._timers_of(visit)
        if not paused:
            yield from self._moments()

    def _coming_to(self, visit: OpenVisit) -> Next | None:
        if visit.why is not None or visit.past is None or not visit.past.waited:
            return None
        if visit.by_votes:
            return requests.next_vote(self, visit)
        return outcomes.next_outcome(self, visit)

    def _as_assumed(self, visit: OpenVisit) -> Next | None:
        """When the record has told all that it has."""
        if visit.node.id not in self.assume or outcomes.is_simulated(visit):
            return None

        def act() -> None:
            self.found.unknown.pop(visit.key, None)
            self.move(lambda run: outcomes.bring(run, visit, self.assume[visit.node.id]))

        return Next(max(self.at, visit.ended_at or self.at), SIMULATED, self.view.now, act)

    # By the clock

    def _timers_of(self, visit: OpenVisit) -> Iterator[Next]:
        """Those of which the record does not say when they fire, or that they do not."""
        for wait in self.state.activations[visit.id].waits:
            if wait.kind != "timer" or wait.due is None:
                continue
            limits = wait.about == TIMEOUT
            if visit.times_are_equal if limits else not outcomes.is_simulated(visit):
                continue
            due = wait.due.moment(visit.begun_at) + (visit.paused if wait.due.after is not None else timedelta(0))
            if not limits or (visit.ended_at is not None and due <= visit.ended_at):
                yield Next(max(due, self.at), SIMULATED, self.view.now, self._fires(visit, wait))

    def _fires(self, visit: OpenVisit, wait: Wait) -> Callable[[], None]:
        if wait.about == TIMEOUT:
            attempts = self.state.activations[visit.id].attempt
            return lambda: self.move(lambda run: run.time_out(visit.id, attempts))
        return lambda: self.move(lambda run: run.wake(visit.id, TimerFired(wait.id, wait.about)))

    def _moments(self) -> Iterator[Next]:
        """Of requests that are decided anew, whose moments are others than they were."""
        by_request = {wait.id: visit for visit in self.open.values() for wait in self.state.activations[visit.id].waits}
        for timer, due in self.timers.values():
            visit = by_request.get(timer.owner_id)
            if visit is None or visit.why is not None or visit.ended_at is None or not requests.has_other_moments(visit):
                continue
            if due + visit.paused <= visit.ended_at:
                yield Next(max(due + visit.paused, self.at), SIMULATED, self.view.now, self._comes(timer, due))

    def _comes(self, timer: Timer, due: datetime) -> Callable[[], None]:
        def act() -> None:
            del self.timers[timer.id]
            self.take(fire_of_request(self.view, self.engine, requests.Found.of(timer, due)))

        return act

    def _end_by_time(self) -> Iterator[Next]:
        timeout, before = self.state.timeout, self.past.started.timeout
        if timeout is None or timeout.due is None or (before is not None and before.due == timeout.due):
            return
        due = timeout.due.moment(self.past.begun_at)
        if due <= self.past.ended_at and self.state.status == "running":
            yield Next(max(due, self.at), SIMULATED, self.view.now, lambda: self.move(lambda run: run.run_out_of_time()))

    # From outside

    def _from_outside(self) -> Next:
        record = self.past.outside[self.outside]
        return Next(record.recorded_at, record.position, record.occurred_at, lambda: self._happens(record))

    def _happens(self, record: RecordedEvent) -> None:
        self.outside += 1
        match event := record.event:
            case ExecutionPaused(reason=reason):
                self.paused_at = self.at
                self.take(pause(self.view, self.engine, self.past.id, reason))
            case ExecutionResumed(reason=reason):
                self._resumed()
                self.take(resume(self.view, self.engine, self.past.id, reason))
            case ExecutionChanged():
                self.view.happen([Fact(self.past.id, event)])
            case ExecutionSignalled():
                self.move(lambda run: self._signalled(run, record.command_id, event))
            case ExecutionCancelled(reason=reason, cancelled_by=by):
                self.move(lambda run: run.terminate(reason, by))
            case ExecutionCompensating(ends="cancelled", reason=reason, cancelled_by=by):
                self.move(lambda run: run.cancel(reason, by))
            case _ if self.state.timeout is not None and self._has_same_time:
                self.move(lambda run: run.run_out_of_time())
            case _:
                pass

    @property
    def _has_same_time(self) -> bool:
        before, timeout = self.past.started.timeout, self.state.timeout
        return before is not None and timeout is not None and before.due == timeout.due

    def _resumed(self) -> None:
        if self.paused_at is None:
            return
        for visit in self.open.values():
            visit.paused += self.at - max(self.paused_at, visit.begun_at)
        self.paused_at = None

    def _signalled(self, run: Run, command: UUID, event: ExecutionSignalled) -> None:
        """To all at once who wait for an event of its name. Who took it by the record, or another one, is told by that."""
        message = {"id": None, "source": SIGNAL, "type": event.name, "subject": None, "time": None, "data": event.payload}
        for visit in tuple(self.open.values()):
            if visit.id not in run.state.activations:
                continue
            if outcomes.is_told_by_record(visit):
                found = None if visit.node.type == "approval" else outcomes.coming_to(visit)
                if found is not None and found.command_id == command:
                    outcomes.bring_recorded(self, run, visit, found)
                continue
            waits = run.state.activations[visit.id].waits
            for wait in (each for each in waits if (each.kind, each.about) == ("event", event.name)):
                if not isinstance(run.wake(visit.id, MessageArrived(wait.id, message)), Passed):
                    self.found.unknown.pop(visit.key, None)


def _until(event: ActivationStarted) -> Due | None:
    return next((wait.due for wait in event.waits if wait.kind == "timer" and wait.about != TIMEOUT), None)


def _ways_out(plan: Plan) -> dict[str, Counter[tuple[str, str, str | None]]]:
    """By node."""
    found: dict[str, Counter[tuple[str, str, str | None]]] = {}
    for edge in plan.definition.edges:
        found.setdefault(edge.source, Counter())[edge.handle, edge.target, edge.when] += 1
    return found


def played(
    past: PastExecution,
    before: Plan,
    version: Version,
    view_at: ViewAt,
    *,
    strict: bool = False,
    assume: Mapping[str, Json] | None = None,
) -> Played:
    """`before`: the plan of the version that it ran by."""
    return Play(past, before, version, view_at, strict, assume or {}).play()
