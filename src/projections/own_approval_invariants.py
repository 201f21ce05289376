"""Timers of approval requests, told from their events.

An open request of its own whose time is limited has one. One that has moments has a timer for each that is yet to come.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalExpired,
    ApprovalRecalled,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    ApprovalSentToRequester,
)
from domain.approval.times import timer_of
from domain.envelope import RecordedEvent
from domain.execution import ExecutionPaused, ExecutionResumed
from engine.own_requests import timeout_of


@dataclass
class Timed:
    """An open request, and of its moments when each may be due; nothing where a pause has moved it."""

    state: Approval
    moments: dict[UUID, tuple[datetime, ...]] = field(default_factory=dict)


@dataclass
class Expiring:
    """The number of its version, and when it closes by itself; nothing where a pause has moved that."""

    number: int
    moments: tuple[datetime, ...]


@dataclass
class OwnApprovalInvariants:
    expiring: dict[UUID, Expiring] = field(default_factory=dict)
    """Those that are asked and close by themselves."""
    of_execution: dict[UUID, UUID] = field(default_factory=dict)
    """Open ones that an AI task asks, and the execution whose pause holds them."""
    open: dict[UUID, Timed] = field(default_factory=dict)
    """Those that may have moments: the definition of a request says what its later steps have."""
    of_executions: dict[UUID, set[UUID]] = field(default_factory=dict)
    """The streams of these, by the execution that asks, where one does."""
    paused: set[UUID] = field(default_factory=set)
    """Executions."""

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        match event:
            case ApprovalRequested():
                if (event.execution_id is None or event.ai_task_id is not None) and event.expires is not None:
                    self.expiring[stream] = Expiring(1, (event.expires.moment(record.recorded_at),))
                if event.execution_id is not None and event.ai_task_id is not None:
                    self.of_execution[stream] = event.execution_id
                if event.steps or event.times is not None:
                    self.open[stream] = Timed(APPROVAL.initial)
                    if event.execution_id is not None:
                        self.of_executions.setdefault(event.execution_id, set()).add(stream)
            case ApprovalResubmitted():
                if event.expires is not None:
                    self.expiring[stream] = Expiring(event.number, (event.expires.moment(record.recorded_at),))
            case ApprovalRecalled() | ApprovalSentToRequester():
                self.expiring.pop(stream, None)
            case ApprovalResolved() | ApprovalCancelled() | ApprovalExpired():
                self.expiring.pop(stream, None)
                self._close(stream)
            case ExecutionPaused():
                self.paused.add(stream)
            case ExecutionResumed():
                self.paused.discard(stream)
                for request_id in self.of_executions.get(stream, ()):
                    timed = self.open[request_id]
                    timed.moments = dict.fromkeys(timed.moments, ())
                for request_id, expiring in self.expiring.items():
                    if self.of_execution.get(request_id) == stream:
                        expiring.moments = ()
            case _:
                pass
        if isinstance(event, APPROVAL.events) and stream in self.open:
            _move(self.open[stream], record)

    def _close(self, request_id: UUID) -> None:
        self.of_execution.pop(request_id, None)
        timed = self.open.pop(request_id, None)
        if timed is not None and timed.state.execution_id is not None:
            others = self.of_executions[timed.state.execution_id]
            others.discard(request_id)
            if not others:
                del self.of_executions[timed.state.execution_id]

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """As `WorkInvariants.timers`."""
        for request_id, expiring in self.expiring.items():
            execution = self.of_execution.get(request_id)
            due = () if execution in self.paused else expiring.moments
            yield timeout_of(request_id, expiring.number), execution or request_id, due
        for request_id, timed in self.open.items():
            execution = timed.state.execution_id
            for timer, due in timed.moments.items():
                yield timer, execution or request_id, () if execution in self.paused else due


def _move(timed: Timed, record: RecordedEvent) -> None:
    """A moment in working time has a timer that is due at once, and then one of the same id that is due then."""
    timed.state = APPROVAL.evolve(timed.state, record.event)
    known, timed.moments = timed.moments, {}
    for clock in timed.state.clocks:
        for kind, number, moment in clock.to_come():
            id = timer_of(record.stream_id, timed.state.execution_id, clock, kind, number, moment).id
            at = moment.after(record.recorded_at)
            timed.moments[id] = known.get(id, (at,) if moment.span is not None else (at, record.recorded_at))
