"""Events of an AI task beside those of another time: what is the same about them, whenever and beside whatever they happened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from domain.ai_task.events import (
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskEvent,
    AiTaskRequested,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
)
from domain.facts import Due


class NotReplayable(Exception):
    """The message says why."""


def requested_of(events: Sequence[AiTaskEvent]) -> AiTaskRequested:
    """What a task's stream begins with. Raises NotReplayable."""
    if not events or not isinstance(events[0], AiTaskRequested):
        raise NotReplayable("This is not the stream of an AI task.")
    return events[0]


def bare(event: AiTaskEvent) -> AiTaskEvent:
    """Without what is of other streams, of chance or of the moment: budgets, executions, ids of requests, pauses."""
    match event:
        case AiTaskRequested():
            return replace(event, execution_id=None, activation_id=None, item_id=None, item_index=None, requesters=None)
        case AiTaskAttemptStarted() | AiTaskToolCallStarted():
            return replace(event, reserved=None)
        case AiTaskAttemptSucceeded():
            return replace(event, stream_digest=None, cached_from=None)
        case AiTaskAttemptFailed() | AiTaskToolCallFailed():
            return replace(event, retry=None if event.retry is None else Due(after=timedelta(0)))
        case AiTaskToolCallSucceeded():
            return replace(event, cut=None)
        case _:
            return event
