"""Jobs of their own, told from their events: which are pending, with which timer and which unique key."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.job import JobCancelled, JobCompleted, JobEnqueued, JobFailed, JobRetried, expiry, key_scope, timeout_of


@dataclass(frozen=True)
class Queued:
    """Without what it carries: a failed one is kept, because it may be retried."""

    timeout: timedelta | None
    name: tuple[str, str] | None
    """The scope and name that it holds while it is pending."""
    expires_at: datetime | None
    pending: bool = True
    retries: int = 0


@dataclass
class JobInvariants:
    known: dict[UUID, Queued] = field(default_factory=dict)

    def see(self, record: RecordedEvent) -> None:
        event, job = record.event, self.known.get(record.stream_id)
        if isinstance(event, JobEnqueued):
            due, key = expiry(event), event.unique_key
            name = None if key is None else (key_scope(event.type), key)
            expires_at = None if due is None else due.moment(record.recorded_at)
            self.known[record.stream_id] = Queued(event.timeout, name, expires_at)
        elif isinstance(event, JobCompleted | JobCancelled):
            self.known.pop(record.stream_id, None)
        elif job is None:
            return
        elif isinstance(event, JobFailed):
            self.known[record.stream_id] = replace(job, pending=False)
        elif isinstance(event, JobRetried):
            expires_at = None if job.timeout is None else record.recorded_at + job.timeout
            self.known[record.stream_id] = replace(job, pending=True, retries=event.number, expires_at=expires_at)

    def name_of(self, job_id: UUID) -> tuple[str, str] | None:
        """The name that a pending job holds."""
        job = self.known.get(job_id)
        return job.name if job is not None and job.pending else None

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        """As `WorkInvariants.jobs`."""
        return ((job_id, job_id) for job_id, job in self.known.items() if job.pending)

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """As `WorkInvariants.timers`."""
        for job_id, job in self.known.items():
            if job.pending and job.expires_at is not None:
                yield timeout_of(job_id, job.retries), job_id, (job.expires_at,)
