"""Jobs of their own, that no node waits for: what is checked when one is enqueued, and what workers report of it.

Workers lease them like those of nodes, and show the same fences.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain import job as queue
from domain.facts import Concurrency, Decided, Due, Fence, FieldError, Invalid, Json, Rate, View
from domain.job import JOB, JobEnqueued, OnConflict
from domain.retry import LEASE_LOST, Failure, RetryPolicy
from domain.storable import require_storable
from engine.context import Engine
from engine.durations import LONGEST, duration
from engine.invalid import InvalidValue
from engine.limits import faults as limit_faults
from engine.limits import span
from engine.nodes.task import job_type
from engine.outputs import recordable, unacceptable
from engine.policies import faults, read_retry, read_timeout


class QueuedJob(Protocol):
    """A job of its own as its worker holds it, or as its lease was found to have run out."""

    @property
    def id(self) -> UUID: ...
    @property
    def fence(self) -> int: ...


@dataclass(frozen=True)
class Wanted:
    """What is to be enqueued, as a client gave it: of the right shape, and not checked further."""

    type: str
    input: Json = None
    retry: Mapping[str, Json] | None = None
    timeout: str | None = None
    run_at: datetime | None = None
    run_after: str | None = None
    unique_key: str | None = None
    priority: int = 0
    concurrency: Mapping[str, Json] | None = None
    rate: Mapping[str, Json] | None = None
    on_conflict: OnConflict = "return"

    @property
    def policies(self) -> dict[str, Json]:
        """Those that nodes have, too."""
        given = {"retry": self.retry, "timeout": self.timeout, "concurrency": self.concurrency, "rate": self.rate}
        return {name: value for name, value in given.items() if value is not None}


def enqueue(
    view: View,
    wanted: Wanted,
    *,
    created_by: UUID | None = None,
    correlation_id: UUID | None = None,
    callback: Json = None,
) -> Decided:
    """Raises Invalid for what is wrong with it, each field named. result as `domain.job.enqueue`."""
    found = tuple(_faults(view, wanted))
    if found:
        raise Invalid(found[0].message, found[0].path, found)
    concurrency, rate = wanted.concurrency, wanted.rate
    enqueued = JobEnqueued(
        wanted.type,
        wanted.input,
        read_retry(wanted.policies) or RetryPolicy(),
        wanted.priority,
        _run_at(wanted),
        read_timeout(wanted.policies),
        wanted.unique_key,
        None if concurrency is None else Concurrency(concurrency["limit"], concurrency["key"]),
        None if rate is None else Rate(rate["count"], span(rate["per"]), rate["key"]),
        created_by,
        correlation_id,
        callback,
    )
    return queue.enqueue(view, view.new_id(), enqueued, wanted.on_conflict)


def complete(view: View, engine: Engine, job: QueuedJob, output: Json) -> Decided:
    """The work is done. An output that cannot be taken is the error `invalid_output`, which is not tried again."""
    refused = unacceptable(output, None, engine.limits.output_bytes, view.effort)
    if refused is not None:
        return fail(view, job, Failure("invalid_output", refused, retryable=False), jitter=0.5)
    return _reported(view, job, queue.complete(view, job.id, output))


def fail(view: View, job: QueuedJob, error: Failure, *, jitter: float, expired: bool = False) -> Decided:
    """The attempt failed: by the job's policy another one follows, or the job fails with it."""
    return _reported(view, job, queue.fail_attempt(view, job.id, recordable(error), jitter=jitter), expired=expired)


def expire(view: View, job: QueuedJob, *, jitter: float) -> Decided:
    """The lease expired: an attempt that failed with `lease_lost`. A job that is over already goes."""
    if view.read(JOB, job.id).status != "pending":
        return Decided(fences=(Fence(job.id, job.fence, "done", expired=True),), result=_result(view, job, None))
    return fail(view, job, LEASE_LOST, jitter=jitter, expired=True)


def run_out_of_time(view: View, job_id: UUID, timer_id: UUID) -> Decided:
    """Its timer has fired. One of before it was over, or was retried, does nothing."""
    state = view.read(JOB, job_id)
    if state.status != "pending" or timer_id != queue.timeout_of(job_id, state.retries):
        return Decided(dropped_timers=(timer_id,), result={"execution": None})
    return replace(queue.time_out(view, job_id), result={"execution": None})


def _reported(view: View, job: QueuedJob, decided: Decided, *, expired: bool = False) -> Decided:
    delay = queue.next_attempt(decided)
    fence = Fence(job.id, job.fence, "done" if delay is None else "retry", delay or timedelta(0), expired=expired)
    return replace(decided, fences=(fence,), result=_result(view, job, delay))


def _result(view: View, job: QueuedJob, delay: timedelta | None) -> Json:
    told = {
        "id": str(job.id),
        "state": "done" if delay is None else "ready",
        "attempt": view.read(JOB, job.id).attempts + (1 if delay is None else 2),
        "delay_ms": None if delay is None else delay // timedelta(milliseconds=1),
    }
    return {"job": told, "execution": None}


def _run_at(wanted: Wanted) -> Due | None:
    if wanted.run_at is not None:
        return Due(at=wanted.run_at)
    return None if wanted.run_after is None else Due(after=duration(wanted.run_after))


def _faults(view: View, wanted: Wanted) -> Iterator[FieldError]:
    try:
        job_type(wanted.type)
    except InvalidValue as error:
        yield FieldError("/type", "invalid_value", str(error))
    try:
        require_storable(wanted.input)
    except ValueError as error:
        yield FieldError("/input", "invalid_value", f"The input is not accepted: {error}.")
    for pointer, message in (*faults(wanted.policies), *limit_faults(wanted.policies)):
        yield FieldError(pointer, "invalid_value", message)
    if wanted.run_at is not None and wanted.run_after is not None:
        yield FieldError("/run_after", "excluded", "A job has either run_at or run_after, not both.")
    if wanted.run_at is not None and wanted.run_at > view.now + LONGEST:
        yield FieldError("/run_at", "invalid_value", "run_at is more than a hundred years away.")
    if wanted.run_after is not None:
        try:
            duration(wanted.run_after)
        except InvalidValue as error:
            yield FieldError("/run_after", "invalid_value", str(error))
    if wanted.on_conflict != "return" and wanted.unique_key is None:
        yield FieldError("/on_conflict", "excluded", "on_conflict is for a job with a unique_key.")
