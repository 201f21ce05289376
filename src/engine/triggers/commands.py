"""What people do with a trigger: pause it, resume it, run it now, make up for times of the past, give a webhook a new address."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from domain.execution import EXECUTION
from domain.facts import Decided, Invalid, Json, NotFound, RuleViolation, View
from domain.trigger import (
    SCHEDULE,
    TRIGGER,
    WEBHOOK,
    Trigger,
    TriggerBackfilled,
    TriggerEvent,
    TriggerFreed,
    TriggerPaused,
    TriggerResumed,
    TriggerSecretRotated,
    folded,
)
from engine.context import Engine
from engine.triggers import BY_NAME
from engine.triggers.changing import changed
from engine.triggers.overlap import MOST_WAITING
from engine.triggers.schedule import schedule_of
from engine.triggers.starting import Start, run_by_hand

MOST_TIMES = 500
"""Of one backfill."""


class NoSuchTrigger(NotFound):
    """There is no such trigger."""


class TriggerIsRetired(RuleViolation):
    """The trigger is retired: no published version of its workflow has it, or the workflow is archived."""

    code = "trigger_retired"


class TriggerIsPaused(RuleViolation):
    """The trigger is paused."""

    code = "trigger_paused"


class TriggerNotPaused(RuleViolation):
    """The trigger is not paused."""

    code = "trigger_not_paused"


class NotASchedule(RuleViolation):
    """Only a schedule has times of the past to make up for."""

    code = "not_a_schedule"


class NotAWebhook(RuleViolation):
    """Only a webhook has an address."""

    code = "not_a_webhook"


def pause(view: View, trigger_id: UUID, reason: str | None = None) -> Decided:
    """It starts nothing until it is resumed. What a schedule misses meanwhile, only a backfill makes up for."""
    if read_live(view, trigger_id).paused:
        raise TriggerIsPaused
    return _answer(view, trigger_id, TriggerPaused(reason))


def resume(view: View, trigger_id: UUID, reason: str | None = None) -> Decided:
    if not read_live(view, trigger_id).paused:
        raise TriggerNotPaused
    return _answer(view, trigger_id, TriggerResumed(reason))


def run_now(
    view: View, engine: Engine, trigger_id: UUID, payload: Json, by: UUID | None = None, behind: Sequence[UUID] = ()
) -> Decided:
    """Start an execution as the trigger would, paused or not, and whatever else runs. result {execution}."""
    state = read_live(view, trigger_id)
    variables = BY_NAME[state.type].by_hand(view.now, payload)
    wanted = Start(
        trigger_id,
        state,
        view.new_id(),
        variables,
        {"by_hand": True, **{name: value for name, value in variables.items() if name == "event"}},
        by_hand=True,
        created_by=by,
        behind=tuple(behind),
    )
    return run_by_hand(view, engine, wanted)


def backfill(view: View, trigger_id: UUID, start: datetime, end: datetime, *, concurrent: bool = False) -> Decided:
    """Start the executions that a schedule's times from one moment to another lack; one after the other, or all at once."""
    state = read_live(view, trigger_id)
    if state.type != SCHEDULE:
        raise NotASchedule
    if start > end:
        raise Invalid("The end lies before the beginning.", "/to")
    if end > view.now:
        raise Invalid("Only times of the past can be made up for.", "/to")
    waiting = {each.at for each in state.waiting}
    times = schedule_of(state.config).between(start, end, MOST_TIMES + 1)
    if len(times) > MOST_TIMES:
        raise Invalid(f"There are more than {MOST_TIMES} times in between; make up for them in several steps.", "/to")
    missing = tuple(at for at in times if at not in waiting)
    if len(missing) + len(waiting) > MOST_WAITING:
        raise Invalid(f"More than {MOST_WAITING} times would wait.", "/to")
    events: list[TriggerEvent] = []
    if state.running is not None and not view.read(EXECUTION, state.running).live:
        events.append(TriggerFreed(state.running))
    if missing:
        events.append(TriggerBackfilled(start, end, missing, concurrent))
    decided = _answer(view, trigger_id, *events)
    return replace(decided, result={**decided.result, "times": len(missing)})


def rotate(view: View, trigger_id: UUID, secret_hash: str) -> Decided:
    """A webhook has a new address from now on, and only that one."""
    if read_live(view, trigger_id).type != WEBHOOK:
        raise NotAWebhook
    return _answer(view, trigger_id, TriggerSecretRotated(secret_hash))


def read_live(view: View, trigger_id: UUID) -> Trigger:
    state = view.read(TRIGGER, trigger_id)
    if not state.exists:
        raise NoSuchTrigger
    if state.retired:
        raise TriggerIsRetired
    return state


def _answer(view: View, trigger_id: UUID, *events: TriggerEvent) -> Decided:
    after = folded(view.read(TRIGGER, trigger_id), events)
    result = {
        "id": str(trigger_id),
        "key": after.key,
        "type": after.type,
        "status": "paused" if after.paused else "active",
        "version": view.version(trigger_id) + len(events),
    }
    return changed(view, trigger_id, events, result)
