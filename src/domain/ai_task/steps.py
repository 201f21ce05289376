"""What an AI task needs next, from its state alone: whoever does it goes by this, and so goes on where somebody else died."""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from domain.ai_task.state import AiTask


@dataclass(frozen=True)
class CallModel:
    """Start an attempt of this turn."""

    turn: int


@dataclass(frozen=True)
class Judge:
    """Start an attempt of the guard at this place, as `output/0`: a model judges what goes in, or the output."""

    place: str


@dataclass(frozen=True)
class CallTool:
    """Start this call. It was started `number` times before."""

    call_id: UUID
    number: int


@dataclass(frozen=True)
class Conclude:
    """There is an output, which nobody has looked at: guard it, have it reviewed where that is wanted, or complete the task."""


@dataclass(frozen=True)
class Pause:
    """Nothing can be done until somebody reports.

    attempt, tool: what is under way has no end on record. people: a question is open. child: the workflow that a tool is.
    """

    on: Literal["attempt", "tool", "people", "child"]


@dataclass(frozen=True)
class Over:
    """It is completed, failed or cancelled."""


Step: TypeAlias = CallModel | Judge | CallTool | Conclude | Pause | Over


def next_step(task: AiTask) -> Step:
    """Calls of one turn are made in their order, and those of which a person decides do not hold up the others."""
    if task.closed or task.requested is None:
        return Over()
    if task.attempt_id is not None:
        return Pause("attempt")
    if any(call.status == "running" and call.child_id is None for call in task.calls):
        return Pause("tool")
    if any(question.call_id is None for question in task.questions):
        return Pause("people")
    ready = next((call for call in task.calls if call.status == "ready"), None)
    if ready is not None:
        return CallTool(ready.id, ready.number)
    if any(call.status == "running" for call in task.calls):
        return Pause("child")
    if task.questions:
        return Pause("people")
    unjudged = _unjudged(task, "output" if task.answered else "input")
    if unjudged is not None:
        return Judge(unjudged)
    return Conclude() if task.answered else CallModel(task.turn)


def _unjudged(task: AiTask, stage: Literal["input", "output"]) -> str | None:
    """The first guard of a stage that is a model and has not judged yet. What goes in is judged once."""
    if task.requested is None or (stage == "input" and task.turns):
        return None
    guards = (task.requested.guards or {}).get(stage, ())
    places = (f"{stage}/{number}" for number, guard in enumerate(guards) if guard["type"] == "model")
    return next((place for place in places if place not in task.judged), None)
