"""What workers report of the jobs that they hold: done, failed, expired; and what moves on from it, as one decision each.

Every report carries the fence by which the job is held; the ledger refuses it where the lease is another's by now.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from domain.execution import EXECUTION, Activation, Execution
from domain.facts import Decided, Fence, Json, RuleViolation, View
from domain.job import JobClosed
from domain.retry import LEASE_LOST, Failure
from engine import queued_jobs
from engine.context import Engine
from engine.enclosing import is_wanted
from engine.executions import answer, load_run
from engine.happenings import JobDone, JobFailed, JobReport
from engine.nodes.kind import Again
from engine.nodes.task import OWN
from engine.outputs import recordable
from engine.run import Run

PUT_OFF = timedelta(seconds=1)


class HeldJob(Protocol):
    """A job as its worker holds it: what `store.jobs` leases, for one."""

    @property
    def id(self) -> UUID: ...
    @property
    def type(self) -> str: ...
    @property
    def fence(self) -> int: ...
    @property
    def execution_id(self) -> UUID | None: ...
    @property
    def activation_id(self) -> UUID | None: ...
    @property
    def task_id(self) -> UUID | None: ...


@dataclass(frozen=True)
class JobRef:
    """A `HeldJob`, put together by hand."""

    id: UUID
    fence: int
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    task_id: UUID | None = None
    type: str = ""


class ActivationClosed(RuleViolation):
    """The job's result is no longer needed: the node it was for is over, or the job itself."""

    code = "activation_closed"


class NotATask(RuleViolation):
    """This is not a job for your own workers."""

    code = "not_a_task"


def complete_job(view: View, engine: Engine, job: HeldJob, output: Json) -> Decided:
    """The task is done. An output that does not fit is the error `invalid_output`, which is not tried again.

    result {job: {id, state, attempt, delay_ms}, execution: {id, status, version, open}}.
    """
    if is_of_its_own(job):
        with _closed_by_then():
            return queued_jobs.complete(view, engine, job, output)
    return _report(view, engine, job, JobDone(job.id, output))


def complete_own(view: View, engine: Engine, job: HeldJob, output: Json) -> Decided:
    """A job that a runner of this product did, for a visit. result as `complete_job`."""
    return _report(view, engine, job, JobDone(job.id, output), own=True)


def fail_own(view: View, engine: Engine, job: HeldJob, error: Failure, *, jitter: float) -> Decided:
    """A job of a runner of this product failed, as `fail_job`."""
    return _report(view, engine, job, JobFailed(job.id, recordable(error), jitter), own=True)


def fail_job(view: View, engine: Engine, job: HeldJob, error: Failure, *, jitter: float) -> Decided:
    """The attempt failed: by the node's policy another one follows, or the error leaves the node. `jitter`: random, from 0 to 1.

    result as `complete_job`; `delay_ms` is set where another attempt follows.
    """
    if is_of_its_own(job):
        with _closed_by_then():
            return queued_jobs.fail(view, job, error, jitter=jitter)
    return _report(view, engine, job, JobFailed(job.id, recordable(error), jitter))


def expire_task_lease(view: View, engine: Engine, job: HeldJob, *, jitter: float) -> Decided:
    """The lease expired: an attempt that failed with `lease_lost`."""
    return _report(view, engine, job, JobFailed(job.id, LEASE_LOST, jitter), expired=True)


def continue_run(view: View, engine: Engine, job: HeldJob) -> Decided:
    """Take up the tokens that a command has left. One who comes too late finds nothing to do; result as `complete_job`."""
    stream_id = stream_of(job)
    assert stream_id is not None
    state = view.read(EXECUTION, stream_id)
    if state.continuation != job.id:
        return discarded(job)
    run = load_run(view, engine, stream_id, state)
    if not is_wanted(run):
        return put_off(job)
    run.advance()
    again = timedelta(0) if run.state.continuation == job.id else None
    return reported(run, job, None, again)


def is_of_its_own(job: HeldJob) -> bool:
    """Whether it is for no node: its stream is its own."""
    return job.task_id == job.id and not job.type.startswith(OWN)


@contextmanager
def _closed_by_then() -> Iterator[None]:
    try:
        yield
    except JobClosed:
        raise ActivationClosed from None


def stream_of(job: HeldJob) -> UUID | None:
    """Where the visit is recorded that a job is for: the item of a foreach, or the execution. Those of AI tasks name the task."""
    return job.task_id or job.execution_id


def held_run(view: View, engine: Engine, job: HeldJob, stream_id: UUID | None) -> tuple[Run, Activation]:
    """A run from where the execution stands, or an item in it, and the visit that the job is for."""
    state = EXECUTION.initial if stream_id is None else view.read(EXECUTION, stream_id)
    activation = visit_of(state, job)
    if activation is None or stream_id is None:
        raise ActivationClosed
    run = load_run(view, engine, stream_id, state)
    if not is_wanted(run):
        raise ActivationClosed
    return run, activation


def visit_of(state: Execution, job: HeldJob) -> Activation | None:
    return None if job.activation_id is None else state.activations.get(job.activation_id)


def reported(
    run: Run, job: HeldJob, activation: Activation | None, delay: timedelta | None = None, *, expired: bool = False
) -> Decided:
    """What was decided on a report. `delay`: until the job is handed out again; None: it is done with."""
    attempt = None if activation is None else activation.attempt
    result = {"job": job_json(job, attempt, delay), "execution": answer(run)}
    return run.decided(result, fence=fence(job, delay, expired=expired))


def discarded(job: HeldJob, *, expired: bool = False) -> Decided:
    """Nothing is left to do for a job."""
    return Decided(fences=(fence(job, None, expired=expired),), result={"job": job_json(job, None, None), "execution": None})


def put_off(job: HeldJob) -> Decided:
    """It is an item's whose foreach is given up: who ends the item takes the job back, in a moment."""
    return Decided(fences=(fence(job, PUT_OFF),), result={"job": job_json(job, None, PUT_OFF), "execution": None})


def fence(job: HeldJob, delay: timedelta | None, *, expired: bool = False) -> Fence:
    if delay is None:
        return Fence(job.id, job.fence, "done", expired=expired)
    return Fence(job.id, job.fence, "retry", delay, expired=expired)


def job_json(job: HeldJob, attempt: int | None, delay: timedelta | None) -> Json:
    return {
        "id": str(job.id),
        "state": "done" if delay is None else "ready",
        "attempt": attempt,
        "delay_ms": None if delay is None else delay // timedelta(milliseconds=1),
    }


def _report(view: View, engine: Engine, job: HeldJob, report: JobReport, *, own: bool = False, expired: bool = False) -> Decided:
    run, activation = held_run(view, engine, job, stream_of(job))
    wait = next((wait for wait in activation.waits if (wait.kind, wait.id) == ("job", job.id)), None)
    if wait is None or (wait.about.startswith(OWN) and not (own or expired)):
        raise NotATask
    woken = run.wake(activation.id, report)
    if isinstance(woken, Again):
        # Nothing else moves: what is held goes on by itself, and must not end the visit whose job is handed out again here.
        return reported(run, job, activation, woken.delay, expired=expired)
    run.advance()
    return reported(run, job, activation, expired=expired)
