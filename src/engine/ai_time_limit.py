"""How long an AI task may take in all, waiting for people included (`bounds.time`): then it fails with `time_limit`.

Where a node asks, the timer is its visit's, and a pause holds it; otherwise the task's own.
"""

from typing import Protocol
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, AiTaskFailed, AiTaskRequested
from domain.facts import Due, Timer, timer_id
from domain.retry import Failure

TIME_LIMIT = "time_limit"
"""The purpose of the timer, and the type of the failure."""


class DueTimer(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def purpose(self) -> str: ...
    @property
    def owner_id(self) -> UUID | None: ...


def due_of(requested: AiTaskRequested) -> Due | None:
    time = None if requested.bounds is None else requested.bounds.time
    return None if time is None else Due(after=time)


def own_timer(task_id: UUID, requested: AiTaskRequested) -> Timer | None:
    """Of a task that no execution asks for."""
    due = None if requested.activation_id is not None else due_of(requested)
    return None if due is None else Timer(timer_id(task_id, TIME_LIMIT), due, TIME_LIMIT, AI_TASK.name, task_id)


def out_of_time(task: AiTask) -> AiTaskFailed:
    return AiTaskFailed(Failure(TIME_LIMIT, "It was not done in the time that it may take.", retryable=False), task.totals)
