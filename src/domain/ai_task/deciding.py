"""What may happen to an AI task, decided: attempts, calls of tools, questions to people, and its end.

An attempt is on record before the provider is called, and the provider is called once for it. Who finds an attempt without an
end cannot know what became of the call, so it is recorded as failed (`lease_lost`) before another one starts. An attempt whose
task is cancelled meanwhile still ends on record: what it used was used. Calls of tools likewise.
"""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from domain.ai_task.aggregate import AI_TASK
from domain.ai_task.events import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskRequested,
)
from domain.ai_task.evolving import add, evolve
from domain.ai_task.state import AiTask
from domain.ai_usage import Usage
from domain.facts import Decided, Due, Fact, Invalid, Json, NotFound, RuleViolation, View
from domain.retry import Failure, retry_in
from domain.usage_report import NOT_KNOWN, UsageReport, believed_name

MAX_MODEL_NAME = 200


class NoSuchAiTask(NotFound):
    """There is no such AI task."""


class AiTaskExists(RuleViolation):
    """An AI task with this id exists already."""

    code = "ai_task_exists"


class AiTaskClosed(RuleViolation):
    """The AI task is over."""

    code = "ai_task_closed"


class AttemptRunning(RuleViolation):
    """An attempt is running. It must end, or be recorded as failed, before another one starts."""

    code = "attempt_running"


class AttemptOver(RuleViolation):
    """This attempt is not the running one: its end is on record."""

    code = "attempt_over"


def request(view: View, task_id: UUID, requested: AiTaskRequested) -> Decided:
    """Open a task. The node that asks for it puts these facts beside its own; a job to do it goes with the same append."""
    if view.read(AI_TASK, task_id).status != "absent":
        raise AiTaskExists
    if not requested.model.strip() or len(requested.model) > MAX_MODEL_NAME:
        raise Invalid(f"A model's name must have 1 to {MAX_MODEL_NAME} characters.", "/model")
    if not requested.prompt.strip():
        raise Invalid("The prompt must not be empty.", "/prompt")
    if requested.retry.max_attempts < 1:
        raise Invalid("max_attempts must be at least 1.", "/retry/max_attempts")
    return _decided(view, task_id, requested)


def start_attempt(view: View, task_id: UUID, attempt_id: UUID, *, provider: str, model: str, worker_id: str) -> Decided:
    """Record that the provider is about to be called. Refused while an attempt runs, even if it is this one.

    result: `_answer`, with `attempt_id` and `number`.
    """
    state = _existing(view, task_id)
    if state.closed:
        raise AiTaskClosed(f"The AI task is {state.status}.")
    if state.attempt_id is not None:
        raise AttemptRunning
    return _decided(view, task_id, AiTaskAttemptStarted(attempt_id, state.number + 1, provider, model, worker_id))


def succeed(
    view: View,
    task_id: UUID,
    attempt_id: UUID,
    output: Json,
    *,
    latency_ms: int,
    provider: str,
    model: str,
    report: UsageReport = NOT_KNOWN,
) -> Decided:
    """The attempt's answer, whose output was validated before, completes the task, unless that was cancelled meanwhile.

    What the provider says of itself is not validated: see `domain.usage_report`.
    """
    state = _running(view, task_id, attempt_id)
    succeeded = AiTaskAttemptSucceeded(
        attempt_id,
        state.number,
        output,
        latency_ms,
        believed_name(provider),
        believed_name(model),
        *_known(report),
    )
    if state.closed:
        return _decided(view, task_id, succeeded)
    return _decided(view, task_id, succeeded, AiTaskCompleted(output, add(state.totals, succeeded)))


def fail_attempt(
    view: View,
    task_id: UUID,
    attempt_id: UUID,
    error: Failure,
    *,
    jitter: float,
    retry_after: timedelta | None = None,
    latency_ms: int | None = None,
    report: UsageReport = NOT_KNOWN,
) -> Decided:
    """The attempt failed: by the task's policy another one is due after a pause, or the task fails with it.

    `jitter`: a random number from 0 to 1. A worker that is gone is `domain.retry.LEASE_LOST`.
    """
    state = _running(view, task_id, attempt_id)
    assert state.requested is not None
    delay = None if state.closed else retry_in(state.requested.retry, state.number, error, jitter, retry_after)
    failed = AiTaskAttemptFailed(
        attempt_id,
        state.number,
        error,
        latency_ms,
        *_known(report),
        None if delay is None else Due(after=delay),
    )
    if state.closed or delay is not None:
        return _decided(view, task_id, failed)
    return _decided(view, task_id, failed, AiTaskFailed(error, add(state.totals, failed)))


def cancel(view: View, task_id: UUID, reason: str | None = None) -> Decided:
    """Nothing more is attempted. An attempt that runs may still report its end."""
    state = _existing(view, task_id)
    if state.closed:
        raise AiTaskClosed(f"The AI task is {state.status}.")
    return _decided(view, task_id, AiTaskCancelled(reason))


def _existing(view: View, task_id: UUID) -> AiTask:
    state = view.read(AI_TASK, task_id)
    if state.status == "absent":
        raise NoSuchAiTask
    return state


def _running(view: View, task_id: UUID, attempt_id: UUID) -> AiTask:
    state = _existing(view, task_id)
    if state.attempt_id != attempt_id:
        raise AttemptOver
    return state


def _known(report: UsageReport) -> tuple[Usage | None, Decimal | None, str | None, str | None]:
    """As the events of an attempt's end have it: usage, cost, currency, finish_reason."""
    believed = report.believed()
    return believed.usage, believed.cost, believed.currency, believed.finish_reason


def _decided(view: View, task_id: UUID, *events: AiTaskEvent) -> Decided:
    """result {id, status, version, attempt_id, number, delay_ms}; `delay_ms`: until another attempt is due, if one is."""
    state = view.read(AI_TASK, task_id)
    for event in events:
        state = evolve(state, event)
    last = events[-1]
    retry = last.retry if isinstance(last, AiTaskAttemptFailed) else None
    result = {
        "id": str(task_id),
        "status": state.status,
        "version": view.version(task_id) + len(events),
        "attempt_id": None if state.attempt_id is None else str(state.attempt_id),
        "number": state.number,
        "delay_ms": None if retry is None or retry.after is None else retry.after // timedelta(milliseconds=1),
    }
    return Decided(tuple(Fact(task_id, event) for event in events), result=result)
