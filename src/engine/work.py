"""What a run leaves beside its facts: jobs handed out and taken back, timers set and stopped.

A visit's timeout bears its activation's id; which jobs it waits for, the activation says.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from domain.execution import Activation
from domain.facts import Job, Timer

CONTINUE = "gesta.continue"
"""The type of the jobs that take up an execution where a command had done its share of steps."""
TIMEOUT = "timeout"
"""The kind of the timers that end a visit."""


@dataclass
class Work:
    jobs: dict[UUID, Job] = field(default_factory=dict)
    dropped_jobs: dict[UUID, None] = field(default_factory=dict)
    timers: dict[UUID, Timer] = field(default_factory=dict)
    dropped_timers: dict[UUID, None] = field(default_factory=dict)

    def give(self, job: Job) -> None:
        self.jobs[job.id] = job

    def take_back(self, job_id: UUID) -> None:
        """A job that this very run gave was never there."""
        if self.jobs.pop(job_id, None) is None:
            self.dropped_jobs[job_id] = None

    def set_timeout(self, execution_id: UUID, activation: Activation, delay: timedelta) -> None:
        self.timers[activation.id] = Timer(activation.id, max(delay, timedelta(0)), TIMEOUT, execution_id, activation.id)

    def stop_timeout(self, activation: Activation) -> None:
        if activation.timeout_at is not None and self.timers.pop(activation.id, None) is None:
            self.dropped_timers[activation.id] = None
