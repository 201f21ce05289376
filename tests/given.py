"""given(facts).when(decision).then(facts): decisions tested as sentences, on a view that is nothing but a list of facts."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.facts import Aggregate, Claim, Decided, Event, Fact, Fence, Holders, Job, Json, Refusal, RuleViolation, Timer
from domain.member import MemberAdded

S = TypeVar("S")
TENANT_ID = UUID(int=0xA)
MOMENT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KINDS: dict[type[Event], Aggregate[Any]] = {event: aggregate for aggregate in AGGREGATES for event in aggregate.events}


class NameTaken(RuleViolation):
    """Another stream holds this name."""

    code = "name_taken"


class LeaseLost(RuleViolation):
    """The job is not there any more."""

    code = "lease_lost"


@dataclass
class FactsView:
    """`domain.facts.View` over facts. Ids count up from the number of facts, so that the same story gives the same ids."""

    facts: tuple[Fact, ...]
    claims: tuple[Claim, ...] = ()
    now: datetime = MOMENT
    tenant_id: UUID = TENANT_ID
    ids: int = field(init=False)
    effort: Effort = field(init=False, default_factory=Effort)

    def __post_init__(self) -> None:
        self.ids = 1000 * (len(self.facts) + 1)

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        state = aggregate.initial
        for event in self.events(stream_id):
            assert isinstance(event, aggregate.events), f"{event} is no event of {aggregate.name}"
            state = aggregate.evolve(state, event)
        return state

    def fold(self, stream_id: UUID) -> object:
        """The state of a stream that has events, whatever it is of."""
        return self.read(KINDS[type(self.events(stream_id)[0])], stream_id)

    def events(self, stream_id: UUID) -> list[Event]:
        return [fact.event for fact in self.facts if fact.stream_id == stream_id]

    def version(self, stream_id: UUID) -> int:
        return len(self.events(stream_id))

    def committed(self, stream_id: UUID) -> bool:  # noqa: ARG002
        return True

    def owner(self, scope: str, name: str) -> UUID | None:
        return next((claim.owner for claim in self.claims if (claim.scope, claim.name) == (scope, name)), None)

    def holders(self, role_ids: frozenset[UUID]) -> Holders:  # noqa: ARG002
        """All who ever were members are to be read."""
        return Holders(changed=frozenset(fact.stream_id for fact in self.facts if isinstance(fact.event, MemberAdded)))


@dataclass(frozen=True)
class Story:
    """What happened so far, and what the last decision came to."""

    view: FactsView
    decided: Decided = field(default_factory=Decided)
    refusal: Refusal | None = None
    jobs: dict[UUID, Job] = field(default_factory=dict)
    timers: dict[UUID, Timer] = field(default_factory=dict)

    def when(self, decision: Callable[[FactsView], Decided]) -> "Story":
        """Decide on what happened so far. What is decided becomes part of it; a refusal changes nothing."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        try:
            decided = decision(replace(self.view))
            kept = set(self.view.claims) - set(decided.releases)
            self._check(decided.fences)
            for claim in decided.claims:
                if any((held.scope, held.name) == (claim.scope, claim.name) and held.owner != claim.owner for held in kept):
                    raise NameTaken(claim.name)
        except Refusal as refusal:
            return replace(self, decided=Decided(), refusal=refusal)
        claims = tuple(sorted(kept | set(decided.claims), key=lambda claim: (claim.scope, claim.name)))
        view = replace(self.view, facts=self.view.facts + decided.facts, claims=claims)
        for stream_id, state in decided.left.items():
            assert state == view.fold(stream_id), "a decision's word on the state it leaves is what its facts come to"
        return Story(view, decided, jobs=self._jobs_after(decided), timers=self._timers_after(decided))

    def _check(self, fences: tuple[Fence, ...]) -> None:
        if any(fence.job_id not in self.jobs for fence in fences):
            raise LeaseLost

    def _jobs_after(self, decided: Decided) -> dict[UUID, Job]:
        gone = {*decided.dropped_jobs, *(fence.job_id for fence in decided.fences if fence.then == "done")}
        kept = {job_id: job for job_id, job in self.jobs.items() if job_id not in gone}
        assert not kept.keys() & {job.id for job in decided.jobs}, "a job is given once"
        return kept | {job.id: job for job in decided.jobs}

    def _timers_after(self, decided: Decided) -> dict[UUID, Timer]:
        kept = {timer_id: timer for timer_id, timer in self.timers.items() if timer_id not in decided.dropped_timers}
        assert not kept.keys() & {timer.id for timer in decided.timers}, "a timer is set once"
        return kept | {timer.id: timer for timer in decided.timers}

    def then(self, *events: Event) -> "Story":
        """Exactly these events were decided, in this order."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert [fact.event for fact in self.decided.facts] == list(events)
        return self

    def then_refused(self, code: str, *paths: str) -> "Story":
        """It was refused with this code, and the fields named are at fault; the story goes on as if nothing had been tried."""
        assert self.refusal is not None, f"not refused: {self.decided.facts}"
        assert self.refusal.code == code, f"{self.refusal!r}"
        faults = {error.path for error in self.refusal.errors} | {self.refusal.path}
        assert faults >= set(paths), f"{faults}"
        return replace(self, refusal=None)

    @property
    def result(self) -> Json:
        assert self.refusal is None, f"refused: {self.refusal!r}"
        return self.decided.result


def given(facts: Iterable[Fact] = (), claims: Iterable[Claim] = (), now: datetime = MOMENT) -> Story:
    return Story(FactsView(tuple(facts), tuple(claims), now))
