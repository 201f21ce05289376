"""Timers of approval requests of their own, told from their events: an open one whose time is limited has one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.approval import ApprovalCancelled, ApprovalExpired, ApprovalRequested, ApprovalResolved
from domain.envelope import RecordedEvent
from engine.own_requests import timeout_of


@dataclass
class OwnApprovalInvariants:
    expiring: dict[UUID, datetime] = field(default_factory=dict)
    """Those that are open, and when each closes by itself."""

    def see(self, record: RecordedEvent) -> None:
        event = record.event
        if isinstance(event, ApprovalRequested):
            if event.execution_id is None and event.expires is not None:
                self.expiring[record.stream_id] = event.expires.moment(record.recorded_at)
        elif isinstance(event, ApprovalResolved | ApprovalCancelled | ApprovalExpired):
            self.expiring.pop(record.stream_id, None)

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """As `WorkInvariants.timers`."""
        for request_id, moment in self.expiring.items():
            yield timeout_of(request_id), request_id, (moment,)
