"""An AI task in the course of one decision: how the ledger has it, and what has been decided of it since."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from domain.ai_task.aggregate import AI_TASK
from domain.ai_task.events import AiTaskEvent, AiTaskRequested
from domain.ai_task.evolving import TriedAgain, evolve
from domain.ai_task.state import AiTask
from domain.facts import Decided, Due, Fact, NotFound, RuleViolation, View


class NoSuchAiTask(NotFound):
    """There is no such AI task."""


class AiTaskClosed(RuleViolation):
    """The AI task is over."""

    code = "ai_task_closed"


@dataclass
class Progress:
    """`state` is as it stands after all of `events`. Decisions record events here, one after the other."""

    task_id: UUID
    state: AiTask
    version: int = 0
    events: list[AiTaskEvent] = field(default_factory=list)

    @classmethod
    def of(cls, view: View, task_id: UUID) -> "Progress":
        """Raises NoSuchAiTask."""
        state = view.read(AI_TASK, task_id)
        if state.status == "absent":
            raise NoSuchAiTask
        return cls(task_id, state, view.version(task_id))

    @property
    def requested(self) -> AiTaskRequested:
        assert self.state.requested is not None, "a task that is there was requested"
        return self.state.requested

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(Fact(self.task_id, event) for event in self.events)

    def record(self, event: AiTaskEvent) -> None:
        self.events.append(event)
        self.state = evolve(self.state, event)

    def taking(self, decided: Decided) -> Decided:
        """Record the task's own events of a decision that was made beside this one; the rest of it."""
        for event in events_of(self.task_id, decided.facts):
            self.record(event)
        return replace(decided, facts=tuple(fact for fact in decided.facts if fact.stream_id != self.task_id))

    def require_open(self) -> None:
        if self.state.closed:
            raise AiTaskClosed(f"The AI task is {self.state.status}.")

    def decided(self) -> Decided:
        """result {id, status, version, attempt_id, number, delay_ms}; `delay_ms`: until it goes on, if not now."""
        delay = self.delay
        result = {
            "id": str(self.task_id),
            "status": self.state.status,
            "version": self.version + len(self.events),
            "attempt_id": None if self.state.attempt_id is None else str(self.state.attempt_id),
            "number": self.state.number,
            "delay_ms": None if delay is None else delay // timedelta(milliseconds=1),
        }
        return Decided(self.facts, result=result)

    @property
    def delay(self) -> timedelta | None:
        """Until it goes on, by the last event; None: it does at once, or not by itself."""
        last = self.events[-1] if self.events else None
        due = last.retry if isinstance(last, TriedAgain) else None
        return None if due is None else due.after


def events_of(task_id: UUID, facts: Iterable[Fact]) -> tuple[AiTaskEvent, ...]:
    """Those of the task, in their order."""
    return tuple(fact.event for fact in facts if fact.stream_id == task_id and isinstance(fact.event, AiTaskEvent))


def due(delay: timedelta | None) -> Due | None:
    return None if delay is None else Due(after=delay)
