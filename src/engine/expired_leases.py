"""A lease has run out. Whatever the job was for, this is the decision that says what becomes of it."""

from datetime import timedelta

from domain.execution import EXECUTION
from domain.facts import Decided, View
from engine.ai_tasks import expire_ai_lease
from engine.context import Engine
from engine.jobs import HeldJob, discarded, expire_task_lease, fence, job_json, visit_of


def expire_lease(view: View, engine: Engine, job: HeldJob, *, jitter: float) -> Decided:
    """Take the job back after its lease expired: by the policy it is handed out again, or it has failed for good.

    A job for nothing goes: who finds a lease that has run out must never find it twice. `jitter`: random, from 0 to 1.
    result {job, execution: as `engine.jobs`, or None}.
    """
    if job.task_id is not None:
        return expire_ai_lease(view, engine, job, jitter=jitter)
    if job.execution_id is None:
        return _hand_out_again(job)
    state = view.read(EXECUTION, job.execution_id)
    if visit_of(state, job) is not None:
        return expire_task_lease(view, engine, job, jitter=jitter)
    return _hand_out_again(job) if state.continuation == job.id else discarded(job, expired=True)


def _hand_out_again(job: HeldJob) -> Decided:
    again = timedelta(0)
    return Decided(fences=(fence(job, again, expired=True),), result={"job": job_json(job, None, again), "execution": None})
