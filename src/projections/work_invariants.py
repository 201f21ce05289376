"""Which jobs and timers there must be at the end of a ledger, told from its events alone.

A visit has the jobs and timers that it waits for. An execution that has done a
command's share of steps has one job more, which takes it up. So has a child that is out of step with the visit that waits for it:
one is over, and the other is not. A bulk operation has a job for its next step, a delivery one until it is over. A schedule has a
timer for its next time, and one for what waits. A job of its own is there while it is pending, with a timer where its time is
limited. So has an approval request of its own, and each open request has a timer for each of its moments that is to come.
Preferences with a digest have a timer for the next one. The job of an AI task is not there while that waits for people, or for a
workflow that is its tool. What an item of a foreach that was given up has is there until the item is ended, or until it is found
to be for nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from domain.bulk_operation import (
    BulkOperationCancelled,
    BulkOperationCompleted,
    BulkOperationFailed,
    BulkOperationProgressed,
    BulkOperationRequested,
    step_job,
)
from domain.envelope import RecordedEvent, Unread
from domain.event import EventDelivered, EventReceived, delivery_of
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    ActivationWaiting,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionHeld,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionStarted,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    ItemStarted,
    Wait,
)
from domain.facts import Due
from domain.notification_delivery import NOTIFICATION_DELIVERY, DeliveryAttemptFailed, DeliveryRequested, DeliveryRetried, job_of
from domain.trigger import TRIGGER, Trigger, timers_of
from engine.family import give_up_job, tell_job
from projections.ai_work_invariants import AiWorkInvariants
from projections.digest_invariants import DigestInvariants
from projections.foreach_invariants import ForeachInvariants
from projections.job_invariants import JobInvariants
from projections.own_approval_invariants import OwnApprovalInvariants

EXECUTION_ENDED = ExecutionCompleted | ExecutionFailed | ExecutionCancelled | ItemCompleted | ItemFailed | ItemCancelled

BULK_OPERATION = (
    BulkOperationRequested | BulkOperationProgressed | BulkOperationCompleted | BulkOperationCancelled | BulkOperationFailed
)


@dataclass
class VisitWork:
    jobs: set[UUID]
    children: set[UUID]
    timers: dict[UUID, tuple[datetime, ...]]
    """When each may be due; nothing where a pause has moved it, by the database's clock: the events do not say when."""


@dataclass
class Open:
    """An execution that has not ended."""

    visits: dict[UUID, VisitWork] = field(default_factory=dict)
    held: frozenset[int] = frozenset()
    continuation: UUID | None = None
    timer: dict[UUID, tuple[datetime, ...]] = field(default_factory=dict)
    """That of its time limit, where it has one."""
    compensating: bool = False
    """It ends by itself."""
    paused: bool = False
    execution_id: UUID | None = None
    """Of a foreach's item, the execution that it is a part of: that is paused, not the item."""
    within: tuple[UUID, UUID] | None = None
    """Of a foreach's item, the stream around it, and its visit that waits."""
    paused_at: datetime | None = None
    """Of older releases, which dropped visits' timers at a pause and set them again."""


@dataclass
class WorkInvariants:
    open: dict[UUID, Open] = field(default_factory=dict)
    children: dict[UUID, tuple[UUID, UUID]] = field(default_factory=dict)
    """Executions that live or are waited for: their parent and the visit of it that waits, or has waited."""
    foreaches: ForeachInvariants = field(default_factory=ForeachInvariants)
    queued: JobInvariants = field(default_factory=JobInvariants)
    own_approvals: OwnApprovalInvariants = field(default_factory=OwnApprovalInvariants)
    digests: DigestInvariants = field(default_factory=DigestInvariants)
    ai: AiWorkInvariants = field(default_factory=AiWorkInvariants)
    telling: set[UUID] = field(default_factory=set)
    """Events that are being told to those who wait."""
    steps: dict[UUID, tuple[int, bool]] = field(default_factory=dict)
    """By bulk operation of which a step is under way: its number, and whether another one may follow."""
    deliveries: dict[UUID, UUID] = field(default_factory=dict)
    """Those that are not over, and the job of each."""
    triggers: dict[UUID, Trigger] = field(default_factory=dict)
    trigger_timers: dict[UUID, dict[UUID, datetime]] = field(default_factory=dict)
    """By trigger: its timers, and when each is due."""
    unread: set[UUID] = field(default_factory=set)
    """Executions of whose events one cannot be read: nothing can be said of their work."""

    def see(self, record: RecordedEvent) -> None:
        event, stream = record.event, record.stream_id
        if isinstance(event, Unread):
            self.unread.add(stream)
        elif isinstance(event, EventReceived):
            self.telling.add(stream)
        elif isinstance(event, EventDelivered):
            self.telling.discard(stream)
        elif isinstance(event, BULK_OPERATION):
            self._move_bulk_operation(stream, event)
        elif isinstance(event, ExecutionStarted):
            self.open[stream] = Open(timer=_timers(record, () if event.timeout is None else (event.timeout,)))
            if event.parent_stream_id is not None and event.parent_activation_id is not None:
                self.children[stream] = event.parent_stream_id, event.parent_activation_id
        elif isinstance(event, ItemStarted):
            self.open[stream] = Open(execution_id=event.execution_id, within=(event.parent_id, event.activation_id))
        elif isinstance(event, EXECUTION_ENDED):
            ended = self.open.pop(stream, None)
            self._forget_children([stream] if ended is None else [stream, *_children(ended.visits.values())])
        elif isinstance(event, TRIGGER.events):
            self._move_trigger(record)
        elif isinstance(event, NOTIFICATION_DELIVERY.events):
            self._move_delivery(record)
        elif (execution := self.open.get(stream)) is not None:
            self._forget_children(_move(execution, record))
            if isinstance(event, ExecutionPaused | ExecutionResumed):
                for item in self.open.values():
                    if item.execution_id == stream:
                        _pause_item(item, paused=isinstance(event, ExecutionPaused))
        self.foreaches.see(record)
        self.queued.see(record)
        self.own_approvals.see(record)
        self.digests.see(record)
        self.ai.see(record)

    def _move_bulk_operation(self, stream: UUID, event: BULK_OPERATION) -> None:
        """It has a job for the step under way: also after it was cancelled, until that step has told what it did."""
        number, goes_on = self.steps.pop(stream, (1, True))
        match event:
            case BulkOperationRequested():
                self.steps[stream] = 1, True
            case BulkOperationProgressed() if goes_on:
                self.steps[stream] = number + 1, True
            case BulkOperationCancelled():
                self.steps[stream] = number, False
            case _:
                pass

    def _forget_children(self, over: Iterable[UUID]) -> None:
        """Those that neither live nor are waited for."""
        for child in over:
            if child in self.children and child not in self.open and not self._is_waited_for(child):
                del self.children[child]

    def _is_waited_for(self, child: UUID) -> bool:
        parent, visit = self.children[child]
        found = self.open[parent].visits.get(visit) if parent in self.open else None
        return found is not None and child in found.children

    def _move_trigger(self, record: RecordedEvent) -> None:
        state = self.triggers[record.stream_id] = TRIGGER.evolve(
            self.triggers.get(record.stream_id, TRIGGER.initial), record.event
        )
        known = self.trigger_timers.get(record.stream_id, {})
        self.trigger_timers[record.stream_id] = {
            timer.id: known.get(timer.id) or timer.due.moment(record.recorded_at) for timer in timers_of(record.stream_id, state)
        }

    def _move_delivery(self, record: RecordedEvent) -> None:
        match record.event:
            case DeliveryRequested():
                self.deliveries[record.stream_id] = job_of(record.stream_id, 0)
            case DeliveryRetried(turn=turn):
                self.deliveries[record.stream_id] = job_of(record.stream_id, turn)
            case DeliveryAttemptFailed():
                pass
            case _:
                self.deliveries.pop(record.stream_id, None)

    def jobs(self) -> Iterator[tuple[UUID, UUID]]:
        """(job, execution or other stream that it is for)."""
        for event_id in self.telling:
            yield delivery_of(event_id), event_id
        for operation_id, (step, _) in self.steps.items():
            yield step_job(operation_id, step), operation_id
        for delivery_id, job_id in self.deliveries.items():
            yield job_id, delivery_id
        for child in self.children:
            execution, waited_for = self.open.get(child), self._is_waited_for(child)
            if execution is None and waited_for:
                yield tell_job(child), child
            elif execution is not None and not waited_for and not execution.compensating:
                yield give_up_job(child), child
        yield from self.foreaches.jobs()
        yield from self.queued.jobs()
        yield from self.digests.jobs()
        yield from self.ai.jobs()
        for child in self.ai.left():
            if child in self.open and not self.open[child].compensating:
                yield give_up_job(child), child
        parked = self.ai.parked()
        for execution_id, execution in self._wanted():
            for visit in execution.visits.values():
                for job_id in visit.jobs - parked:
                    yield job_id, execution_id
            if execution.continuation is not None:
                yield execution.continuation, execution_id

    def timers(self) -> Iterator[tuple[UUID, UUID, tuple[datetime, ...]]]:
        """(timer, execution or other owner, when it may be due); nothing: the events do not say when."""
        yield from self.queued.timers()
        yield from self.own_approvals.timers()
        yield from self.digests.timers()
        yield from self.ai.timers()
        for execution_id, execution in self._wanted():
            visits = execution.visits.values() if execution.paused_at is None else ()
            for timers in (execution.timer, *(visit.timers for visit in visits)):
                for timer, due in timers.items():
                    yield timer, execution_id, () if execution.paused else due
        for trigger_id, set_for in self.trigger_timers.items():
            for timer, moment in set_for.items():
                yield timer, trigger_id, (moment,)

    def _wanted(self) -> Iterator[tuple[UUID, Open]]:
        """All but items whose foreach was given up, and is yet to be closed."""
        return (each for each in self.open.items() if not self._is_in_vain(each[1]))

    def _is_in_vain(self, execution: Open) -> bool:
        if execution.within is None:
            return False
        stream, visit = execution.within
        around = self.open.get(stream)
        return around is None or visit not in around.visits or self._is_in_vain(around)

    def left(self) -> set[UUID]:
        """Jobs and timers that may be there, and need not be: for nothing, but whoever finds that out takes them away."""
        found = self.ai.left_to_leases()
        for execution in self.open.values():
            if self._is_in_vain(execution):
                found |= {id for visit in execution.visits.values() for id in (*visit.jobs, *visit.timers)}
                found |= set() if execution.continuation is None else {execution.continuation}
        return found


def _move(execution: Open, record: RecordedEvent) -> list[UUID]:
    """The children that are no longer waited for."""
    event, left = record.event, list[UUID]()
    match event:
        case ActivationStarted():
            execution.visits[event.activation_id] = VisitWork(
                _jobs(event.waits), _executions(event.waits), _timers(record, event.waits)
            )
            _take(execution, {*event.tokens, *event.swallowed})
        case ActivationWaiting():
            visit = execution.visits.get(event.activation_id)
            if visit is not None:
                visit.jobs = (visit.jobs - {*event.ended}) | _jobs(event.added)
                left = [child for child in event.ended if child in visit.children]
                visit.children = (visit.children - {*event.ended}) | _executions(event.added)
                timers = {id: due for id, due in visit.timers.items() if id not in event.ended}
                visit.timers = timers | _timers(record, event.added)
        case ActivationCompleted() | ActivationFailed() | ActivationCancelled():
            visit = execution.visits.pop(event.activation_id, None)
            left = [] if visit is None else [*visit.children]
            if isinstance(event, ActivationCompleted) and event.interrupted:
                _take(execution, event.interrupted)
        case ExecutionCompensating():
            execution.held, execution.continuation, execution.timer = frozenset(), None, {}
            execution.compensating = True
        case ExecutionHeld() | ItemHeld():
            execution.held, execution.continuation = frozenset(event.tokens), event.job_id
        case ExecutionPaused():
            execution.paused, execution.paused_at, execution.continuation = True, event.at, None
        case ExecutionResumed():
            # what was left of a time limit is left again, by the database's clock
            execution.paused, execution.paused_at = False, None
            execution.timer = dict.fromkeys(execution.timer, ())
            for visit in execution.visits.values():
                visit.timers = dict.fromkeys(visit.timers, ())
        case _:
            pass
    return left


def _take(execution: Open, tokens: Iterable[int]) -> None:
    """Who has taken the last token that was held has the job, too, that would have taken it up."""
    execution.held -= {*tokens}
    if not execution.held:
        execution.continuation = None


def _pause_item(item: Open, *, paused: bool) -> None:
    item.paused = paused
    if not paused:
        for visit in item.visits.values():
            visit.timers = dict.fromkeys(visit.timers, ())


def _children(visits: Iterable[VisitWork]) -> Iterator[UUID]:
    return (child for visit in visits for child in visit.children)


def _executions(waits: Iterable[Wait]) -> set[UUID]:
    return {wait.id for wait in waits if wait.kind == "execution"}


def _jobs(waits: Iterable[Wait]) -> set[UUID]:
    return {wait.id for wait in waits if wait.kind == "job"}


def _timers(record: RecordedEvent, waits: Iterable[Wait]) -> dict[UUID, tuple[datetime, ...]]:
    return {wait.id: _due(record, wait.due) for wait in waits if wait.kind == "timer" and wait.due is not None}


def _due(record: RecordedEvent, due: Due) -> tuple[datetime, ...]:
    """A moment that is named may be what an older release made of a limit, by its own clock."""
    moment = due.moment(record.recorded_at)
    since = record.recorded_at - record.occurred_at
    if due.at is None or due.at > datetime.max.replace(tzinfo=UTC) - since:  # it may be the last moment there is
        return (moment,)
    return moment, due.at + since
