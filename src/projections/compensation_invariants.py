"""What must hold of undoing, event by event: each completed visit that can be undone is so once, the last one first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
)


@dataclass
class ToUndo:
    """What the events seen so far leave to undo: of an execution that has visits which can be undone."""

    running: set[UUID] = field(default_factory=set)
    completed: list[UUID] = field(default_factory=list)
    compensating: bool = False
    undoing: bool = False
    """Whether a visit runs that undoes another one."""


@dataclass
class CompensationInvariants:
    _open: dict[UUID, ToUndo] = field(default_factory=dict)

    def see(self, record: RecordedEvent) -> Iterator[str]:
        """What is wrong with an event after those seen before."""
        event, stream = record.event, record.stream_id
        if isinstance(event, ActivationStarted) and event.compensate is not None:
            self._open.setdefault(stream, ToUndo()).running.add(event.activation_id)
        known = self._open.get(stream)
        if known is None:
            if isinstance(event, ExecutionCompensating) or (
                isinstance(event, ActivationStarted) and event.compensates is not None
            ):
                yield "undoes what was not done"
            return
        match event:
            case ActivationStarted(compensates=UUID() as undone):
                yield from _undoing(known, undone)
            case ActivationStarted() if known.compensating:
                yield "begins although the execution is being compensated"
            case ActivationCompleted() | ActivationFailed() | ActivationCancelled():
                _left(known, event)
            case ExecutionCompensating():
                known.compensating = True
                if event.visits != len(known.completed):
                    yield f"names {event.visits} visits to undo, of {len(known.completed)}"
            case ExecutionCompleted() | ExecutionFailed() | ExecutionCancelled():
                del self._open[stream]
                yield from _over(known, event)
            case _:
                pass


def _undoing(known: ToUndo, undone: UUID) -> Iterator[str]:
    if not known.compensating or known.undoing or not known.completed:
        yield "undoes a visit out of turn"
    elif known.completed.pop() != undone:
        yield "undoes another visit than the one that was completed last"
    known.undoing = True


def _left(known: ToUndo, event: ActivationCompleted | ActivationFailed | ActivationCancelled) -> None:
    if event.activation_id in known.running:
        known.running.discard(event.activation_id)
        if isinstance(event, ActivationCompleted):
            known.completed.append(event.activation_id)
    elif not isinstance(event, ActivationCancelled):
        known.undoing = False


def _over(known: ToUndo, event: ExecutionCompleted | ExecutionFailed | ExecutionCancelled) -> Iterator[str]:
    """Only what is terminated leaves something."""
    if isinstance(event, ExecutionCompleted):
        if known.compensating:
            yield "completes an execution that was being compensated"
    elif isinstance(event, ExecutionFailed):
        if known.completed:
            yield f"leaves {len(known.completed)} visits that were to be undone"
    elif known.compensating:
        left = len(known.completed) + known.undoing
        if event.compensation is None or event.compensation.left != left:
            yield f"does not say that {left} visits are left to undo"
