"""A schedule's timer is due: a time has come, or what waited can be started."""

from datetime import datetime
from itertools import islice, takewhile
from typing import Protocol
from uuid import UUID

from domain.execution import EXECUTION, Execution
from domain.facts import Decided, View
from domain.trigger import CLOCK, TRIGGER, Clock, Trigger, TriggerFired, TriggerScheduled, run_of, timers_of
from engine.context import Engine
from engine.executions import load_run
from engine.triggers.changing import changed, joined
from engine.triggers.overlap import MOST_WAITING, verdict
from engine.triggers.schedule import Schedule, schedule_of, seen_at
from engine.triggers.starting import Attempt, Start, attempt, is_started

MOST_COUNTED = 10_000
"""Missed times that are counted; there may be more."""
OVERLAPS = "The execution before it still runs."
FULL = f"There are {MOST_WAITING} times that wait already."


class DueTimer(Protocol):
    """As `engine.timers.DueTimer`. `found_at`: the database's time when it was found to be due."""

    @property
    def id(self) -> UUID: ...
    @property
    def purpose(self) -> str: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def found_at(self) -> datetime: ...


def fire_trigger(view: View, engine: Engine, timer: DueTimer, trigger_id: UUID) -> Decided:
    """result {execution}, None where none was started."""
    state = view.read(TRIGGER, trigger_id)
    if timer.id not in {each.id for each in timers_of(trigger_id, state)}:
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    schedule = schedule_of(state.config)
    if timer.purpose != CLOCK:
        return _take_next(view, engine, trigger_id, state)
    if state.clock is None:
        return changed(view, trigger_id, [TriggerScheduled(schedule.clock(trigger_id, timer.due_at))], {"execution": None})
    assert state.clock.next_at is not None, "a clock without a next time has no timer"
    return _come(view, engine, trigger_id, state, state.clock.next_at, timer, schedule)


def _come(
    view: View, engine: Engine, trigger_id: UUID, state: Trigger, at: datetime, timer: DueTimer, schedule: Schedule
) -> Decided:
    """One of its times has come."""
    if timer.found_at - timer.due_at > schedule.catch_up:
        return _missed(view, trigger_id, at, timer.found_at, schedule)
    clock, run_id = schedule.clock(trigger_id, at), run_of(trigger_id, at)
    running = _running(view, state)
    match verdict(schedule.overlap, len(state.waiting), runs=running is not None):
        case "overlap":
            fired = TriggerFired(run_id, "skipped", at, code="overlap", message=OVERLAPS, clock=clock)
            return changed(view, trigger_id, [fired], {"execution": None})
        case "queue_full":
            fired = TriggerFired(run_id, "skipped", at, code="queue_full", message=FULL, clock=clock)
            return changed(view, trigger_id, [fired], {"execution": None})
        case "buffer":
            return changed(view, trigger_id, [TriggerFired(run_id, "buffered", at, clock=clock)], {"execution": None})
        case "cancel_and_start" if running is not None:
            return _start(view, engine, trigger_id, state, at, clock, instead_of=running)
        case _:
            return _start(view, engine, trigger_id, state, at, clock)


def _start(
    view: View,
    engine: Engine,
    trigger_id: UUID,
    state: Trigger,
    at: datetime,
    clock: Clock | None = None,
    instead_of: UUID | None = None,
) -> Decided:
    """Start the execution of a time; one that was started already is left as it is."""
    run_id = run_of(trigger_id, at)
    if is_started(view, run_id):
        tried = Attempt("skipped", code="started_before", message="There is an execution of this time.")
    else:
        freed = None if instead_of is None or _undoes(view.read(EXECUTION, instead_of)) else instead_of
        start = Start(trigger_id, state, run_id, seen_at(at), dict(seen_at(at)), at, freed=freed)
        tried = attempt(view, engine, start)
    fired = TriggerFired(run_id, tried.outcome, at, tried.live, tried.code, tried.message, clock)
    told = changed(view, trigger_id, [fired], {"execution": None if tried.decided is None else tried.decided.result})
    if tried.decided is None:
        return told
    if instead_of is None:
        return _in_order(told, tried.decided)
    return _in_order(told, _cancelled(view, engine, instead_of), tried.decided)


def _in_order(told: Decided, *executions: Decided) -> Decided:
    """What happens to executions comes first, and then what the trigger says of it."""
    whole = joined(*executions, told)
    return Decided(**{**vars(whole), "result": told.result})


def _cancelled(view: View, engine: Engine, execution_id: UUID) -> Decided:
    state = view.read(EXECUTION, execution_id)
    if state.compensation is not None:  # it is cancelled already
        return Decided()
    run = load_run(view, engine, execution_id, state)
    run.tells_trigger = False
    run.cancel("Its schedule starts another one.", None)
    run.advance()
    return run.decided(None)


def _undoes(state: Execution) -> bool:
    """Whether it is not over at once where it is cancelled: until then it keeps its business key."""
    return bool(state.compensable) or state.compensation is not None


def _take_next(view: View, engine: Engine, trigger_id: UUID, state: Trigger) -> Decided:
    """Start what waits first. If it turns out that another one runs, it waits for that."""
    first = state.waiting[0]
    if not first.concurrent and _running(view, state) is not None:
        return Decided(result={"execution": None})
    return _start(view, engine, trigger_id, state, first.at)


def _running(view: View, state: Trigger) -> UUID | None:
    """The execution that was started last, if it is not over."""
    return state.running if state.running is not None and view.read(EXECUTION, state.running).live else None


def _missed(view: View, trigger_id: UUID, at: datetime, now: datetime, schedule: Schedule) -> Decided:
    """Nobody was there for longer than is made up for: it goes on from where that begins."""
    since = max(at, now - schedule.catch_up)
    clock = schedule.clock(trigger_id, since)
    following = islice(schedule.after(at), MOST_COUNTED - 1)
    count = 1 + sum(1 for _ in takewhile(lambda each: clock.next_at is None or each < clock.next_at, following))
    message = (
        f"Missed, with those that follow: {count}{' or more' if count == MOST_COUNTED else ''}. Nobody was there to start them."
    )
    fired = TriggerFired(run_of(trigger_id, at), "skipped", at, code="missed", message=message, clock=clock, count=count)
    return changed(view, trigger_id, [fired], {"execution": None})
