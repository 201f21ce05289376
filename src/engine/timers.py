"""A timer is due: what it ends, or whom it tells, and what moves on from it. By the kind of its owner."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.ai_task import AI_TASK
from domain.approval import APPROVAL
from domain.execution import EXECUTION, EXECUTION_TIMEOUT, TIMEOUT, Activation
from domain.facts import Decided, NotForThisRelease, View
from domain.job import JOB
from domain.notification_preferences import NOTIFICATION_PREFERENCES, fall_due
from domain.trigger import TRIGGER
from engine import own_ai_tasks
from engine.approval_timers import fire_of_request
from engine.context import Engine
from engine.enclosing import execution_of, is_wanted
from engine.executions import answer, load_run
from engine.happenings import TimerFired
from engine.queued_jobs import run_out_of_time
from engine.run import Run
from engine.triggers.firing import fire_trigger


class DueTimer(Protocol):
    """A timer as it was found: `store.due.DueTimer`, for one. `between_attempts`: nobody had the visit's job then.

    `found_at`: that moment, by the database's clock.
    """

    @property
    def id(self) -> UUID: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def found_at(self) -> datetime: ...
    @property
    def moved(self) -> int: ...
    @property
    def between_attempts(self) -> bool: ...
    @property
    def purpose(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def owner_id(self) -> UUID | None: ...
    @property
    def activation_id(self) -> UUID | None: ...


class UnknownTimer(NotForThisRelease):
    """There is no such owner of timers: it was set by a newer release."""


def fire(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """That it is due is the ledger's word, by its clock. A timer that was moved or stopped meanwhile does nothing.

    result {execution: {id, status, version, open}, or None where nothing came of it}.
    """
    if timer.owner not in OWNERS:
        raise UnknownTimer(timer.owner)
    return OWNERS[timer.owner](view, engine, timer)


def _visit_is_told(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """The visit's time is up: it leaves by `timeout`, whatever it waits for is given up. What it set itself, its node is told."""
    if timer.owner_id is not None and timer.purpose == EXECUTION_TIMEOUT:
        return _time_is_up(view, engine, timer, timer.owner_id)
    if timer.owner_id is None or timer.activation_id is None:
        raise UnknownTimer(timer.purpose)
    state = view.read(EXECUTION, timer.owner_id)
    activation = state.activations.get(timer.activation_id)
    if activation is None or timer.id not in activation.waits_for("timer"):
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    run = load_run(view, engine, timer.owner_id, state)
    if not is_wanted(run):
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    if execution_of(run).state.status == "paused" or _moved(run, activation, timer.id) != timer.moved:
        return Decided(result={"execution": None})  # it was found before a pause held or moved it
    if timer.purpose == TIMEOUT:
        run.time_out(activation.id, activation.retries if timer.between_attempts and activation.retries else activation.attempt)
    else:
        run.wake(activation.id, TimerFired(timer.id, timer.purpose))
    run.advance()
    return run.decided({"execution": answer(run)})


def _time_is_up(view: View, engine: Engine, timer: DueTimer, execution_id: UUID) -> Decided:
    """Of the whole execution: it fails, and what it has done is undone."""
    state = view.read(EXECUTION, execution_id)
    if state.timeout is None or state.timeout.id != timer.id:
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    if state.status == "paused" or state.timeout_moved != timer.moved:
        return Decided(result={"execution": None})  # it was found before a pause held or moved it
    run = load_run(view, engine, execution_id, state)
    run.run_out_of_time()
    run.advance()
    return run.decided({"execution": answer(run)})


def _trigger_fires(view: View, engine: Engine, timer: DueTimer) -> Decided:
    if timer.owner_id is None:
        raise UnknownTimer(timer.purpose)
    return fire_trigger(view, engine, timer, timer.owner_id)


def _job_runs_out_of_time(view: View, _engine: Engine, timer: DueTimer) -> Decided:
    if timer.owner_id is None:
        raise UnknownTimer(timer.purpose)
    return run_out_of_time(view, timer.owner_id, timer.id)


def _digest_falls_due(view: View, _engine: Engine, timer: DueTimer) -> Decided:
    if timer.owner_id is None:
        raise UnknownTimer(timer.purpose)
    return fall_due(view, timer.owner_id, timer.id)


def _moved(run: Run, activation: Activation, timer_id: UUID) -> int:
    """How often pauses have moved it since it was set."""
    if run.state.item is None:
        return activation.moved.get(timer_id, 0)
    set_at = next(wait.resumes or 0 for wait in activation.waits if wait.id == timer_id)
    return execution_of(run).state.resumes - set_at


OWNERS: Mapping[str, Callable[[View, Engine, DueTimer], Decided]] = {
    EXECUTION.name: _visit_is_told,
    TRIGGER.name: _trigger_fires,
    JOB.name: _job_runs_out_of_time,
    APPROVAL.name: fire_of_request,
    AI_TASK.name: own_ai_tasks.expire,
    NOTIFICATION_PREFERENCES.name: _digest_falls_due,
}
"""What a timer that is due does, by its owner's aggregate. Those of other owners are left to a release that knows them."""
