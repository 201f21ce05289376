"""An engine that is killed after every single step: nothing is left of it but what a ledger keeps, as bytes.

Every decision begins with states folded afresh from the stored events, by a new engine, which reads the definition anew. It is
made twice: the first one is lost before it is appended, as when a process dies in between.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.envelope import Envelope, RecordedEvent
from domain.execution import EXECUTION, Execution, ExecutionResumed
from domain.facts import Aggregate, Decided, Event, Fact, Holders, Job, Json, Refusal, Timer, View
from domain.workflow import WORKFLOW_KEY, WorkflowDrafted, WorkflowPublished
from engine.engine import Engine, EngineLimits
from projections.work_invariants import WorkInvariants
from store.codec import Codec
from store.state_codec import StateCodec
from store.topics import topic_of
from tests.engine.drawing import EVALUATOR, EXECUTION_ID, WORKFLOW_ID
from tests.given import KINDS, MOMENT, TENANT_ID, LeaseLost

CODEC = Codec()
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SNAPSHOTS = StateCodec(EXECUTION)
AGGREGATE_OF = {topic_of(event): aggregate for aggregate in AGGREGATES for event in aggregate.events}


@dataclass(frozen=True)
class Stored:
    stream_id: UUID
    topic: str
    data: bytes

    @property
    def event(self) -> Event:
        return CODEC.decode(self.topic, self.data)


@dataclass
class Process:
    """What one process knows, which is nothing, until it reads. A `domain.facts.View` for one decision."""

    events: list[Stored]
    claims: dict[tuple[str, str], UUID]
    ids: int
    now = MOMENT
    tenant_id = TENANT_ID

    def __post_init__(self) -> None:
        self.effort = Effort()
        self._read: dict[UUID, Any] = {}

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def read(self, aggregate: Aggregate[Any], stream_id: UUID) -> Any:
        if stream_id not in self._read:
            self._read[stream_id] = folded(self.events, stream_id)
        return self._read[stream_id] or aggregate.initial

    def version(self, stream_id: UUID) -> int:
        return sum(each.stream_id == stream_id for each in self.events)

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        return self.claims.get((scope, name))

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        return Holders()


def folded(events: list[Stored], stream_id: UUID) -> Any:
    state = None
    for each in events:
        if each.stream_id == stream_id:
            aggregate = AGGREGATE_OF[each.topic]
            state = aggregate.evolve(aggregate.initial if state is None else state, each.event)
    return state


def in_words(decided: Decided) -> list[str]:
    """Its facts and jobs, with numbers for ids, in the order in which they are named."""
    numbers: dict[str, str] = {}
    facts = [f"{fact.stream_id} {CODEC.encode(fact.event).decode()}" for fact in decided.facts]
    jobs = [f"{job.id} {job.type} {job.delay} {job.held}" for job in decided.jobs]
    return [ID.sub(lambda found: numbers.setdefault(found[0], f"#{len(numbers)}"), text) for text in (*facts, *jobs)]


@dataclass
class Ledger:
    definition: Json
    limits: EngineLimits
    events: list[Stored] = field(default_factory=list)
    claims: dict[tuple[str, str], UUID] = field(default_factory=dict)
    begun: dict[UUID, int] = field(default_factory=dict)
    """Before which position each name was taken."""
    jobs: dict[UUID, Job] = field(default_factory=dict)
    timers: dict[UUID, tuple[Timer, int]] = field(default_factory=dict)
    """Each with how often a pause has moved it."""
    live: dict[UUID, Any] = field(default_factory=dict)
    """The states as they are where nobody was ever killed."""
    work: WorkInvariants = field(default_factory=WorkInvariants)
    processes: int = 0
    decided: Decided = field(default_factory=Decided)

    def __post_init__(self) -> None:
        self.publish(WORKFLOW_ID, self.definition)

    def publish(self, workflow_id: UUID, definition: Json) -> None:
        self.append([Fact(workflow_id, WorkflowDrafted(definition["key"], definition["name"], definition))])
        self.append([Fact(workflow_id, WorkflowPublished(1, definition))])
        self.claims[WORKFLOW_KEY, definition["key"]] = workflow_id

    def do(self, decision: Callable[[View, Engine], Decided]) -> Decided:
        """Raises Refusal, of which nothing is left."""
        lost = self._decide(decision)
        decided = self._decide(decision)
        if isinstance(decided, Refusal):
            assert type(decided) is type(lost), "it is refused again"
            raise decided
        assert isinstance(lost, Decided)
        assert in_words(lost) == in_words(decided), "what was lost is decided again, but for the ids"
        self._commit(decided)
        return decided

    def _decide(self, decision: Callable[[View, Engine], Decided]) -> Decided | Refusal:
        self.processes += 1
        process = Process(self.events, self.claims, 1_000_000 * self.processes)
        try:
            return decision(process, Engine(EVALUATOR, self.limits))
        except Refusal as refusal:
            return refusal

    def _commit(self, decided: Decided) -> None:
        for fence in decided.fences:
            if fence.job_id not in self.jobs:
                raise LeaseLost
            if fence.then == "done":
                del self.jobs[fence.job_id]
        self.append(decided.facts)
        for claim in decided.releases:
            self.claims.pop((claim.scope, claim.name), None)
        for claim in decided.claims:
            assert self.claims.setdefault((claim.scope, claim.name), claim.owner) == claim.owner
            self.begun[UUID(claim.name)] = len(self.events)
        for job_id in decided.dropped_jobs:
            self.jobs.pop(job_id, None)
        assert not self.jobs.keys() & {job.id for job in decided.jobs}, "a job is given once"
        self.jobs |= {job.id: job for job in decided.jobs}
        for timer_id in decided.dropped_timers:
            self.timers.pop(timer_id, None)
        resumed = {fact.stream_id for fact in decided.facts if isinstance(fact.event, ExecutionResumed)}
        self.timers = {id: (timer, moved + (timer.execution_id in resumed)) for id, (timer, moved) in self.timers.items()}
        assert not self.timers.keys() & {timer.id for timer in decided.timers}, "a timer is set once"
        self.timers |= {timer.id: (timer, 0) for timer in decided.timers}
        self.decided = decided
        self._check(decided)

    def append(self, facts: Any) -> None:
        for fact in facts:
            self.events.append(Stored(fact.stream_id, topic_of(type(fact.event)), CODEC.encode(fact.event)))
            aggregate = KINDS[type(fact.event)]
            self.live[fact.stream_id] = aggregate.evolve(self.live.get(fact.stream_id, aggregate.initial), fact.event)
            about = (fact.event, MOMENT, MOMENT, UUID(int=0), Envelope("system"), b"{}")
            self.work.see(RecordedEvent(TENANT_ID, len(self.events), fact.stream_id, self.version(fact.stream_id), "", *about))

    def version(self, stream_id: UUID) -> int:
        return sum(each.stream_id == stream_id for each in self.events)

    def _check(self, decided: Decided) -> None:
        """The states folded afresh are those decided upon, those that lived on, and those that a snapshot gives."""
        for stream_id in {fact.stream_id for fact in decided.facts}:
            afresh = folded(self.events, stream_id)
            assert afresh == self.live[stream_id]
            assert stream_id not in decided.left or afresh == decided.left[stream_id]
            if isinstance(afresh, Execution):
                assert SNAPSHOTS.from_bytes(SNAPSHOTS.to_bytes(afresh)) == afresh
        jobs, timers = {job_id for job_id, _ in self.work.jobs()}, {timer_id for timer_id, _, _ in self.work.timers()}
        left = self.work.left()
        assert jobs <= self.jobs.keys() <= jobs | left, "as `gesta verify` expects it"
        assert timers <= self.timers.keys() <= timers | left

    @property
    def state(self) -> Execution:
        return self.state_of(EXECUTION_ID)

    def state_of(self, stream_id: UUID) -> Execution:
        found: Execution = folded(self.events, stream_id)
        return found

    @property
    def history(self) -> list[Event]:
        return self.history_of(EXECUTION_ID)

    def history_of(self, stream_id: UUID) -> list[Event]:
        return [each.event for each in self.events if each.stream_id == stream_id]
