"""What must hold of AI tasks, event by event: one attempt at a time, in order, each ended once, and sums that add up; no tool
is called that was not asked for, or that was denied; what people are asked is answered once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from domain.ai_task import (
    AiTaskAnswered,
    AiTaskAsked,
    AiTaskAttemptFailed,
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCancelled,
    AiTaskCompleted,
    AiTaskFailed,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallFailed,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Totals,
    Usage,
)
from domain.envelope import RecordedEvent
from projections.budget_invariants import BudgetInvariants, Took

TURNED_AWAY = ("rate_limit", "overloaded", "quota", "auth", "bad_request", "context_length")
ENDED = (AiTaskAttemptSucceeded, AiTaskAttemptFailed)
CLOSED = (AiTaskCompleted, AiTaskFailed, AiTaskCancelled)
CALLED = (AiTaskToolCallDenied, AiTaskToolCallStarted, AiTaskToolCallSucceeded, AiTaskToolCallFailed)
ASKED = (AiTaskAsked, AiTaskAnswered)


class Spent(NamedTuple):
    """What is kept of an attempt that ended: not its output, which may be large."""

    cost: Decimal | None
    currency: str | None
    usage: Usage | None


@dataclass
class Told:
    """What the events seen so far tell of a task."""

    attempts: int = 0
    running: UUID | None = None
    ended: list[Spent] = field(default_factory=list)
    closed: bool = False
    calls: dict[UUID, str] = field(default_factory=dict)
    """Of the last turn: open, running, denied or ended."""
    started_calls: int = 0
    questions: set[UUID] = field(default_factory=set)


@dataclass
class AiInvariants:
    _tasks: dict[UUID, Told] = field(default_factory=dict)
    budgets: BudgetInvariants = field(default_factory=BudgetInvariants)

    def see(self, record: RecordedEvent) -> Iterator[str]:
        """What is wrong with an event after those seen before."""
        event = record.event
        yield from self.of_budgets(record)
        if isinstance(event, AiTaskRequested):
            if record.stream_id in self._tasks:
                yield "requests a task that was requested before"
            self._tasks[record.stream_id] = Told()
        elif isinstance(event, (AiTaskAttemptStarted, *ENDED, *CLOSED, *CALLED, *ASKED)):
            task = self._tasks.get(record.stream_id)
            if task is None:
                yield "is of a task that was never requested"
            elif isinstance(event, AiTaskAttemptStarted):
                yield from _started(task, event)
            elif isinstance(event, ENDED):
                yield from _ended(task, event)
            elif isinstance(event, CALLED):
                yield from _called(task, event)
            elif isinstance(event, ASKED):
                yield from _asked(task, event)
            else:
                yield from _closed(task, event)

    def of_budgets(self, record: RecordedEvent) -> Iterator[str]:
        match record.event:
            case AiTaskAttemptStarted() as event:
                self.budgets.started(event.attempt_id, event.reserved or ())
            case AiTaskToolCallStarted() as event:
                self.budgets.started(event.call_id, event.reserved or ())
            case AiTaskAttemptSucceeded() | AiTaskAttemptFailed() as event:
                yield from self.budgets.ended(event.attempt_id, took(event))
            case AiTaskToolCallSucceeded() | AiTaskToolCallFailed() as event:
                yield from self.budgets.ended(event.call_id, Took(tool_calls=1))
            case _:
                yield from self.budgets.see(record)


def took(event: AiTaskAttemptSucceeded | AiTaskAttemptFailed) -> Took:
    """What an attempt took of budgets, by its end. Whom a provider turned away took nothing, even if nobody says so."""
    if isinstance(event, AiTaskAttemptSucceeded) and event.cached_from is not None:
        return Took()
    if isinstance(event, AiTaskAttemptFailed) and event.usage is None and event.cost is None and event.error.type in TURNED_AWAY:
        return Took(calls=1)
    usage = event.usage
    return Took(None if usage is None else usage.input_tokens + usage.output_tokens, event.cost, event.currency, calls=1)


def _started(task: Told, event: AiTaskAttemptStarted) -> Iterator[str]:
    if task.closed:
        yield "came after the task was over"
    if task.running is not None:
        yield "began while another attempt ran"
    if "running" in task.calls.values():
        yield "began while a tool was called"
    if event.number != task.attempts + 1:
        yield f"is attempt {event.number} after {task.attempts}"
    task.attempts, task.running = event.number, event.attempt_id


def _ended(task: Told, event: AiTaskAttemptSucceeded | AiTaskAttemptFailed) -> Iterator[str]:
    if (event.attempt_id, event.number) != (task.running, task.attempts):
        yield "ends an attempt that does not run"
    task.running = None
    if not task.closed:
        task.ended.append(Spent(event.cost, event.currency, event.usage))
    if isinstance(event, AiTaskAttemptSucceeded) and event.purpose != "guard":
        task.calls = {call.id: "open" for call in event.calls or ()}


Called = AiTaskToolCallDenied | AiTaskToolCallStarted | AiTaskToolCallSucceeded | AiTaskToolCallFailed


def _called(task: Told, event: Called) -> Iterator[str]:
    stands = task.calls.get(event.call_id)
    if stands is None:
        yield "is of a call that the model's last answer does not ask for"
    match event:
        case AiTaskToolCallStarted():
            if stands in ("running", "denied", "ended"):
                yield f"starts a call that is {stands}"
            if task.closed:
                yield "came after the task was over"
            task.calls[event.call_id] = "running"
            task.started_calls += event.number == 1
        case AiTaskToolCallDenied():
            if stands != "open":
                yield f"denies a call that is {stands}"
            task.calls[event.call_id] = "denied"
        case _:
            if stands != "running":
                yield f"ends a call that is {stands}"
            again = isinstance(event, AiTaskToolCallFailed) and event.retry is not None
            task.calls[event.call_id] = "open" if again else "ended"


def _asked(task: Told, event: AiTaskAsked | AiTaskAnswered) -> Iterator[str]:
    if isinstance(event, AiTaskAsked):
        if event.request_id in task.questions:
            yield "asks what is asked already"
        task.questions.add(event.request_id)
    elif event.request_id not in task.questions:
        yield "answers what was not asked"
    else:
        task.questions.remove(event.request_id)


def _closed(task: Told, event: AiTaskCompleted | AiTaskFailed | AiTaskCancelled) -> Iterator[str]:
    if task.closed:
        yield "came after the task was over"
    task.closed, spent = True, totals_of(task)
    task.ended.clear()
    task.questions.clear()
    if isinstance(event, AiTaskCancelled):
        return
    if task.running is not None and not (isinstance(event, AiTaskFailed) and event.error.type == "time_limit"):
        yield "came while an attempt ran"
    if event.totals != spent:
        yield f"says {event.totals}, its attempts come to {spent}"


def totals_of(task: Told) -> Totals:
    """The sums over the attempts that ended; the first known cost tells the currency."""
    priced = [each for each in task.ended if each.cost is not None]
    currency = priced[0].currency if priced else None
    costs = [each.cost for each in priced if each.cost is not None and each.currency == currency]
    used = [each.usage for each in task.ended if each.usage is not None]
    return Totals(
        len(task.ended),
        sum(usage.input_tokens for usage in used),
        sum(usage.output_tokens for usage in used),
        sum(costs, Decimal(0)) if costs else None,
        currency,
        len(task.ended) - len(costs),
        task.started_calls or None,
    )
