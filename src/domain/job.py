"""A job of its own: work that no execution waits for. How it was enqueued, the attempts that failed, and how it ended.

Leases are no events: who has it, and since when, is told by the queue. An attempt is on record when it has ended.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, assert_never
from uuid import UUID

from domain.facts import (
    Aggregate,
    Claim,
    Concurrency,
    Decided,
    Due,
    Event,
    EventType,
    Fact,
    Job,
    JobLimits,
    Json,
    NotFound,
    Rate,
    RuleViolation,
    Subject,
    Timer,
    View,
    timer_id,
)
from domain.retry import Failure, RetryPolicy, retry_in
from domain.wording import because, plural

TIMEOUT = "timeout"
"""The purpose of its timer, and the type of the error that it ends with."""
FENCES_OF_A_ROUND = 2**32
"""Leases of one job until it is tried again by hand, at most."""
MOST_RETRIES = 1_000_000
"""By hand. So that a fencing token stays a number that JSON keeps exact everywhere."""
REPLACED = "Another job with its unique key was enqueued in its place."

OnConflict = Literal["return", "reject", "replace"]
"""What enqueuing does where a job of this type with this unique key is pending: it answers that one, is refused, or cancels it
and takes its place."""


@dataclass(frozen=True)
class JobEnqueued(Event):
    """`run_at`: it is not handed out before. `timeout`: counts from that moment, over all attempts."""

    type: str
    input: Json
    retry: RetryPolicy
    priority: int = 0
    run_at: Due | None = None
    timeout: timedelta | None = None
    unique_key: str | None = None
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    created_by: UUID | None = None
    correlation_id: UUID | None = None
    callback: Json = None
    """Where its end is told, as of executions."""


@dataclass(frozen=True)
class JobAttemptFailed(Event):
    """`number` counts from 1 since it was enqueued, or retried by hand. `retry`: when the next one is due, if there is one."""

    number: int
    error: Failure
    retry: Due | None = None


@dataclass(frozen=True)
class JobCompleted(Event):
    output: Json
    attempts: int


@dataclass(frozen=True)
class JobFailed(Event):
    """`error`: the last attempt's, or `timeout`."""

    error: Failure
    attempts: int


@dataclass(frozen=True)
class JobCancelled(Event):
    reason: str | None = None
    cancelled_by: UUID | None = None


@dataclass(frozen=True)
class JobRetried(Event):
    """By hand, after it had failed: it has all its attempts again, and all its time."""

    number: int
    reason: str | None = None


JobEvent = JobEnqueued | JobAttemptFailed | JobCompleted | JobFailed | JobCancelled | JobRetried


@dataclass(frozen=True)
class JobState:
    """`attempts`: that have ended, since it was last retried by hand; `retries`: how often that was."""

    status: Literal["absent", "pending", "completed", "failed", "cancelled"] = "absent"
    enqueued: JobEnqueued | None = None
    """None once it is over and cannot be retried."""
    attempts: int = 0
    retries: int = 0


def evolve(state: JobState, event: JobEvent) -> JobState:
    match event:
        case JobEnqueued():
            return JobState("pending", event)
        case JobAttemptFailed():
            return replace(state, attempts=event.number)
        case JobCompleted():
            return replace(state, status="completed", enqueued=None, attempts=event.attempts)
        case JobFailed():
            return replace(state, status="failed")
        case JobCancelled():
            return replace(state, status="cancelled", enqueued=None)
        case JobRetried():
            return replace(state, status="pending", attempts=0, retries=event.number)
        case _:
            assert_never(event)


def _of_type(_event: JobEvent, job: Subject) -> tuple[str, ...]:
    return (job.tag,)


JOB: Aggregate[JobState] = Aggregate(
    "job",
    JobState(),
    evolve,
    (
        EventType(
            JobEnqueued,
            "job.enqueued.v1",
            lambda e, _: f"A job was enqueued: {e.type}",
            tags=lambda e, _: (e.type,),
            note="A job of its own, by `POST /v1/jobs`; those of nodes are told by their visits. `run_at`: `{at}` a moment, or "
            "`{after}` from the recorded time.",
        ),
        EventType(
            JobAttemptFailed,
            "job.attempt_failed.v1",
            lambda e, job: (
                f"Attempt {e.number} failed ({e.error.type}, {e.error.message})"
                f"{'' if e.retry is None else ', another one follows'}: {job.name}"
            ),
            severity="warning",
            tags=_of_type,
            note="`retry`: when the next one is due, `{after}` from the recorded time of the event; null: there is none. A lease "
            "that ran out is `lease_lost`.",
        ),
        EventType(
            JobCompleted,
            "job.completed.v1",
            lambda e, job: f"The job was completed, with {plural(e.attempts, 'attempt')}: {job.name}",
            changes=lambda _: {"status": "completed"},
            tags=_of_type,
        ),
        EventType(
            JobFailed,
            "job.failed.v1",
            lambda e, job: f"The job failed ({e.error.type}, {e.error.message}): {job.name}",
            severity="error",
            changes=lambda _: {"status": "failed"},
            tags=_of_type,
            note="`error`: the last attempt's, or `timeout`.",
        ),
        EventType(
            JobCancelled,
            "job.cancelled.v1",
            lambda e, job: f"The job was cancelled{because(e.reason)}: {job.name}",
            changes=lambda _: {"status": "cancelled"},
            tags=_of_type,
        ),
        EventType(
            JobRetried,
            "job.retried.v1",
            lambda e, job: f"The job was given all its attempts again{because(e.reason)}: {job.name}",
            changes=lambda _: {"status": "pending"},
            tags=_of_type,
            note="By hand. `number`: how often.",
        ),
    ),
    "workflow",
)


class NoSuchJob(NotFound):
    """There is no such job."""


class JobExists(RuleViolation):
    """A job with this id exists already."""

    code = "job_exists"


class JobClosed(RuleViolation):
    """The job is over."""

    code = "job_closed"


class JobNotFailed(RuleViolation):
    """Only a job that has failed is retried."""

    code = "job_not_failed"


class UniqueKeyTaken(RuleViolation):
    """Another pending job of this type has this unique key."""

    code = "name_taken"


def key_scope(type: str) -> str:
    """The scope of the claims on the unique keys of a type's pending jobs."""
    return f"job.unique_key:{type}"


def timeout_of(job_id: UUID, retries: int) -> UUID:
    """The timer of a job's timeout, since it was last retried by hand."""
    return timer_id(job_id, TIMEOUT, retries)


def expiry(enqueued: JobEnqueued) -> Due | None:
    """When a job that was enqueued has had its time, with all attempts."""
    if enqueued.timeout is None:
        return None
    run_at = enqueued.run_at or Due(after=timedelta(0))
    return Due((run_at.after or timedelta(0)) + enqueued.timeout, run_at.at)


def enqueue(view: View, job_id: UUID, wanted: JobEnqueued, on_conflict: OnConflict = "return") -> Decided:
    """Enqueue a job whose fields were checked. result {id, status, version}; `existing`: it is the one that there was."""
    if view.read(JOB, job_id) != JOB.initial:
        raise JobExists
    holder = _holder(view, wanted.type, wanted.unique_key)
    if holder is not None and on_conflict == "return":
        return Decided(result={**_summary(view, holder, view.read(JOB, holder)), "existing": True})
    if holder is not None and on_conflict == "reject":
        raise UniqueKeyTaken(path="/unique_key")
    replaced = Decided() if holder is None else cancel(view, holder, REPLACED, wanted.created_by)
    return Decided(
        (*replaced.facts, Fact(job_id, wanted)),
        claims=_claims(job_id, wanted),
        releases=replaced.releases,
        jobs=(_job(job_id, wanted),),
        dropped_jobs=replaced.dropped_jobs,
        timers=_timers(job_id, expiry(wanted)),
        dropped_timers=replaced.dropped_timers,
        correlation_id=wanted.correlation_id,
        result=_summary(view, job_id, evolve(JOB.initial, wanted), 1),
    )


def cancel(view: View, job_id: UUID, reason: str | None = None, by: UUID | None = None) -> Decided:
    """Nobody is given it any more. A worker that has it learns so by its next heartbeat, and its report is refused."""
    return _over(view, job_id, _pending(view, job_id), JobCancelled(reason, by), dropped_jobs=(job_id,))


def retry(view: View, job_id: UUID, reason: str | None = None) -> Decided:
    """Give a job that failed all its attempts again, and all its time; its unique key is taken again."""
    state = view.read(JOB, job_id)
    if state.status == "absent":
        raise NoSuchJob
    if state.status != "failed" or state.enqueued is None:
        raise JobNotFailed(f"The job is {state.status}. Only a job that has failed is retried.")
    if state.retries >= MOST_RETRIES:
        raise JobNotFailed(f"The job was retried {MOST_RETRIES} times. Enqueue another one in its place.")
    if _holder(view, state.enqueued.type, state.enqueued.unique_key) is not None:
        raise UniqueKeyTaken
    retried = JobRetried(state.retries + 1, reason)
    again = replace(state.enqueued, run_at=None)
    return replace(
        _decided(view, job_id, state, retried),
        claims=_claims(job_id, again),
        jobs=(_job(job_id, again, fence=retried.number * FENCES_OF_A_ROUND),),
        timers=_timers(job_id, expiry(again), retried.number),
    )


def complete(view: View, job_id: UUID, output: Json) -> Decided:
    """The work is done. Whoever says so holds its lease, and the job goes with that."""
    state = _pending(view, job_id)
    return _over(view, job_id, state, JobCompleted(output, state.attempts + 1))


def fail_attempt(view: View, job_id: UUID, error: Failure, *, jitter: float) -> Decided:
    """An attempt failed: another one is due after a pause, or the job fails with it. `jitter`: random, from 0 to 1."""
    state = _pending(view, job_id)
    assert state.enqueued is not None
    number = state.attempts + 1
    delay = retry_in(state.enqueued.retry, number, error, jitter)
    failed = JobAttemptFailed(number, error, None if delay is None else Due(after=delay))
    if delay is not None:
        return _decided(view, job_id, state, failed)
    return _over(view, job_id, state, failed, JobFailed(error, number))


def time_out(view: View, job_id: UUID) -> Decided:
    """Its time is up, whoever has it. It is not tried again by itself."""
    state = _pending(view, job_id)
    error = Failure(TIMEOUT, "The job did not end in its time.", retryable=False)
    return _over(view, job_id, state, JobFailed(error, state.attempts), dropped_jobs=(job_id,))


def next_attempt(decided: Decided) -> timedelta | None:
    """The pause until the attempt that follows on what was decided; None: there is none."""
    last = decided.facts[-1].event
    return last.retry.after if isinstance(last, JobAttemptFailed) and last.retry is not None else None


def _pending(view: View, job_id: UUID) -> JobState:
    state = view.read(JOB, job_id)
    if state.status == "absent":
        raise NoSuchJob
    if state.status != "pending":
        raise JobClosed(f"The job is {state.status}.")
    return state


def _holder(view: View, type: str, unique_key: str | None) -> UUID | None:
    """The pending job of the type that has the unique key."""
    found = None if unique_key is None else view.owner(key_scope(type), unique_key)
    return found if found is not None and view.read(JOB, found).status == "pending" else None


def _claims(job_id: UUID, enqueued: JobEnqueued) -> tuple[Claim, ...]:
    key = enqueued.unique_key
    return () if key is None else (Claim(key_scope(enqueued.type), key, job_id, "/unique_key"),)


def _job(job_id: UUID, enqueued: JobEnqueued, fence: int = 0) -> Job:
    limits = None
    if enqueued.concurrency is not None or enqueued.rate is not None:
        limits = JobLimits(None, None, enqueued.concurrency, enqueued.rate)
    run_at = enqueued.run_at or Due(after=timedelta(0))
    return Job(
        job_id,
        enqueued.type,
        enqueued.input,
        task_id=job_id,
        max_attempts=enqueued.retry.max_attempts,
        delay=run_at.after or timedelta(0),
        priority=enqueued.priority,
        limits=limits,
        run_at=run_at.at,
        fence=fence,
    )


def _timers(job_id: UUID, due: Due | None, retries: int = 0) -> tuple[Timer, ...]:
    return () if due is None else (Timer(timeout_of(job_id, retries), due, TIMEOUT, JOB.name, job_id),)


def _over(view: View, job_id: UUID, state: JobState, *events: JobEvent, dropped_jobs: tuple[UUID, ...] = ()) -> Decided:
    """It ends: its timer and its unique key go."""
    assert state.enqueued is not None
    timers = () if state.enqueued.timeout is None else (timeout_of(job_id, state.retries),)
    decided = _decided(view, job_id, state, *events)
    return replace(decided, releases=_claims(job_id, state.enqueued), dropped_jobs=dropped_jobs, dropped_timers=timers)


def _decided(view: View, job_id: UUID, state: JobState, *events: JobEvent) -> Decided:
    correlation_id = None if state.enqueued is None else state.enqueued.correlation_id
    for event in events:
        state = evolve(state, event)
    result = _summary(view, job_id, state, len(events))
    return Decided(tuple(Fact(job_id, event) for event in events), correlation_id=correlation_id, result=result)


def _summary(view: View, job_id: UUID, state: JobState, more: int = 0) -> Json:
    return {"id": str(job_id), "status": state.status, "version": view.version(job_id) + more}
