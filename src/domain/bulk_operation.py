"""A bulk operation: one action on many executions, taken step by step by workers. Lives in the tenant's ledger.

What it acts on is fixed when it is requested, and kept in chunks, streams of one event each. The operation itself has an event
for each step, with counts. What became of an execution is told by that execution's own events, which name the operation as their
cause. A step is a job; the command for each execution has an id that follows from the operation and the execution, so that it
counts once however often it is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol, assert_never
from uuid import UUID, uuid5

from domain.changes import changed
from domain.envelope import ActorType
from domain.facts import Aggregate, Decided, Event, EventType, Fact, Fence, Job, Json, NotFound, Refusal, RuleViolation, View
from domain.wording import because, plural

Action = Literal["cancel", "terminate", "pause", "resume", "signal", "fork", "migrate", "start"]
JOB = "gesta.bulk_operation"
"""The type of the jobs that take its steps."""
STEP = 100
"""Executions of one step."""
MOST = 100_000
"""Executions of one operation."""
MOST_FAILURES = 100
"""Told one by one; those beyond are counted."""
LONGEST_MESSAGE = 500


class BulkOperationOver(RuleViolation):
    """The bulk operation is over."""

    code = "bulk_operation_over"


@dataclass(frozen=True)
class Requester:
    """Who asked: each execution's command is decided by what they may do at that time."""

    actor_type: ActorType
    key_id: UUID
    platform: bool = False
    user_id: UUID | None = None
    on_behalf_of: UUID | None = None


@dataclass(frozen=True)
class BulkOperationRequested(Event):
    """`filter`: as it was given; None where the executions, or what to start, were listed. `chunks`: how many each of them has.

    `options`: what the action needs to know. `as_of`: how far the tables had come in the ledger when the filter was applied.
    """

    action: Action
    matched: int
    chunks: tuple[int, ...]
    requester: Requester
    filter: Json = None
    options: Json = None
    reason: str | None = None
    as_of: int | None = None
    correlation_id: UUID | None = None


@dataclass(frozen=True)
class BulkFailure:
    """One that could not be acted on. `index`: its place in what was matched, from 0. No id: an execution was to be started."""

    index: int
    code: str
    message: str
    execution_id: UUID | None = None


@dataclass(frozen=True)
class BulkOperationProgressed(Event):
    """What came of one step. `failures`: the operation's first hundred are told."""

    step: int
    done: int
    failed: int
    skipped: int
    failures: tuple[BulkFailure, ...] = ()


@dataclass(frozen=True)
class BulkOperationCompleted(Event):
    """All that it matched was acted on, was not to be acted on any more, or could not be."""


@dataclass(frozen=True)
class BulkOperationCancelled(Event):
    """Nothing further is acted on. What the step under way has done is told by one more `BulkOperationProgressed`."""

    reason: str | None = None


@dataclass(frozen=True)
class BulkOperationFailed(Event):
    """It stopped: whoever asked for it may not do this any more."""

    code: str
    message: str


BulkOperationEvent = (
    BulkOperationRequested | BulkOperationProgressed | BulkOperationCompleted | BulkOperationCancelled | BulkOperationFailed
)


@dataclass(frozen=True)
class BulkOperation:
    status: Literal["absent", "running", "completed", "cancelled", "failed"] = "absent"
    requested: BulkOperationRequested | None = None
    """Without its options once it is settled."""
    step: int = 0
    """The one that is under way, from 1."""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    told: int = 0
    """Failures that were told one by one."""
    settled: bool = False
    """Whether nothing of it is under way any more."""

    @property
    def handled(self) -> int:
        return self.done + self.failed + self.skipped

    @property
    def matched(self) -> int:
        return 0 if self.requested is None else self.requested.matched


def evolve(state: BulkOperation, event: BulkOperationEvent) -> BulkOperation:
    match event:
        case BulkOperationRequested():
            return BulkOperation("running", event, step=1)
        case BulkOperationProgressed():
            after = changed(
                state,
                step=state.step + 1,
                done=state.done + event.done,
                failed=state.failed + event.failed,
                skipped=state.skipped + event.skipped,
                told=state.told + len(event.failures),
            )
            return after if state.status == "running" else _settled(after)
        case BulkOperationCompleted():
            return _settled(changed(state, status="completed"))
        case BulkOperationCancelled():
            return changed(state, status="cancelled")
        case BulkOperationFailed():
            return _settled(changed(state, status="failed"))
        case _:
            assert_never(event)


def _settled(state: BulkOperation) -> BulkOperation:
    assert state.requested is not None
    return changed(state, requested=changed(state.requested, options=None), settled=True)


BULK_OPERATION: Aggregate[BulkOperation] = Aggregate(
    "bulk_operation",
    BulkOperation(),
    evolve,
    (
        EventType(
            BulkOperationRequested,
            "bulk_operation.requested.v1",
            lambda e, _: f"A bulk operation was requested: {e.action} of {plural(e.matched, 'execution')}{because(e.reason)}.",
            tags=lambda e, _: (e.action,),
            note="One action on many executions, as `requester`. What it acts on is in `chunks`, so many in each.",
        ),
        EventType(
            BulkOperationProgressed,
            "bulk_operation.progressed.v1",
            lambda e, _: f"A step of a bulk operation: {e.done} done, {e.failed} failed, {e.skipped} skipped.",
            severity="debug",
            note="What came of one step. `failures`: the operation's first hundred, `{index, execution_id, code, message}`.",
        ),
        EventType(BulkOperationCompleted, "bulk_operation.completed.v1", lambda _e, _s: "A bulk operation completed."),
        EventType(
            BulkOperationCancelled,
            "bulk_operation.cancelled.v1",
            lambda e, _: f"A bulk operation was cancelled{because(e.reason)}.",
            note="Nothing further is acted on. One more `bulk_operation.progressed` tells what the step under way has done.",
        ),
        EventType(
            BulkOperationFailed,
            "bulk_operation.failed.v1",
            lambda e, _: f"A bulk operation stopped: {e.message}",
            severity="warning",
            note="Whoever asked for it may not do this any more.",
        ),
    ),
    "workflow",
)


# What it acts on -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BulkChunkListed(Event):
    """`members`: ids of executions, or `{business_key, input, labels}` of those to be started. `first`: the first one's place."""

    operation_id: UUID
    first: int
    members: Json


@dataclass(frozen=True)
class BulkChunk:
    members: Json = None


def evolve_chunk(_state: BulkChunk, event: BulkChunkListed) -> BulkChunk:
    return BulkChunk(event.members)


BULK_CHUNK: Aggregate[BulkChunk] = Aggregate(
    "bulk_chunk",
    BulkChunk(),
    evolve_chunk,
    (
        EventType(
            BulkChunkListed,
            "bulk_chunk.listed.v1",
            lambda e, _: f"{plural(len(e.members), 'execution')} of a bulk operation, from number {e.first} on.",
            severity="debug",
            note="What a bulk operation acts on: ids of executions, or what is to be started.",
        ),
    ),
    "workflow",
)


@dataclass(frozen=True)
class Member:
    """One of what it acts on: the execution with this id, or one that is to be started as `item` says."""

    index: int
    execution_id: UUID | None
    item: Json = None

    def command_id(self, operation_id: UUID) -> UUID:
        return uuid5(operation_id, f"{self.index}" if self.execution_id is None else str(self.execution_id))

    def started_id(self, operation_id: UUID) -> UUID:
        """Of the execution that is forked or started for it."""
        return uuid5(self.command_id(operation_id), "execution")


def chunk_id(operation_id: UUID, number: int) -> UUID:
    return uuid5(operation_id, f"chunk {number}")


def step_job(operation_id: UUID, step: int) -> UUID:
    return uuid5(operation_id, f"step {step}")


def chunks_of_step(state: BulkOperation) -> tuple[tuple[int, int], ...]:
    """The chunks with the members of the step that is under way: each one's number, and the place of its first member."""
    assert state.requested is not None
    counts = state.requested.chunks
    begins = accumulate(counts, initial=0)
    first, last = state.handled, min(state.handled + STEP, state.matched)
    return tuple(
        (number, begin)
        for number, (begin, count) in enumerate(zip(begins, counts, strict=False))
        if begin < last and begin + count > first
    )


def members_of_step(state: BulkOperation, chunks: Sequence[tuple[int, Json]]) -> tuple[Member, ...]:
    """`chunks`: of `chunks_of_step`: the place of the first member of each, and its members."""
    first, last = state.handled, min(state.handled + STEP, state.matched)
    found = [(begin + at, one) for begin, members in chunks for at, one in enumerate(members) if first <= begin + at < last]
    return tuple(Member(index, UUID(one)) if isinstance(one, str) else Member(index, None, one) for index, one in found)


# Decisions -------------------------------------------------------------------------------------------------------------


class HeldJob(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def fence(self) -> int: ...


@dataclass
class Tally:
    """What came of a step so far."""

    done: int = 0
    skipped: int = 0
    failures: tuple[BulkFailure, ...] = ()


def request(
    view: View,
    action: Action,
    chunks: Sequence[Sequence[Json]],
    requester: Requester,
    *,
    filter: Json = None,
    options: Json = None,
    reason: str | None = None,
    as_of: int | None = None,
    correlation_id: UUID | None = None,
) -> Decided:
    """result {id, action, status, matched, done, failed, skipped, version}."""
    operation_id = view.new_id()
    counts = tuple(len(chunk) for chunk in chunks)
    requested = BulkOperationRequested(
        action, sum(counts), counts, requester, filter, options, reason, as_of, correlation_id or operation_id
    )
    facts, state = [Fact(operation_id, requested)], evolve(BULK_OPERATION.initial, requested)
    for number, begin in enumerate(accumulate(counts[:-1], initial=0) if counts else ()):
        facts.append(Fact(chunk_id(operation_id, number), BulkChunkListed(operation_id, begin, list(chunks[number]))))
    if not state.matched:
        facts.append(Fact(operation_id, BulkOperationCompleted()))
        state = evolve(state, BulkOperationCompleted())
    jobs = (_job(operation_id, state),) if state.matched else ()
    result = _told(view, operation_id, state, facts)
    return Decided(tuple(facts), result=result, jobs=jobs, correlation_id=requested.correlation_id)


def progress(view: View, job: HeldJob, operation_id: UUID, tally: Tally, stopped: Refusal | None = None) -> Decided:
    """A step is taken. `stopped`: why no other one follows, where whoever asked for it may not do this any more."""
    state = view.read(BULK_OPERATION, operation_id)
    fences = (Fence(job.id, job.fence, "done"),)
    if state.requested is None or state.settled or job.id != step_job(operation_id, state.step):
        return Decided(fences=fences)
    told = tally.failures[: MOST_FAILURES - state.told]
    facts: list[BulkOperationEvent] = [BulkOperationProgressed(state.step, tally.done, len(tally.failures), tally.skipped, told)]
    after = evolve(state, facts[0])
    if after.status == "running" and stopped is not None:
        facts.append(BulkOperationFailed(stopped.code, stopped.message))
    elif after.status == "running" and after.handled >= after.matched:
        facts.append(BulkOperationCompleted())
    goes_on = after.status == "running" and len(facts) == 1
    return Decided(
        tuple(Fact(operation_id, event) for event in facts),
        fences=fences,
        jobs=(_job(operation_id, after),) if goes_on else (),
        correlation_id=state.requested.correlation_id,
    )


def cancel(view: View, operation_id: UUID, reason: str | None = None) -> Decided:
    """From now on nothing is acted on. result as `request`."""
    state = view.read(BULK_OPERATION, operation_id)
    if state.requested is None:
        raise NotFound
    if state.status != "running":
        raise BulkOperationOver(f"The bulk operation is {state.status}.")
    fact = Fact(operation_id, BulkOperationCancelled(reason))
    after = evolve(state, BulkOperationCancelled(reason))
    return Decided((fact,), result=_told(view, operation_id, after, [fact]), correlation_id=state.requested.correlation_id)


def _job(operation_id: UUID, state: BulkOperation) -> Job:
    return Job(step_job(operation_id, state.step), JOB, {"operation": str(operation_id)})


def _told(view: View, operation_id: UUID, state: BulkOperation, facts: Sequence[Fact]) -> Json:
    assert state.requested is not None
    version = view.version(operation_id) + sum(fact.stream_id == operation_id for fact in facts)
    counts = {"matched": state.matched, "done": state.done, "failed": state.failed, "skipped": state.skipped}
    return {"id": str(operation_id), "action": state.requested.action, "status": state.status, **counts, "version": version}
