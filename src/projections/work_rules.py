"""Which jobs and timers there must be at the end of a ledger, told from its events alone.

A visit has the jobs that it waits for, and with a time limit a timer that bears its id. An execution that has done a
command's share of steps has one job more, which takes it up.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.envelope import RecordedEvent, Unread
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ActivationWaiting,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    Wait,
)


@dataclass
class Visit:
    jobs: set[UUID]
    due: tuple[datetime, ...]
    """When its timer may be due: as long after the event was recorded as its limit is, or (by older releases) at the limit."""
    moved: bool = False
    """Whether a pause has moved its timer, by the database's clock: when it is due, the events do not say."""


@dataclass
class Open:
    """An execution that has not ended."""

    visits: dict[UUID, Visit] = field(default_factory=dict)
    held: frozenset[int] = frozenset()
    continuation: UUID | None = None
    paused: bool = False
    paused_at: datetime | None = None
    """Of older releases, which dropped the timers at a pause and set them again."""


@dataclass
class WorkRules:
    open: dict[UUID, Open] = field(default_factory=dict)
    unread: set[UUID] = field(default_factory=set)
    """Executions of whose events one cannot be read: nothing can be said of their work."""

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        if isinstance(event, Unread):
            self.unread.add(stream)
        elif isinstance(event, ExecutionStarted):
            self.open[stream] = Open()
        elif isinstance(event, ExecutionCompleted | ExecutionFailed | ExecutionCancelled):
            self.open.pop(stream, None)
        elif (execution := self.open.get(stream)) is not None:
            _move(execution, record)

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        """(job, execution)."""
        for execution_id, execution in self.open.items():
            for visit in execution.visits.values():
                for job_id in visit.jobs:
                    yield job_id, execution_id
            if execution.continuation is not None:
                yield execution.continuation, execution_id

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """(timer, execution, when it may be due); nothing: the events do not say when."""
        for execution_id, execution in self.open.items():
            for activation_id, visit in execution.visits.items():
                if visit.due and execution.paused_at is None:
                    yield activation_id, execution_id, () if visit.moved or execution.paused else visit.due


def _move(execution: Open, record: RecordedEvent) -> None:
    event = record.event
    match event:
        case ActivationStarted():
            execution.visits[event.activation_id] = Visit(_jobs(event.waits), _due(record, event.timeout_at))
            execution.held -= {*event.tokens, *event.swallowed}
            if not execution.held:
                execution.continuation = None
        case ActivationWaiting():
            visit = execution.visits.get(event.activation_id)
            if visit is not None:
                visit.jobs = (visit.jobs | _jobs(event.added)) - {*event.ended}
        case ActivationCompleted() | ActivationFailed() | ActivationCancelled():
            execution.visits.pop(event.activation_id, None)
        case ExecutionHeld():
            execution.held, execution.continuation = frozenset(event.tokens), event.job_id
        case ExecutionPaused():
            execution.paused, execution.paused_at, execution.continuation = True, event.at, None
        case ExecutionResumed():
            # what was left of a time limit is left again, by the database's clock
            execution.paused, execution.paused_at = False, None
            for visit in execution.visits.values():
                visit.moved = True
        case _:
            pass


def _jobs(waits: Iterable[Wait]) -> set[UUID]:
    return {wait.id for wait in waits if wait.kind == "job"}


def _due(record: RecordedEvent, timeout_at: datetime | None) -> tuple[datetime, ...]:
    return () if timeout_at is None else (record.recorded_at + (timeout_at - record.occurred_at), timeout_at)
