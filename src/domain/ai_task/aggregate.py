"""The aggregate: its events, their topics, and what the audit log says of them."""

from domain.ai_task.events import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskEvent,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
)
from domain.ai_task.evolving import evolve
from domain.ai_task.state import AiTask
from domain.facts import Aggregate, EventType, Subject
from domain.wording import because, plural


def _of_node(_event: AiTaskEvent, task: Subject) -> tuple[str, ...]:
    """None where no node asks."""
    return (task.tag,) if task.tag else ()


AI_TASK: Aggregate[AiTask] = Aggregate(
    "ai_task",
    AiTask(),
    evolve,
    (
        EventType(
            AiTaskRequested,
            "ai_task.requested.v1",
            lambda e, _: f"An AI task was requested of {e.model}: {e.task_name}",
            tags=lambda e, _: (e.node_id,) if e.node_id else (),
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
            AiTaskToolCallDenied,
            "ai_task.tool_call_denied.v1",
            lambda e, task: f"A call of {e.tool} was denied ({e.reason}, {e.message}): {task.name}",
            severity="warning",
            tags=_of_node,
            note="The tool was not called, and the model is told why. `reason`: not_allowed, policy, malformed, guard, "
            "repetition, too_many, budget, rejected, expired or cancelled.",
        ),
        EventType(
            AiTaskToolCallStarted,
            "ai_task.tool_call_started.v1",
            lambda e, task: (
                f"{e.tool} was called{', with arguments that a person edited' if e.edited else ''}"
                f"{'' if e.number == 1 else f', for the {e.number}. time'}: {task.name}"
            ),
            tags=_of_node,
            note="On record before the tool acts. `number` above 1: the end of the call before is not known, or it may be tried "
            "again; the key is the same.",
        ),
        EventType(
            AiTaskToolCallSucceeded,
            "ai_task.tool_call_succeeded.v1",
            lambda e, task: f"{e.tool} answered: {task.name}",
            severity="debug",
            tags=_of_node,
            note="`result` as the model is told it; `cut`: how many characters it had, where it was cut.",
        ),
        EventType(
            AiTaskToolCallFailed,
            "ai_task.tool_call_failed.v1",
            lambda e, task: (
                f"{e.tool} failed ({e.error.type}, {e.error.message})"
                f"{'' if e.retry is None else ', and is tried again'}: {task.name}"
            ),
            severity="warning",
            tags=_of_node,
            note="`retry`: when it is tried again; null: the model is told of the failure.",
        ),
        EventType(
            AiTaskAsked,
            "ai_task.asked.v1",
            lambda e, task: f"People are asked ({e.purpose}): {task.name}",
            tags=_of_node,
            note="By an ordinary approval request. `purpose`: tool, review, budget, elicitation or repetition.",
        ),
        EventType(
            AiTaskAnswered,
            "ai_task.answered.v1",
            lambda e, task: f"What people were asked is {e.outcome} ({e.purpose}): {task.name}",
            tags=_of_node,
            note="`outcome`: approved, edited (`edited` holds the arguments or the output), rejected, expired or cancelled.",
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
