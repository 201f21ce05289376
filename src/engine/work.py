"""What a run leaves beside its facts: jobs handed out and taken back, timers set and stopped.

A visit's timeout bears its activation's id; which jobs it waits for, the activation says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
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

    def set_timeout(self, execution_id: UUID, activation: Activation) -> None:
        if activation.timeout_at is not None:
            due_at = activation.timeout_at
            self.timers[activation.id] = Timer(activation.id, due_at, TIMEOUT, execution_id, activation.id)

    def stop_timeout(self, activation: Activation) -> None:
        if activation.timeout_at is not None and self.timers.pop(activation.id, None) is None:
            self.dropped_timers[activation.id] = None


def timeouts(activations: Iterable[Activation]) -> tuple[UUID, ...]:
    """The timers of these visits."""
    return tuple(activation.id for activation in activations if activation.timeout_at is not None)
