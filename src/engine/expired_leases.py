"""A lease has run out. Whatever the job was for, this is the decision that says what becomes of it."""

from datetime import timedelta

from domain.execution import EXECUTION
from domain.facts import Decided, View
from engine import queued_jobs
from engine.ai_job import AI
from engine.ai_tasks import expire_ai_lease
from engine.context import Engine
from engine.fan_out import MOVE_ITEMS
from engine.jobs import (
    ActivationClosed,
    HeldJob,
    discarded,
    expire_task_lease,
    fence,
    is_of_its_own,
    job_json,
    stream_of,
    visit_of,
)


def expire_lease(view: View, engine: Engine, job: HeldJob, *, jitter: float) -> Decided:
    """Take the job back after its lease expired: by the policy it is handed out again, or it has failed for good.

    A job for nothing goes: who finds a lease that has run out must never find it twice. `jitter`: random, from 0 to 1.
    result {job, execution: as `engine.jobs`, or None}.
    """
    if job.type == AI:
        return expire_ai_lease(view, engine, job, jitter=jitter)
    if is_of_its_own(job):
        return queued_jobs.expire(view, job, jitter=jitter)
    stream_id = stream_of(job)
    if stream_id is None or job.type == MOVE_ITEMS:
        return _hand_out_again(job)
    state = view.read(EXECUTION, stream_id)
    if visit_of(state, job) is not None:
        try:
            return expire_task_lease(view, engine, job, jitter=jitter)
        except ActivationClosed:  # of an item whose foreach was given up
            return discarded(job, expired=True)
    return _hand_out_again(job) if state.continuation == job.id else discarded(job, expired=True)


def _hand_out_again(job: HeldJob) -> Decided:
    again = timedelta(0)
    return Decided(fences=(fence(job, again, expired=True),), result={"job": job_json(job, None, again), "execution": None})
