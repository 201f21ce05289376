"""Which jobs and timers there must be for digests: a timer for the next one of each stream, and a job for each that fell due."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.notification_preferences import DigestAskedFor, DigestFellDue, PreferencesChanged, job_of, timer_of


@dataclass
class DigestInvariants:
    next: dict[UUID, tuple[UUID, datetime]] = field(default_factory=dict)
    """By stream of preferences: the timer, and when it is due."""
    looking: dict[UUID, UUID] = field(default_factory=dict)
    """Jobs that look whose inbox is not empty, and the stream of each."""

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        match event:
            case PreferencesChanged():
                self.next.pop(stream, None)
                if event.due is not None:
                    self.next[stream] = timer_of(stream, event.turn), event.due
            case DigestFellDue():
                self.next[stream] = timer_of(stream, event.turn), event.due
                self.looking[job_of(stream, event.turn - 1)] = stream
            case DigestAskedFor():
                self.looking.pop(job_of(stream, event.turn), None)
            case _:
                pass

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        yield from self.looking.items()

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        for stream, (timer, due) in self.next.items():
            yield timer, stream, (due,)
