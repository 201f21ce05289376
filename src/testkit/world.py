"""A ledger in memory with what stands beside it, jobs and timers, under a clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.execution import ExecutionPaused, ExecutionResumed
from domain.facts import Aggregate, Claim, Decided, Event, EventType, Holders, Job, RuleViolation, Timer
from domain.member import MemberAdded

S = TypeVar("S")
MORNING = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""A Monday."""
TENANT_ID = UUID(int=0xA)
OF: dict[type[Event], tuple[Aggregate[Any], EventType[Any]]] = {
    each.event: (aggregate, each) for aggregate in AGGREGATES for each in aggregate.catalogue
}


class NameTaken(RuleViolation):
    """Another stream holds this name."""

    code = "name_taken"


class LeaseLost(RuleViolation):
    """The job is not there any more."""

    code = "lease_lost"


@dataclass(frozen=True)
class Record:
    """An event of the ledger."""

    position: int
    stream_id: UUID
    event: Event
    at: datetime


@dataclass
class JobRow:
    """`asked`: it is with a worker, or nobody does it; `asks`: how often it was handed out."""

    job: Job
    order: int
    ready_at: datetime
    held: bool
    asks: int = 0
    asked: bool = False


@dataclass
class TimerRow:
    """`left`: of a timer that a pause holds."""

    timer: Timer
    order: int
    due_at: datetime
    left: timedelta | None = None
    moved: int = 0


@dataclass
class World:
    """Also the `domain.facts.View` of its decisions. Ids count up, so that the same story gives the same ids."""

    now: datetime = MORNING
    tenant_id: UUID = TENANT_ID
    records: list[Record] = field(default_factory=list)
    jobs: dict[UUID, JobRow] = field(default_factory=dict)
    timers: dict[UUID, TimerRow] = field(default_factory=dict)
    effort: Effort = field(default_factory=Effort)
    _states: dict[UUID, Any] = field(default_factory=dict)
    _of_stream: dict[UUID, list[Record]] = field(default_factory=dict)
    _claims: dict[tuple[str, str], tuple[Claim, int]] = field(default_factory=dict)
    _ids: int = 1000
    _orders: int = 0

    # What decisions see

    def new_id(self) -> UUID:
        self._ids += 1
        return UUID(int=self._ids)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        state = self._states.get(stream_id)
        return state if isinstance(state, type(aggregate.initial)) else aggregate.initial

    def version(self, stream_id: UUID) -> int:
        return len(self._of_stream.get(stream_id, ()))

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        found = self._claims.get((scope, name))
        return None if found is None else found[0].owner

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        return Holders(changed=frozenset(each.stream_id for each in self.records if isinstance(each.event, MemberAdded)))

    # What is done

    def do(self, decide: Callable[["World"], Decided]) -> Decided:
        """Decide, and append. A refusal changes nothing."""
        self.effort = Effort()
        decided = decide(self)
        released = {(claim.scope, claim.name) for claim in decided.releases}
        if any(fence.job_id not in self.jobs for fence in decided.fences):
            raise LeaseLost
        for claim in decided.claims:
            held = self._claims.get((claim.scope, claim.name))
            if held is not None and (claim.scope, claim.name) not in released and held[0].owner != claim.owner:
                raise NameTaken(path=claim.path)
        self._append(decided)
        return decided

    def of(self, stream_id: UUID) -> list[Record]:
        return self._of_stream.get(stream_id, [])

    def waiting(self, scope: str, before: int) -> list[Claim]:
        """The names of a scope that were taken before a position."""
        return [claim for (where, _), (claim, position) in self._claims.items() if where == scope and position < before]

    def taken_at(self, scope: str, name: str) -> int | None:
        found = self._claims.get((scope, name))
        return None if found is None else found[1]

    def _append(self, decided: Decided) -> None:
        for fact in decided.facts:
            record = Record(len(self.records) + 1, fact.stream_id, fact.event, self.now)
            aggregate = OF[type(fact.event)][0]
            self.records.append(record)
            self._of_stream.setdefault(fact.stream_id, []).append(record)
            self._states[fact.stream_id] = aggregate.evolve(self.read(aggregate, fact.stream_id), fact.event)
        for claim in decided.releases:
            self._claims.pop((claim.scope, claim.name), None)
        for claim in decided.claims:
            self._claims[claim.scope, claim.name] = claim, len(self.records)
        self._rows(decided)
        for fact in decided.facts:
            match fact.event:
                case ExecutionPaused():
                    self._hold(fact.stream_id)
                case ExecutionResumed():
                    self._let_go(fact.stream_id)
                case _:
                    pass

    def _rows(self, decided: Decided) -> None:
        for fence in decided.fences:
            match fence.then:
                case "retry":
                    row = self.jobs[fence.job_id]
                    row.ready_at, row.asked, row.order = self.now + fence.delay, False, self._order()
                case "done" | "dead":
                    self.jobs.pop(fence.job_id, None)
                case "keep":
                    pass
        for id in decided.dropped_jobs:
            self.jobs.pop(id, None)
        for id in decided.dropped_timers:
            self.timers.pop(id, None)
        for job in decided.jobs:
            self.jobs[job.id] = JobRow(job, self._order(), self.now + job.delay, job.held)
        for timer in decided.timers:
            due = timer.due.moment(self.now)
            self.timers[timer.id] = TimerRow(timer, self._order(), due, due - self.now if timer.held else None)

    def _hold(self, execution_id: UUID) -> None:
        for job in self.jobs.values():
            job.held = job.held or job.job.execution_id == execution_id
        for timer in self.timers.values():
            if timer.timer.execution_id == execution_id and timer.left is None:
                timer.left = timer.due_at - self.now

    def _let_go(self, execution_id: UUID) -> None:
        for job in self.jobs.values():
            job.held = job.held and job.job.execution_id != execution_id
        for timer in self.timers.values():
            if timer.timer.execution_id == execution_id and timer.left is not None:
                timer.due_at = timer.due_at if timer.timer.due.at is not None else self.now + timer.left
                timer.left, timer.moved = None, timer.moved + 1

    def _order(self) -> int:
        self._orders += 1
        return self._orders


def topic_of(event: Event) -> str:
    """Without its version."""
    return OF[type(event)][1].topic.rpartition(".")[0]
