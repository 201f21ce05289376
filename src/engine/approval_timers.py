"""A timer of an approval request is due: of its own time, or of one of the moments that it has."""

from datetime import datetime
from typing import Protocol, get_args
from uuid import UUID

from domain.approval import APPROVAL
from domain.approval.times import RECKON, MomentKind
from domain.facts import Decided, NotForThisRelease, View
from engine.ai_answers import told
from engine.ai_asking import asker_of_task
from engine.approvals import carry_on
from engine.context import Engine
from engine.escalation import brought_about, come, reckoned
from engine.executions import ExecutionClosed, ExecutionIsPaused, ItemClosed
from engine.own_requests import TIMEOUT, expire


class DueTimer(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def purpose(self) -> str: ...
    @property
    def owner_id(self) -> UUID | None: ...


def fire_of_request(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """Each moment comes once. While the execution is paused it waits; where it has come to nothing, the timer goes."""
    if timer.purpose == TIMEOUT:
        return _time_is_up(view, engine, timer)
    if timer.owner_id is None or timer.purpose.removeprefix(RECKON).partition(" ")[0] not in get_args(MomentKind):
        raise NotForThisRelease(timer.purpose)
    approval = view.read(APPROVAL, timer.owner_id)
    found = come(timer.owner_id, approval, timer.id)
    if found is None:
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    set_again = reckoned(found, timer)
    if set_again is not None:
        return set_again
    try:
        return carry_on(view, engine, timer.owner_id, approval, lambda asker: brought_about(asker, approval, found))
    except (ExecutionIsPaused, ExecutionClosed, ItemClosed):
        return Decided(result={"execution": None})  # it was found before a pause held it, or an end took it along


def _time_is_up(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """Also the AI task is told that asks, where one does; a timer that was found before a pause held it waits."""
    expired = expire(view, engine, timer)
    if timer.owner_id is None or not expired.facts:
        return expired
    approval = view.read(APPROVAL, timer.owner_id)
    if approval.ai_task_id is None:
        return expired
    try:
        asker = asker_of_task(view, engine, timer.owner_id, approval)
        return told(asker, timer.owner_id, approval, expired)
    except (ExecutionIsPaused, ExecutionClosed, ItemClosed):
        return Decided(result={"execution": None})
