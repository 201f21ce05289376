"""What may happen to a call of a tool, decided: it is started, it ends, or it is denied.

A call is on record before the tool acts. Who finds one without an end cannot know what became of it: it has failed with
`lease_lost`, and is either started again, with the same idempotency key, or the model is told that nobody knows.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid5

from domain.ai_task.events import (
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    DenialReason,
    Reservation,
)
from domain.ai_task.progress import Progress, due
from domain.ai_task.state import Call
from domain.facts import Json, RuleViolation
from domain.retry import Failure


class CallNotReady(RuleViolation):
    """This call of a tool cannot be started: it is under way, it is over, or people are asked."""

    code = "call_not_ready"


class CallOver(RuleViolation):
    """This call of a tool is not the running one: its end is on record."""

    code = "call_over"


def call_id(task_id: UUID, turn: int, place: int) -> UUID:
    """Of the call at this place of a turn's answer, from 0: the same for whoever reads the answer."""
    return uuid5(task_id, f"call {turn} {place}")


def idempotency_key(call: Call) -> str:
    """By which a tool knows a call that is made again."""
    return str(call.id)


def deny_call(
    task: Progress, call: Call, reason: DenialReason, message: str, *, by: UUID | None = None, request_id: UUID | None = None
) -> None:
    """The tool is not called, and the model is told why."""
    if call.status not in ("ready", "asked"):
        raise CallNotReady
    task.record(AiTaskToolCallDenied(call.id, call.asked.tool, reason, message, by, request_id))


def start_call(
    task: Progress,
    call_id: UUID,
    *,
    worker_id: str | None = None,
    child_id: UUID | None = None,
    reserved: Iterable[Reservation] = (),
) -> Call:
    """Record that the tool is about to be called. Refused while it is called, even if it is by the same."""
    task.require_open()
    call = task.state.call(call_id)
    if call is None or call.status != "ready":
        raise CallNotReady
    key, kept = idempotency_key(call), tuple(reserved) or None
    task.record(
        AiTaskToolCallStarted(
            call.id, call.asked.tool, call.number + 1, call.arguments, key, worker_id, call.edited, child_id, kept
        )
    )
    return call


def succeed_call(
    task: Progress, call_id: UUID, number: int, result: Json, *, latency_ms: int | None = None, cut: int | None = None
) -> None:
    """The tool has answered. Of a task that is over by then it is recorded all the same."""
    call = running_call(task, call_id, number)
    task.record(AiTaskToolCallSucceeded(call.id, call.asked.tool, number, result, latency_ms, cut))


def fail_call(
    task: Progress,
    call_id: UUID,
    number: int,
    error: Failure,
    *,
    retry: timedelta | None = None,
    latency_ms: int | None = None,
) -> None:
    """`retry`: after how long it is started again; None: the model is told."""
    call = running_call(task, call_id, number)
    again = None if task.state.closed else due(retry)
    task.record(AiTaskToolCallFailed(call.id, call.asked.tool, number, error, latency_ms, again))


def running_call(task: Progress, call_id: UUID, number: int) -> Call:
    call = task.state.call(call_id)
    if call is None or call.status != "running" or call.number != number:
        raise CallOver
    return call
