"""The job of an AI task: given when the task is asked for, gone while that waits for people or a child, and then given again."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from domain.ai_task import AiTask
from domain.facts import Job
from domain.job import FENCES_OF_A_ROUND
from engine.enclosing import execution_of
from engine.expressions import ExpressionError
from engine.invalid import InvalidValue
from engine.limits import limited

if TYPE_CHECKING:
    from engine.run import Run

AI = "gesta.ai"
"""The type of these jobs."""


def job_id_of(task_id: UUID, task: AiTask) -> UUID:
    return task_id if task.requested is None or task.requested.activation_id is None else task.requested.activation_id


def is_calling(task: AiTask) -> bool:
    """Whether a call of a model, or of a tool that a worker calls, is under way."""
    return task.attempt_id is not None or any(call.status == "running" and call.child_id is None for call in task.calls)


def dropped_at_end(task_id: UUID, task: AiTask) -> tuple[UUID, ...]:
    """The job that goes when the task is over. `task`: as it was before. While a call is under way it stays: who makes the call
    says how it ended, or the end of the lease does, and what was put aside for it is free again."""
    return () if is_calling(task) else (job_id_of(task_id, task),)


def job_of(task_id: UUID, task: AiTask, run: "Run | None") -> Job:
    """By which it goes on, once more under its id: its fencing tokens are greater than all before.

    `run`: of what asks, where an execution does.
    """
    requested = task.requested
    assert requested is not None
    job = Job(
        job_id_of(task_id, task),
        AI,
        None,
        requested.execution_id,
        requested.activation_id,
        task_id,
        max_attempts=requested.retry.max_attempts,
        priority=requested.priority,
        fence=task.parked * FENCES_OF_A_ROUND,
    )
    return job if run is None or job.activation_id is None else _of_visit(run, job, job.activation_id)


def _of_visit(run: "Run", job: Job, activation_id: UUID) -> Job:
    """Under the limits of its node, and held while the execution is paused."""
    visit = run.visit(activation_id)
    with suppress(ExpressionError, InvalidValue):  # its key came to something when the visit began
        (job,) = limited((job,), visit.node.limits, run.plan.definition.key, visit.node.id, visit.evaluator, visit.variables)
    return replace(job, held=True) if execution_of(run).state.status == "paused" else job
