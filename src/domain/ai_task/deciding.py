"""What may happen to an AI task, decided: it is asked for, models are called, and it ends. Calls of tools: `calling`.

An attempt is on record before the provider is called, and the provider is called once for it. Who finds an attempt without an
end cannot know what became of the call, so it is recorded as failed (`lease_lost`) before another one starts. An attempt whose
task is cancelled meanwhile still ends on record: what it used was used.
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from domain.ai_task.aggregate import AI_TASK
from domain.ai_task.bounds import bounds_of
from domain.ai_task.events import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    Reservation,
    ToolCall,
)
from domain.ai_task.evolving import INVALID_OUTPUT
from domain.ai_task.progress import Progress, due
from domain.ai_task.state import AiTask
from domain.ai_task.steps import Judge, next_step
from domain.ai_usage import Usage
from domain.facts import Decided, Invalid, Json, RuleViolation, View
from domain.retry import Failure, retry_in
from domain.usage_report import NOT_KNOWN, UsageReport, believed_name

MAX_MODEL_NAME = 200
GUARD: Literal["guard"] = "guard"


class AiTaskExists(RuleViolation):
    """An AI task with this id exists already."""

    code = "ai_task_exists"


class AttemptRunning(RuleViolation):
    """An attempt is running. It must end, or be recorded as failed, before another one starts."""

    code = "attempt_running"


class AttemptOver(RuleViolation):
    """This attempt is not the running one: its end is on record."""

    code = "attempt_over"


def request(view: View, task_id: UUID, requested: AiTaskRequested) -> Decided:
    """Open a task. The node that asks for it puts these facts beside its own; a job to do it goes with the same append."""
    state = view.read(AI_TASK, task_id)
    if state.status != "absent":
        raise AiTaskExists
    if not requested.model.strip() or len(requested.model) > MAX_MODEL_NAME:
        raise Invalid(f"A model's name must have 1 to {MAX_MODEL_NAME} characters.", "/model")
    if not requested.prompt.strip():
        raise Invalid("The prompt must not be empty.", "/prompt")
    if requested.retry.max_attempts < 1:
        raise Invalid("max_attempts must be at least 1.", "/retry/max_attempts")
    opened = Progress(task_id, state, view.version(task_id))
    opened.record(requested)
    return opened.decided()


def start_attempt(
    task: Progress, attempt_id: UUID, *, provider: str, model: str, worker_id: str, reserved: Iterable[Reservation] = ()
) -> None:
    """Record that the provider is about to be called, for the turn to come, or for a guard that is a model.

    Refused while an attempt runs, even if it is this one.
    """
    task.require_open()
    state = task.state
    if state.attempt_id is not None:
        raise AttemptRunning
    kept, step = tuple(reserved) or None, next_step(state)
    guard = step.place if isinstance(step, Judge) else None
    number, purpose = state.number + 1, None if guard is None else GUARD
    task.record(AiTaskAttemptStarted(attempt_id, number, provider, model, worker_id, state.turn, purpose, kept, guard))


def succeed(
    task: Progress,
    attempt_id: UUID,
    output: Json,
    *,
    latency_ms: int,
    provider: str,
    model: str,
    report: UsageReport = NOT_KNOWN,
    text: str | None = None,
    calls: tuple[ToolCall, ...] | None = None,
    stream_digest: str | None = None,
    cached_from: UUID | None = None,
) -> None:
    """The attempt was answered: by an output, which was validated before, or by `calls` of tools.

    What the provider says of itself is not validated: see `domain.usage_report`.
    """
    state = running(task, attempt_id)
    task.record(
        AiTaskAttemptSucceeded(
            attempt_id,
            state.number,
            output,
            latency_ms,
            believed_name(provider),
            believed_name(model),
            *_known(report),
            turn=state.turn,
            purpose=None if state.judging is None else GUARD,
            text=text,
            calls=calls,
            guard=state.judging,
            stream_digest=stream_digest,
            cached_from=cached_from,
        )
    )


def conclude(task: Progress, output: Json) -> None:
    """The task comes to this output: it is completed, unless it was over before."""
    if not task.state.closed:
        task.record(AiTaskCompleted(output, task.state.totals))


def fail(task: Progress, error: Failure) -> None:
    """Nothing more is attempted, unless it was over before."""
    if not task.state.closed:
        task.record(AiTaskFailed(error, task.state.totals))


def fail_attempt(
    task: Progress,
    attempt_id: UUID,
    error: Failure,
    *,
    jitter: float,
    retry_after: timedelta | None = None,
    latency_ms: int | None = None,
    report: UsageReport = NOT_KNOWN,
    answered: str | None = None,
    falls_back: bool = False,
) -> None:
    """The attempt failed: by the task's policy another one is due after a pause, or the task fails with it.

    `jitter`: a random number from 0 to 1. A worker that is gone is `domain.retry.LEASE_LOST`. `answered`: what the model said,
    where that did not fit: within the task's bounds it is told what was wrong, and asked again at once. `falls_back`: there is
    another model to ask, which is done at once.
    """
    state = running(task, attempt_id)
    repairs = bounds_of(state).repairs or 0
    repairable = repairs and state.judging is None and error.type == INVALID_OUTPUT and error.retryable
    said = answered if repairable else None
    if state.closed:
        delay = None
    elif falls_back:
        delay = timedelta(0)
    elif said is not None:
        delay = timedelta(0) if state.repairs < repairs else None
    else:
        delay = retry_in(task.requested.retry, state.failures + 1, error, jitter, retry_after)
    purpose = None if state.judging is None else GUARD
    known = _known(report)
    task.record(
        AiTaskAttemptFailed(
            attempt_id,
            state.number,
            error,
            latency_ms,
            *known,
            due(delay),
            state.turn,
            purpose=purpose,
            answered=said,
            falls_back=falls_back or None,
        )
    )
    if delay is None:
        fail(task, error)


def cancel(view: View, task_id: UUID, reason: str | None = None) -> Decided:
    """Nothing more is attempted. An attempt that runs may still report its end."""
    task = Progress.of(view, task_id)
    task.require_open()
    task.record(AiTaskCancelled(reason))
    return task.decided()


def running(task: Progress, attempt_id: UUID) -> AiTask:
    if task.state.attempt_id != attempt_id:
        raise AttemptOver
    return task.state


def _known(report: UsageReport) -> tuple[Usage | None, Decimal | None, str | None, str | None]:
    """As the events of an attempt's end have it: usage, cost, currency, finish_reason."""
    believed = report.believed()
    return believed.usage, believed.cost, believed.currency, believed.finish_reason
