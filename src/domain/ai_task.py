"""An AI task: one piece of work for a model, the attempts at it, what each of them used and cost, and how it ended.

An attempt is on record before the provider is called, and the provider is called once for it. Who finds an attempt without an
end cannot know what became of the call, so it is recorded as failed (`lease_lost`) before another one starts. An attempt whose
task is cancelled meanwhile still ends on record: what it used was used.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal, assert_never
from uuid import UUID

from domain.ai_usage import Usage as Usage
from domain.facts import Aggregate, Decided, Due, Event, EventType, Fact, Invalid, Json, NotFound, RuleViolation, Subject, View
from domain.retry import Failure, RetryPolicy, retry_in
from domain.usage_report import NOT_KNOWN, UsageReport, believed_name
from domain.wording import because, plural

MAX_MODEL_NAME = 200


@dataclass(frozen=True)
class Configuration:
    """What the model is told beside the words. None: the provider's default."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Totals:
    """Over all attempts. `cost` adds up what is known, in one currency; `unpriced` counts the attempts that are not in it."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    currency: str | None = None
    unpriced: int = 0


@dataclass(frozen=True)
class AiTaskRequested(Event):
    """Opened by an ai_agent node's activation. `model` names the provider too: `openai:gpt-4o`, `offline/echo`.

    `prompt`, `context` and `input` are sent as they stand here; `output_schema` is the JSON Schema that the output must fit
    (None: the output is the model's text). `cost_estimate` is in `currency`.
    """

    execution_id: UUID
    activation_id: UUID
    node_id: str
    task_name: str
    model: str
    prompt: str
    configuration: Configuration
    retry: RetryPolicy
    agent_type: str | None = None
    provider: str | None = None
    system_prompt: str | None = None
    context: Json = None
    input: Json = None
    output_schema: Json = None
    priority: int = 0
    requested_by: UUID | None = None
    cost_estimate: Decimal | None = None
    currency: str | None = None
    correlation_id: UUID | None = None
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    item_index: int | None = None


@dataclass(frozen=True)
class AiTaskAttemptStarted(Event):
    """On record before the provider is called. `number` counts from 1; `provider` and `model` are those that will be asked."""

    attempt_id: UUID
    number: int
    provider: str
    model: str
    worker_id: str


@dataclass(frozen=True)
class AiTaskAttemptSucceeded(Event):
    """`model`: the one that answered, by its own name. `usage` and `cost` are None where they are not known."""

    attempt_id: UUID
    number: int
    output: Json
    latency_ms: int
    provider: str
    model: str
    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str | None = None
    finish_reason: str | None = None


@dataclass(frozen=True)
class AiTaskAttemptFailed(Event):
    """A failed call may have cost money too. `retry`: when the next attempt is due; None: there is none."""

    attempt_id: UUID
    number: int
    error: Failure
    latency_ms: int | None = None
    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str | None = None
    finish_reason: str | None = None
    retry: Due | None = None


@dataclass(frozen=True)
class AiTaskCompleted(Event):
    output: Json
    totals: Totals


@dataclass(frozen=True)
class AiTaskFailed(Event):
    """`error` is the last attempt's."""

    error: Failure
    totals: Totals


@dataclass(frozen=True)
class AiTaskCancelled(Event):
    reason: str | None = None


AiTaskEvent = (
    AiTaskRequested
    | AiTaskAttemptStarted
    | AiTaskAttemptSucceeded
    | AiTaskAttemptFailed
    | AiTaskCompleted
    | AiTaskFailed
    | AiTaskCancelled
)


@dataclass(frozen=True)
class AiTask:
    """`attempt_id`: the attempt that runs. `totals`: of the attempts that ended; `number`: of those that started."""

    status: Literal["absent", "pending", "running", "completed", "failed", "cancelled"] = "absent"
    requested: AiTaskRequested | None = None
    attempt_id: UUID | None = None
    number: int = 0
    totals: Totals = Totals()

    @property
    def closed(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


def evolve(state: AiTask, event: AiTaskEvent) -> AiTask:
    match event:
        case AiTaskRequested():
            return AiTask("pending", event)
        case AiTaskAttemptStarted():
            return replace(state, status="running", attempt_id=event.attempt_id, number=event.number)
        case AiTaskAttemptSucceeded() | AiTaskAttemptFailed():
            status = "pending" if state.status == "running" else state.status
            return replace(state, status=status, attempt_id=None, totals=add(state.totals, event))
        case AiTaskCompleted():
            return replace(state, status="completed")
        case AiTaskFailed():
            return replace(state, status="failed")
        case AiTaskCancelled():
            return replace(state, status="cancelled")
        case _:
            assert_never(event)


def _of_node(_event: AiTaskEvent, task: Subject) -> tuple[str, ...]:
    return (task.tag,)


AI_TASK: Aggregate[AiTask] = Aggregate(
    "ai_task",
    AiTask(),
    evolve,
    (
        EventType(
            AiTaskRequested,
            "ai_task.requested.v1",
            lambda e, _: f"An AI task was requested of {e.model}: {e.task_name}",
            tags=lambda e, _: (e.node_id,),
            note="`cost_estimate` in `currency`; null where nobody knows the price.",
        ),
        EventType(
            AiTaskAttemptStarted,
            "ai_task.attempt_started.v1",
            lambda e, task: f"Attempt {e.number} was started, by {e.model} of {e.provider}: {task.name}",
            severity="debug",
            tags=_of_node,
            note="On record before the provider is called, which happens once for it.",
        ),
        EventType(
            AiTaskAttemptSucceeded,
            "ai_task.attempt_succeeded.v1",
            lambda e, task: f"Attempt {e.number} succeeded after {e.latency_ms} ms, by {e.model} of {e.provider}: {task.name}",
            tags=_of_node,
            note="`usage` and `cost` are null where they are not known. `cost` is exact, as text.",
        ),
        EventType(
            AiTaskAttemptFailed,
            "ai_task.attempt_failed.v2",
            lambda e, task: (
                f"Attempt {e.number} failed ({e.error.type}, {e.error.message})"
                f"{'' if e.retry is None else ', another one follows'}: {task.name}"
            ),
            severity="warning",
            tags=_of_node,
            note="It may have cost, too. `retry`: when the next one is due, `{after}` from the recorded time of the event; "
            "null: there is none. v1 named the moment, by a process's clock, as `retry_at`; it stays readable.",
        ),
        EventType(
            AiTaskCompleted,
            "ai_task.completed.v1",
            lambda e, task: f"The AI task was completed, with {plural(e.totals.attempts, 'attempt')}: {task.name}",
            changes=lambda _: {"status": "completed"},
            tags=_of_node,
            note="`totals` over all attempts.",
        ),
        EventType(
            AiTaskFailed,
            "ai_task.failed.v1",
            lambda e, task: f"The AI task failed ({e.error.type}, {e.error.message}): {task.name}",
            severity="error",
            changes=lambda _: {"status": "failed"},
            tags=_of_node,
            note="`error`: the last attempt's.",
        ),
        EventType(
            AiTaskCancelled,
            "ai_task.cancelled.v1",
            lambda e, task: f"The AI task was cancelled{because(e.reason)}: {task.name}",
            changes=lambda _: {"status": "cancelled"},
            tags=_of_node,
            note="An attempt that is under way still ends on record.",
        ),
    ),
    "ai",
)


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


def add(totals: Totals, attempt: AiTaskAttemptSucceeded | AiTaskAttemptFailed) -> Totals:
    """The totals with one more attempt. A cost in another currency than the first known one counts as unpriced."""
    usage = attempt.usage or Usage()
    priced = attempt.cost is not None and totals.currency in (None, attempt.currency)
    return Totals(
        totals.attempts + 1,
        totals.input_tokens + usage.input_tokens,
        totals.output_tokens + usage.output_tokens,
        (totals.cost or Decimal(0)) + (attempt.cost or Decimal(0)) if priced else totals.cost,
        attempt.currency if priced else totals.currency,
        totals.unpriced + (not priced),
    )


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
