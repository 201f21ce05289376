"""What a worker reports of the attempts at an AI task; and what moves on from it, as one decision each.

An attempt is on record before the provider is called. One that ends after its task was cancelled is recorded all the same, and
moves nothing: its job is gone by then, so no fence is asked for.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from domain import ai_task
from domain.ai_task import AI_TASK, AiTask, AiTaskAttemptFailed
from domain.execution import EXECUTION, Activation
from domain.facts import Decided, Fence, Json, View
from domain.retry import LEASE_LOST, Failure, saying_that_it_is_capped
from domain.usage_report import NOT_KNOWN, UsageReport
from engine.context import Engine
from engine.executions import ExecutionIsPaused
from engine.happenings import ChildEnded
from engine.jobs import HeldJob, discarded, held_run, job_json, reported, visit_of
from engine.outputs import recordable, unacceptable
from engine.run import Run


def start_attempt(
    view: View, _engine: Engine, job: HeldJob, attempt_id: UUID, *, provider: str, model: str, worker_id: str
) -> Decided:
    """The provider is about to be called; the job stays leased. result {task: as `domain.ai_task`}.

    Refused while the execution is paused: a call begins before a pause or after it.
    """
    if job.execution_id is not None and view.read(EXECUTION, job.execution_id).status == "paused":
        raise ExecutionIsPaused
    decided = ai_task.start_attempt(view, _task_id(job), attempt_id, provider=provider, model=model, worker_id=worker_id)
    return replace(
        decided,
        fences=(Fence(job.id, job.fence, "keep"),),
        result={"task": decided.result},
        correlation_id=_correlation(view.read(AI_TASK, _task_id(job))),
    )


def succeed_attempt(
    view: View,
    engine: Engine,
    job: HeldJob,
    attempt_id: UUID,
    output: Json,
    *,
    jitter: float,
    latency_ms: int,
    provider: str,
    model: str,
    report: UsageReport = NOT_KNOWN,
) -> Decided:
    """The model has answered: the task is completed, and its execution moves on.

    An output that cannot be taken is a failed attempt of type `invalid_output`, which may be tried again; hence `jitter`.
    result {task: as `domain.ai_task`, job, execution: as `engine.jobs`, None where the task was cancelled meanwhile}.
    """
    task = view.read(AI_TASK, _task_id(job))
    refused = unacceptable(output, _schema(task), engine.limits.output_bytes, view.effort)
    if refused is not None:
        return fail_attempt(
            view,
            engine,
            job,
            attempt_id,
            Failure("invalid_output", refused),
            jitter=jitter,
            latency_ms=latency_ms,
            report=report,
        )
    ended = ai_task.succeed(
        view, _task_id(job), attempt_id, output, latency_ms=latency_ms, provider=provider, model=model, report=report
    )
    if task.closed:
        return _late(task, ended)
    run, activation = held_run(view, engine, job, _stream_of(task, job))
    return _moved_on(run, job, activation, ended)


def fail_attempt(
    view: View,
    engine: Engine,
    job: HeldJob,
    attempt_id: UUID,
    error: Failure,
    *,
    jitter: float,
    retry_after: timedelta | None = None,
    latency_ms: int | None = None,
    report: UsageReport = NOT_KNOWN,
    expired: bool = False,
) -> Decided:
    """The attempt failed: by the task's policy another one is due, or the task fails and the error leaves the node.

    result as `succeed_attempt`.
    """
    task, error = view.read(AI_TASK, _task_id(job)), recordable(error)
    if task.requested is not None and not task.closed:
        error = saying_that_it_is_capped(error, task.requested.retry, retry_after)
    ended = ai_task.fail_attempt(
        view, _task_id(job), attempt_id, error, jitter=jitter, retry_after=retry_after, latency_ms=latency_ms, report=report
    )
    if task.closed:
        return _late(task, ended)
    run, activation = held_run(view, engine, job, _stream_of(task, job))
    retry = next(fact.event.retry for fact in ended.facts if isinstance(fact.event, AiTaskAttemptFailed))
    if retry is None or retry.after is None:
        return _moved_on(run, job, activation, ended, expired=expired)
    run.facts.extend(ended.facts)
    run.retry(activation.id, error, retry.after)
    return _with_task(reported(run, job, activation, retry.after, expired=expired), ended)


def expire_ai_lease(view: View, engine: Engine, job: HeldJob, *, jitter: float) -> Decided:
    """The lease expired. What became of its call is not known; where none was on record, none was made.

    A lease that ends before the provider is about to be called uses up no attempt.
    """
    task = view.read(AI_TASK, _task_id(job))
    if task.attempt_id is not None and not task.closed:
        return fail_attempt(view, engine, job, task.attempt_id, LEASE_LOST, jitter=jitter, expired=True)
    stream_id = _stream_of(task, job)
    assert stream_id is not None
    if task.closed or visit_of(view.read(EXECUTION, stream_id), job) is None:
        return discarded(job, expired=True)
    again = Fence(job.id, job.fence, "retry", expired=True)
    return Decided(fences=(again,), result={"job": job_json(job, task.number, timedelta(0)), "execution": None})


def _task_id(job: HeldJob) -> UUID:
    assert job.task_id is not None, "a job of an AI task names it"
    return job.task_id


def _stream_of(task: AiTask, job: HeldJob) -> UUID | None:
    """Where the visit is recorded."""
    return job.execution_id if task.requested is None else task.requested.item_id or job.execution_id


def _schema(task: AiTask) -> Json:
    return None if task.requested is None else task.requested.output_schema


def _correlation(task: AiTask) -> UUID | None:
    return None if task.requested is None else task.requested.correlation_id


def _moved_on(run: Run, job: HeldJob, activation: Activation, ended: Decided, *, expired: bool = False) -> Decided:
    """The task is over: its visit is told, and the execution goes on."""
    run.facts.extend(ended.facts)
    run.wake(activation.id, ChildEnded(_task_id(job), tuple(fact.event for fact in ended.facts)))
    run.advance()
    return _with_task(reported(run, job, activation, expired=expired), ended)


def _late(task: AiTask, ended: Decided) -> Decided:
    result = {"task": ended.result, "job": None, "execution": None}
    return replace(ended, result=result, correlation_id=_correlation(task))


def _with_task(decided: Decided, ended: Decided) -> Decided:
    return replace(decided, result={"task": ended.result, **decided.result})
