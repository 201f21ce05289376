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
class OwnApprovalInvariants:
    expiring: dict[UUID, tuple[int, datetime]] = field(default_factory=dict)
    """Those that are asked, the number of their version, and when each closes by itself."""
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
                if event.execution_id is None and event.expires is not None:
                    self.expiring[stream] = 1, event.expires.moment(record.recorded_at)
                if event.steps or event.times is not None:
                    self.open[stream] = Timed(APPROVAL.initial)
                    if event.execution_id is not None:
                        self.of_executions.setdefault(event.execution_id, set()).add(stream)
            case ApprovalResubmitted():
                if event.expires is not None:
                    self.expiring[stream] = event.number, event.expires.moment(record.recorded_at)
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
            case _:
                pass
        if isinstance(event, APPROVAL.events) and stream in self.open:
            _move(self.open[stream], record)

    def _close(self, request_id: UUID) -> None:
        timed = self.open.pop(request_id, None)
        if timed is not None and timed.state.execution_id is not None:
            others = self.of_executions[timed.state.execution_id]
            others.discard(request_id)
            if not others:
                del self.of_executions[timed.state.execution_id]

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """As `WorkInvariants.timers`."""
        for request_id, (number, moment) in self.expiring.items():
            yield timeout_of(request_id, number), request_id, (moment,)
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
