"""Which jobs the foreaches of a ledger must have at its end, told from its events alone.

One that has begun has a job that opens its first chunk; one that was given up with items at work, a job that ends them; one whose
execution was resumed, a job that lets its items go on. A chunk in which a command had done its share has one, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from domain.envelope import RecordedEvent
from domain.execution import ActivationCancelled, ActivationCompleted, ActivationFailed, ActivationStarted, ExecutionResumed
from domain.foreach import (
    ChunkCancelled,
    ChunkMoved,
    ForeachCancelled,
    ForeachClosed,
    ForeachCompleted,
    ForeachFailed,
    ForeachMoved,
    ForeachResumed,
    ForeachStarted,
    close_job,
    resume_job,
    start_job,
)


@dataclass
class OpenForeach:
    """One that is not over, or of which something still runs."""

    execution_id: UUID
    begun: bool = False
    given_up: bool = False
    chunks: set[UUID] = field(default_factory=set)
    resuming: set[int] = field(default_factory=set)


@dataclass
class ForeachInvariants:
    open: dict[UUID, OpenForeach] = field(default_factory=dict)
    _chunk_jobs: dict[UUID, UUID] = field(default_factory=dict)
    _visits: dict[UUID, dict[UUID, tuple[UUID, ...]]] = field(default_factory=dict)
    """By stream and visit: the foreaches that it waits for."""
    _resumes: dict[UUID, int] = field(default_factory=dict)

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        match event:
            case ActivationStarted():
                waited_for = tuple(wait.id for wait in event.waits if wait.kind == "foreach")
                if waited_for:
                    self._visits.setdefault(stream, {})[event.activation_id] = waited_for
            case ActivationCompleted() | ActivationFailed() | ActivationCancelled():
                self._visits.get(stream, {}).pop(event.activation_id, None)
            case ExecutionResumed():
                self._resumes[stream] = self._resumes.get(stream, 0) + 1
                self._resume([each for ids in self._visits.get(stream, {}).values() for each in ids], self._resumes[stream])
            case ForeachStarted():
                self.open[stream] = OpenForeach(event.execution_id)
            case ChunkMoved():
                self._chunk_jobs.pop(stream, None)
                if event.job_id is not None:
                    self._chunk_jobs[stream] = event.job_id
            case ChunkCancelled():
                self._chunk_jobs.pop(stream, None)
            case _ if stream in self.open:
                self._see_foreach(record, self.open[stream])
            case _:
                pass

    def _see_foreach(self, record: RecordedEvent, foreach: OpenForeach) -> None:
        match record.event:
            case ForeachMoved(opened=opened, ended=ended):
                foreach.begun = True
                foreach.chunks |= {each.chunk_id for each in opened}
                foreach.chunks -= {each.chunk_id for each in ended}
            case ForeachResumed(turn=turn, nested=nested):
                foreach.resuming = {each for each in foreach.resuming if each > turn}
                self._resume(list(nested), turn)
            case ForeachFailed() | ForeachCancelled():
                foreach.given_up = True
                if not foreach.chunks:
                    del self.open[record.stream_id]
            case ForeachCompleted() | ForeachClosed():
                del self.open[record.stream_id]
            case _:
                pass

    def _resume(self, foreaches: list[UUID], turn: int) -> None:
        for foreach_id in foreaches:
            if foreach_id in self.open:
                self.open[foreach_id].resuming.add(turn)

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        """(job, execution that it is for)."""
        owners = {chunk: foreach.execution_id for foreach in self.open.values() for chunk in foreach.chunks}
        for chunk_id, job_id in self._chunk_jobs.items():
            yield job_id, owners.get(chunk_id, chunk_id)
        for foreach_id, foreach in self.open.items():
            if foreach.given_up:
                yield close_job(foreach_id), foreach.execution_id
                continue
            if not foreach.begun:
                yield start_job(foreach_id), foreach.execution_id
            for turn in foreach.resuming:
                yield resume_job(foreach_id, turn), foreach.execution_id
