"""What a run leaves beside its facts: jobs handed out and taken back, timers set and stopped."""

from dataclasses import dataclass, field
from uuid import UUID

from domain.execution import Wait
from domain.facts import Job, Timer
from engine.deliveries import scope_of

CONTINUE = "gesta.continue"
"""The type of the jobs that take up an execution where a command had done its share of steps."""


@dataclass
class Work:
    jobs: dict[UUID, Job] = field(default_factory=dict)
    dropped_jobs: dict[UUID, None] = field(default_factory=dict)
    timers: dict[UUID, Timer] = field(default_factory=dict)
    dropped_timers: dict[UUID, None] = field(default_factory=dict)
    subscriptions: dict[UUID, str] = field(default_factory=dict)
    """Names by which those are found who wait for events: the scope by the id of the wait."""
    dropped_subscriptions: dict[UUID, str] = field(default_factory=dict)

    def add_job(self, job: Job) -> None:
        self.jobs[job.id] = job

    def drop_job(self, job_id: UUID) -> None:
        """A job that this very run gave was never there."""
        if self.jobs.pop(job_id, None) is None:
            self.dropped_jobs[job_id] = None

    def set_timer(self, timer: Timer) -> None:
        self.timers[timer.id] = timer

    def drop(self, wait: Wait) -> None:
        """What was waited for is so no longer: its job or timer goes. A stream that was opened is its node's business."""
        match wait.kind:
            case "job":
                self.drop_job(wait.id)
            case "timer" if self.timers.pop(wait.id, None) is None:
                self.dropped_timers[wait.id] = None
            case "event" if self.subscriptions.pop(wait.id, None) is None:
                self.dropped_subscriptions[wait.id] = scope_of(wait.about)
            case _:
                pass

    def added_to(self, other: "Work") -> None:
        """What the ledger is told of; names are told apart by whose they are."""
        other.jobs |= self.jobs
        other.dropped_jobs |= self.dropped_jobs
        other.timers |= self.timers
        other.dropped_timers |= self.dropped_timers

    def subscribe(self, wait: Wait) -> None:
        self.subscriptions[wait.id] = scope_of(wait.about)
