"""Random batches against a model of append's rules in Python: the set-based path and the ordered one say the same as it does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from uuid import UUID, uuid4

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from domain.facts import Claim, Fence, Job
from store.append import AppendOutcome, Entry
from tests.conftest import Database
from tests.store.ledgers import append, claims, connected, entry, open_ledger, positions, versions

EXAMPLES = 1500 if os.environ.get("GESTA_TEST_ALL") else 150
STREAMS = [UUID(int=n) for n in range(1, 5)]
KEYS = [UUID(int=n) for n in range(100, 104)]
NAMES = ["x", "y"]
JOBS = [UUID(int=n) for n in range(200, 204)]
LEASE = "SELECT FROM runtime.lease_jobs('{t}', 100, 60, 'w', %s, %s)"
LAPSE = "UPDATE runtime.jobs SET lease_until = clock_timestamp() WHERE tenant_id = %s AND id = %s AND state = 'leased'"
SELECT_JOBS = """
SELECT id, state, fence, coalesce(lease_until > clock_timestamp(), false) FROM runtime.jobs WHERE tenant_id = %s
"""


@dataclass(frozen=True)
class LeasedOrNot:
    """A job as the ledger sees it."""

    state: str = "ready"
    fence: int = 0
    lasts: bool = False


@dataclass
class Model:
    """A ledger in thirty lines."""

    versions: dict[UUID, int] = field(default_factory=dict)
    known: dict[UUID, tuple[bytes | None, int | None]] = field(default_factory=dict)
    held: dict[tuple[str, str], UUID] = field(default_factory=dict)
    jobs: dict[UUID, LeasedOrNot] = field(default_factory=dict)
    position: int = 0

    def lease_all(self) -> None:
        for job_id, job in self.jobs.items():
            if job.state == "ready":
                self.jobs[job_id] = LeasedOrNot("leased", job.fence + 1, True)

    def lapse(self, job_id: UUID) -> None:
        job = self.jobs.get(job_id, LeasedOrNot())
        if job.state == "leased":
            self.jobs[job_id] = replace(job, lasts=False)

    def follow(self, one: Entry) -> None:
        """What an accepted command does to the jobs."""
        for fence, _ in one.fences:
            if fence.then == "done":
                del self.jobs[fence.job_id]
            elif fence.then != "keep":
                state = "ready" if fence.then == "retry" else "dead"
                self.jobs[fence.job_id] = LeasedOrNot(state, self.jobs[fence.job_id].fence)
        for job_id in one.dropped_jobs:
            self.jobs.pop(job_id, None)
        for job, _ in one.jobs:
            self.jobs[job.id] = LeasedOrNot()

    def append(self, entries: Sequence[Entry], dependencies: Sequence[tuple[int, int]]) -> list[tuple[str, int | None]]:
        answers: list[tuple[str, int | None]] = []
        for number, one in enumerate(entries, 1):
            needed = [answers[on - 1][0] for command, on in dependencies if command == number]
            answers.append(self.one(one, all(verdict == "appended" for verdict in needed)))
        return answers

    def one(self, one: Entry, dependencies_hold: bool) -> tuple[str, int | None]:
        if one.command_id in self.known:
            request_hash, position = self.known[one.command_id]
            return ("done", position) if request_hash == one.request_hash else ("refused", None)
        if not dependencies_hold or any(self.versions.get(stream, 0) != version for stream, version in one.expectations):
            return "conflict", None
        if any(self.jobs.get(fence.job_id) != LeasedOrNot("leased", fence.fence, not fence.expired) for fence, _ in one.fences):
            return "refused", None
        held = dict(self.held)
        for claim in one.releases:
            if held.get((claim.scope, claim.name)) == claim.owner:
                del held[claim.scope, claim.name]
        for claim in one.claims:
            if held.setdefault((claim.scope, claim.name), claim.owner) != claim.owner:
                return "refused", None
        self.held = held
        self.follow(one)
        for new in one.events:
            self.versions[new.stream_id] = self.versions.get(new.stream_id, 0) + 1
        self.position += len(one.events)
        position = self.position if one.events else None
        self.known[one.command_id] = one.request_hash, position
        return "appended", position


def fenced(job_ids: Sequence[UUID]) -> st.SearchStrategy[list[Fence]]:
    """Often one or two, and often by the token of the first lease."""
    if not job_ids:
        return st.just([])
    thens = st.sampled_from(["done", "retry", "dead", "keep"])
    one = st.builds(
        Fence, st.sampled_from(job_ids), st.sampled_from([1, 1, 1, 2]), thens, expired=st.sampled_from([False] * 3 + [True])
    )
    return st.lists(one, max_size=2, unique_by=lambda fence: fence.job_id)


class Step(NamedTuple):
    """A batch: its commands, what they depend on, and jobs whose lease runs out just before it. After it, all jobs are leased."""

    entries: list[Entry]
    dependencies: list[tuple[int, int]]
    lapsing: list[UUID]


claim = st.builds(Claim, st.just("s"), st.sampled_from(NAMES), st.sampled_from(STREAMS))


@st.composite
def batches(draw: st.DrawFn) -> list[Step]:
    """Some batches for one ledger. Expectations and fences are mostly what they would meet if nothing were rejected."""
    guess: dict[UUID, int] = {}
    unmade, made_jobs = list(JOBS), list[UUID]()
    made: list[Step] = []
    for _ in range(draw(st.integers(1, 4))):
        entries: list[Entry] = []
        for _ in range(draw(st.integers(1, 6))):
            read = draw(st.lists(st.sampled_from(STREAMS), max_size=2, unique=True))
            written = draw(st.lists(st.sampled_from(STREAMS), max_size=3))
            off = draw(st.sampled_from([0] * 12 + [1, -1]))
            new_jobs = [Job(unmade.pop(), "t")] if draw(st.booleans()) and unmade else []
            made_jobs += [job.id for job in new_jobs]
            entries.append(
                entry(
                    *written,
                    expect=[(stream, guess.get(stream, 0) + off) for stream in read],
                    command_id=draw(st.one_of(st.none(), st.none(), st.none(), st.sampled_from(KEYS))),
                    request_hash=draw(st.sampled_from([None, None, b"1", b"2"])),
                    claims=draw(st.one_of(st.just([]), st.just([]), st.lists(claim, max_size=2))),
                    releases=draw(st.one_of(st.just([]), st.just([]), st.lists(claim, max_size=2))),
                    jobs=new_jobs,
                    fences=draw(fenced(made_jobs)),
                    dropped_jobs=draw(st.sampled_from([[]] * 20 + [[job_id] for job_id in JOBS])),
                )
            )
            if not off:
                for stream in written:
                    guess[stream] = guess.get(stream, 0) + 1
        count = len(entries)
        pairs = st.integers(2, max(count, 2)).flatmap(lambda later: st.tuples(st.just(later), st.integers(1, later - 1)))
        lapsing = draw(st.lists(st.sampled_from(JOBS), max_size=1))
        made.append(Step(entries, draw(st.lists(pairs, max_size=2)) if count > 1 else [], lapsing))
    return made


def answered(outcomes: Sequence[AppendOutcome]) -> list[tuple[str, int | None]]:
    return [(outcome.verdict, outcome.position) for outcome in outcomes]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=batches())
def test_append_follows_the_model(database: Database, script: list[Step]) -> None:
    model = Model()
    with connected(database.system_url) as connection:
        tenant = open_ledger(connection, uuid4())
        for entries, dependencies, lapsing in script:
            for job_id in lapsing:
                connection.execute(LAPSE, (tenant, job_id))
                model.lapse(job_id)
            expected = model.append(entries, dependencies)
            assert answered(append(connection, tenant, *entries, dependencies=dependencies)) == expected
            event("all appended" if {verdict for verdict, _ in expected} == {"appended"} else "judged in order")
            if any(one.fences and verdict == "appended" for one, (verdict, _) in zip(entries, expected, strict=True)):
                event("a fence held")
            rows = connection.execute(SELECT_JOBS, (tenant,))
            assert {job_id: LeasedOrNot(*rest) for job_id, *rest in rows} == model.jobs
            connection.execute(LEASE, (tenant, tenant))
            model.lease_all()
        assert positions(connection, tenant) == list(range(1, model.position + 1))
        assert claims(connection, tenant) == model.held
        for stream in STREAMS:
            assert versions(connection, tenant, stream) == list(range(1, model.versions.get(stream, 0) + 1))
