"""Executions with foreaches, played on states that are kept: whoever has jobs does them, and everything is held to the events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.envelope import Envelope, RecordedEvent
from domain.execution import EXECUTION, Activation, Execution, ItemStarted
from domain.facts import Aggregate, Decided, Event, Fact, Holders, Job, Json, Timer, View
from domain.retry import Failure
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.engine import (
    Decider,
    Engine,
    EngineLimits,
    cancel,
    complete_job,
    decide_approval,
    fail_job,
    fire,
    pause,
    resume,
    start,
)
from engine.expired_leases import expire_lease
from engine.family import CHILD
from engine.fan_out import MOVE_ITEMS
from engine.foreaches import move_items
from engine.jobs import JobRef, continue_run
from engine.work import CONTINUE
from projections.work_invariants import WorkInvariants
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, WORKFLOW_ID, drawing
from tests.engine.working import found
from tests.given import MOMENT, TENANT_ID, LeaseLost

KINDS: dict[type[Event], Aggregate[Any]] = {event: aggregate for aggregate in AGGREGATES for event in aggregate.events}
ANN = UUID(int=0xA1)


def body(nodes: dict[str, Any], *edges: str) -> Json:
    drawn = drawing(nodes, *edges)
    return {"nodes": drawn["nodes"], "edges": drawn["edges"]}


def each(within: Json, items: Json = "=input.items", fields: Json = None, **config: Json) -> tuple[str, Json, Json]:
    return "foreach", {"items": items, "body": within, **config}, fields or {}


def one_foreach(node: tuple[str, Json, Json], **more: Json) -> Json:
    """start > each > end, with the error caught."""
    nodes = {
        "start": "start",
        "each": node,
        "end": ("end", {"output": "=nodes.each.output"}),
        "broken": ("end", {"output": "=nodes.each.error"}),
    }
    return drawing(nodes, "start > each", "each > end", "each.error > broken", "each.timeout > broken", **more)


@dataclass
class Site:
    """A ledger as a process has it at hand: states, names, jobs and timers. A `domain.facts.View`."""

    definition: Json
    limits: EngineLimits = field(default_factory=EngineLimits)
    states: dict[UUID, Any] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    versions: dict[UUID, int] = field(default_factory=dict)
    claims: dict[tuple[str, str], UUID] = field(default_factory=dict)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    timers: dict[UUID, Timer] = field(default_factory=dict)
    moved: dict[UUID, int] = field(default_factory=dict)
    work: WorkInvariants = field(default_factory=WorkInvariants)
    result: Json = None
    now = MOMENT
    tenant_id = TENANT_ID

    def __post_init__(self) -> None:
        self.engine = Engine(EVALUATOR, self.limits)
        self._ids = count(1_000)
        self.effort = Effort()
        self.publish(WORKFLOW_ID, self.definition)

    def publish(self, workflow_id: UUID, definition: Json) -> None:
        self.append(Fact(workflow_id, WorkflowDrafted(definition["key"], definition["name"], definition)))
        self.append(Fact(workflow_id, WorkflowPublished(1, definition)))
        self.claims["workflow.key", definition["key"]] = workflow_id

    # --- The view -----------------------------------------------------------------------------------------------------

    def new_id(self) -> UUID:
        return UUID(int=next(self._ids))

    def read(self, aggregate: Aggregate[Any], stream_id: UUID) -> Any:
        state = self.states.get(stream_id, aggregate.initial)
        return state if isinstance(state, type(aggregate.initial)) else aggregate.initial

    def version(self, stream_id: UUID) -> int:
        return self.versions.get(stream_id, 0)

    def committed(self, stream_id: UUID) -> bool:
        return stream_id in self.states

    def owner(self, scope: str, name: str) -> UUID | None:
        return self.claims.get((scope, name))

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        return Holders()

    # --- What is decided ----------------------------------------------------------------------------------------------

    def append(self, fact: Fact) -> None:
        aggregate = KINDS[type(fact.event)]
        self.states[fact.stream_id] = aggregate.evolve(self.states.get(fact.stream_id, aggregate.initial), fact.event)
        version = self.versions[fact.stream_id] = self.version(fact.stream_id) + 1
        self.facts.append(fact)
        about = (fact.event, MOMENT, MOMENT, UUID(int=0), Envelope("system"), b"{}")
        self.work.see(RecordedEvent(TENANT_ID, len(self.facts), fact.stream_id, version, "", *about))

    def do(self, decision: Callable[[View], Decided]) -> Decided:
        self.effort = Effort()
        decided = decision(self)
        for fence in decided.fences:
            if fence.job_id not in self.jobs:
                raise LeaseLost
            if fence.then == "done":
                del self.jobs[fence.job_id]
        for fact in decided.facts:
            self.append(fact)
        for stream_id, state in decided.left.items():
            assert state == self.states[stream_id], "a decision's word on the state it leaves is what its facts come to"
        for claim in decided.releases:
            self.claims.pop((claim.scope, claim.name), None)
        for claim in decided.claims:
            assert self.claims.setdefault((claim.scope, claim.name), claim.owner) == claim.owner
        for job_id in decided.dropped_jobs:
            self.jobs.pop(job_id, None)
        for job in decided.jobs:
            assert job.id not in self.jobs, "a job is given once"
            self.jobs[job.id] = job
        for timer_id in decided.dropped_timers:
            self.timers.pop(timer_id, None)
        self.timers |= {timer.id: timer for timer in decided.timers}
        self.moved |= {timer.id: 0 for timer in decided.timers}
        self.result = decided.result
        return decided

    def settled(self) -> "Site":
        """Nothing is left to be done by us; what there is, is waited for."""
        assert not self.own
        assert self.jobs.keys() == {job_id for job_id, _ in self.work.jobs()}
        assert self.timers.keys() == {timer_id for timer_id, _, _ in self.work.timers()}
        return self

    # --- What happens -------------------------------------------------------------------------------------------------

    def start(self, input: Json = None) -> "Site":
        self.do(lambda view: start(view, self.engine, workflow_id=WORKFLOW_ID, execution_id=EXECUTION_ID, input=input))
        return self.work_off()

    @property
    def own(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.type in (MOVE_ITEMS, CONTINUE, CHILD)]

    def work_off(self) -> "Site":
        """Do the jobs that our own runners do, until there are none."""
        while self.own:
            self.run(self.own[0])
        return self

    def run(self, job: Job) -> None:
        held = self.held(job)
        if job.type == CONTINUE:
            self.do(lambda view: continue_run(view, self.engine, held))
            return
        assert job.type == MOVE_ITEMS
        chunk, turn = job.input.get("chunk"), job.input.get("turn")
        about: Any = {"chunk_id": None if chunk is None else UUID(chunk), "turn": turn}
        self.do(lambda view: move_items(view, self.engine, held, UUID(job.input["foreach"]), **about))

    @staticmethod
    def held(job: Job) -> JobRef:
        return JobRef(job.id, 1, job.execution_id, job.activation_id, job.task_id, job.type)

    @property
    def tasks(self) -> list[Job]:
        return [job for job in self.jobs.values() if not job.type.startswith("gesta.")]

    def index_of(self, job: Job) -> int:
        """Of the item that a task belongs to."""
        assert job.task_id is not None
        item = self.item(job.task_id).item
        assert item is not None
        return item.index

    @property
    def running(self) -> list[int]:
        """The items whose tasks are there to be done."""
        return [self.index_of(job) for job in self.tasks]

    def task(self, index: int) -> Job:
        return next(job for job in self.tasks if self.index_of(job) == index)

    def complete(self, index: int, output: Json = None) -> "Site":
        return self.complete_job(self.task(index), output)

    def complete_job(self, job: Job, output: Json = None) -> "Site":
        self.do(lambda view: complete_job(view, self.engine, self.held(job), output))
        return self

    def fail(self, index: int, type: str = "broken", message: str = "It broke.") -> "Site":
        job = self.held(self.task(index))
        self.do(lambda view: fail_job(view, self.engine, job, Failure(type, message), jitter=0.5))
        return self

    def lapse(self, job: Job) -> "Site":
        self.do(lambda view: expire_lease(view, self.engine, self.held(job), jitter=0.5))
        return self

    def fire(self, timer: Timer) -> Decided:
        return self.do(lambda view: fire(view, self.engine, found(timer, self.moved[timer.id])))

    def pause(self) -> "Site":
        self.do(lambda view: pause(view, self.engine, EXECUTION_ID))
        return self

    def resume(self) -> "Site":
        """As the ledger does it, which moves the timers."""
        self.do(lambda view: resume(view, self.engine, EXECUTION_ID))
        self.moved = {timer_id: moved + 1 for timer_id, moved in self.moved.items()}
        return self

    def cancel(self) -> "Site":
        self.do(lambda view: cancel(view, self.engine, EXECUTION_ID))
        return self

    def decide(self, request_id: UUID, outcome: str) -> "Site":
        self.do(lambda view: decide_approval(view, self.engine, request_id, Decider(ANN, frozenset()), outcome=outcome))
        return self

    # --- What there is ------------------------------------------------------------------------------------------------

    def item(self, stream_id: UUID) -> Execution:
        state: Execution = self.read(EXECUTION, stream_id)
        return state

    @property
    def state(self) -> Execution:
        return self.item(EXECUTION_ID)

    def events(self, stream_id: UUID = EXECUTION_ID) -> list[Event]:
        return [fact.event for fact in self.facts if fact.stream_id == stream_id]

    @property
    def end(self) -> Event:
        return self.events()[-1]

    @property
    def items(self) -> dict[int, UUID]:
        """The streams of items by index, of all foreaches together."""
        return {fact.event.index: fact.stream_id for fact in self.facts if isinstance(fact.event, ItemStarted)}

    def visits(self, node_id: str) -> Iterator[tuple[UUID, Activation]]:
        """The running visits of a node, wherever they are."""
        for stream_id, state in self.states.items():
            if isinstance(state, Execution):
                for activation in state.activations.values():
                    if activation.node_id == node_id:
                        yield stream_id, activation

    def later(self, span: timedelta) -> "Site":
        self.now = self.now + span
        return self
