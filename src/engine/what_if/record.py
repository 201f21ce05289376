"""What is on record of an execution that is over: its visits, what came to each of them, and what to the execution itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.ai_task import AiTaskRequested
from domain.envelope import RecordedEvent
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionForked,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
)
from domain.facts import Event
from domain.foreach import ForeachStarted

Key = tuple[str, int]
"""A visit: its node, and which of that node's visits it is, from 1."""
ENDS = (ActivationCompleted, ActivationFailed, ActivationCancelled)
HAPPENINGS = (*ENDS, ActivationRetried, ActivationWaiting)
OVER = (ExecutionCompleted, ExecutionFailed, ExecutionCancelled)
OUTSIDE = (ExecutionPaused, ExecutionResumed, ExecutionSignalled, ExecutionChanged)
"""What happens to an execution and not to a visit, its end apart."""
NO_WAY_OUT = ("no_route", "expression_error")
"""Errors of a visit that may have had its outcome already, when no way led on from it: that is then not on record."""
OPENED = {"approval": None, "ai_task": (AiTaskRequested,), "execution": (ExecutionStarted,), "foreach": (ForeachStarted,)}
"""Streams that a visit opens, by what it waits for, and which of their events are looked at; None: all."""


def timed_out(node_id: str) -> str:
    """How the engine tells that a visit's own time is up."""
    return f"{node_id} timed out."


class NotPlayed(Exception):
    """It cannot be played through another version. `str()` says why."""


@dataclass
class PastVisit:
    """`happenings`: what came to it, its end last."""

    key: Key
    begun: RecordedEvent
    happenings: list[RecordedEvent] = field(default_factory=list)
    opened: Sequence[RecordedEvent] = ()
    """Of the stream that it opened: an approval request's events, or how another one begins."""

    @property
    def started(self) -> ActivationStarted:
        assert isinstance(self.begun.event, ActivationStarted)
        return self.begun.event

    @property
    def waited(self) -> bool:
        """Whether something had to come to it."""
        return bool(self.started.waits)

    @property
    def ended(self) -> RecordedEvent | None:
        last = self.happenings[-1] if self.happenings else None
        return last if last is not None and isinstance(last.event, ENDS) else None

    @property
    def end(self) -> Event | None:
        return None if self.ended is None else self.ended.event

    def first(self, kind: type[Event]) -> Event | None:
        """How what it opened began."""
        return next((each.event for each in self.opened if isinstance(each.event, kind)), None)


@dataclass(frozen=True)
class PastExecution:
    id: UUID
    events: tuple[RecordedEvent, ...]
    visits: Mapping[Key, PastVisit]
    outside: tuple[RecordedEvent, ...]
    """What happened to it as a whole, in order; also how somebody or its own time ended it."""

    @property
    def started(self) -> ExecutionStarted:
        event = self.events[0].event
        assert isinstance(event, ExecutionStarted)
        return event

    @property
    def begun_at(self) -> datetime:
        return self.events[0].recorded_at

    @property
    def ended_at(self) -> datetime:
        return next(each.recorded_at for each in self.events if isinstance(each.event, OVER))


def opened_by(events: Iterable[RecordedEvent]) -> Iterator[tuple[str, UUID]]:
    """Streams that its visits opened, and what each is."""
    for record in events:
        match record.event:
            case ActivationStarted(waits=waits) | ActivationWaiting(added=waits):
                yield from ((wait.kind, wait.id) for wait in waits if wait.kind in OPENED)
            case _:
                pass


def past_of(
    id: UUID,
    events: Sequence[RecordedEvent],
    opened: Mapping[UUID, Sequence[RecordedEvent]],
    names: Mapping[str, str] | None = None,
) -> PastExecution:
    """`opened`: the streams that `opened_by` names. `names`: what nodes are called otherwise where it is played.

    Raises NotPlayed.
    """
    _require_playable(events)
    if names:
        events = [record._replace(event=_renamed(record.event, names)) for record in events]
    visits, by_id = dict[Key, PastVisit](), dict[UUID, PastVisit]()
    for record in events:
        event = record.event
        if isinstance(event, ActivationStarted) and event.compensates is None:
            visit = PastVisit((event.node_id, event.visit), record)
            streams = (opened[wait.id] for wait in event.waits if wait.id in opened)
            visit.opened = next(streams, ())
            visits[visit.key] = by_id[event.activation_id] = visit
        elif isinstance(event, HAPPENINGS) and event.activation_id in by_id:
            by_id[event.activation_id].happenings.append(record)
    return PastExecution(id, tuple(events), visits, tuple(_outside(events)))


def _renamed(event: Any, names: Mapping[str, str]) -> Any:
    changes: dict[str, Any] = {}
    if getattr(event, "node_id", None) in names:
        changes["node_id"] = names[event.node_id]
        if isinstance(event, ActivationFailed) and event.error.message == timed_out(event.node_id):
            changes["error"] = replace(event.error, message=timed_out(changes["node_id"]))
    if getattr(event, "moves", ()):
        changes["moves"] = tuple(replace(move, target=names.get(move.target, move.target)) for move in event.moves)
    return replace(event, **changes) if changes else event


def _require_playable(events: Sequence[RecordedEvent]) -> None:
    if not events or not isinstance(events[0].event, ExecutionStarted):
        raise NotPlayed("There is no such execution.")
    kinds = {type(record.event) for record in events}
    if ExecutionForked in kinds:
        raise NotPlayed("It goes on from another execution, with whose visits it began.")
    if ExecutionMigrated in kinds:
        raise NotPlayed("It was migrated: it has run by more than one version.")
    if kinds.isdisjoint(OVER):
        raise NotPlayed("It is not over yet.")


def _outside(events: Sequence[RecordedEvent]) -> Iterator[RecordedEvent]:
    undone = False
    for record in events:
        event = record.event
        if isinstance(event, ExecutionCompensating):
            undone = True
            if event.ends == "cancelled" or is_out_of_time(events, event):
                yield record
        elif isinstance(event, OUTSIDE):
            if not undone:
                yield record
        elif not undone and (isinstance(event, ExecutionCancelled) or is_out_of_time(events, event)):
            yield record


def is_out_of_time(events: Sequence[RecordedEvent], event: Event) -> bool:
    """Whether this is the end that an execution's own time puts to it."""
    started = events[0].event
    assert isinstance(started, ExecutionStarted)
    if not isinstance(event, ExecutionFailed | ExecutionCompensating) or started.timeout is None:
        return False
    return event.code == "timeout" and event.node_id is None
