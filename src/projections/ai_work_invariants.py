"""Jobs of AI tasks, told from their events: one waits for people, or for a workflow that is its tool, and has none meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask
from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from engine.ai_job import is_calling, job_id_of
from engine.ai_time_limit import own_timer
from engine.family import End


@dataclass
class AiWorkInvariants:
    tasks: dict[UUID, AiTask] = field(default_factory=dict)
    """Those that are not over."""
    children: dict[UUID, UUID] = field(default_factory=dict)
    """Executions that are not over and were started as a tool, and the task of each."""
    calling: dict[UUID, AiTask] = field(default_factory=dict)
    """Those that are over, and of which a call is under way: its job goes with it, unless an older release took it before."""
    limits: dict[UUID, tuple[UUID, datetime]] = field(default_factory=dict)
    """By task whose time is limited: the timer, and when it is due."""

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        match event:
            case ExecutionStarted(parent_task_id=UUID() as task_id):
                self.children[stream] = task_id
            case _ if isinstance(event, End):
                self.children.pop(stream, None)
            case _ if isinstance(event, AI_TASK.events):
                before = self.tasks.pop(stream, None) or self.calling.pop(stream, AI_TASK.initial)
                task = AI_TASK.evolve(before, event)
                self._limit(record, task)
                if task.requested is not None and not task.closed:
                    self.tasks[stream] = task
                elif task.requested is not None and is_calling(task):
                    self.calling[stream] = task
            case _:
                pass

    def _limit(self, record: RecordedEvent, task: AiTask) -> None:
        if task.closed:
            self.limits.pop(record.stream_id, None)
        elif task.requested is not None and task.requested is record.event:
            timer = own_timer(record.stream_id, task.requested)
            if timer is not None:
                self.limits[record.stream_id] = timer.id, timer.due.moment(record.recorded_at)

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """As `WorkInvariants.timers`: of the time of tasks that no execution asks for."""
        for task_id, (timer, moment) in self.limits.items():
            yield timer, task_id, (moment,)

    def parked(self) -> set[UUID]:
        """Ids of the jobs that are not there while their tasks wait."""
        return {job_id_of(task_id, task) for task_id, task in self.tasks.items() if task.status == "waiting"}

    def left_to_leases(self) -> set[UUID]:
        """Ids of the jobs that may be there, though their tasks are over."""
        return {job_id_of(task_id, task) for task_id, task in self.calling.items()}

    def left(self) -> Iterator[UUID]:
        """Executions that go on, and that no task waits for any more."""
        for child_id, task_id in self.children.items():
            task = self.tasks.get(task_id)
            if task is None or child_id not in task.waits_for:
                yield child_id

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        """As `WorkInvariants.jobs`, of tasks that no execution asks for. What another agent does is nobody's job here."""
        for task_id, task in self.tasks.items():
            requested = task.requested
            if requested is not None and requested.activation_id is None and not requested.external and task.status != "waiting":
                yield task_id, task_id
