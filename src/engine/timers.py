"""A timer is due: what it ends, and what moves on from it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.execution import EXECUTION
from domain.facts import Decided, NotForThisRelease, View
from engine.executions import answer, take_up
from engine.plans import Engine
from engine.work import TIMEOUT


class DueTimer(Protocol):
    """A timer as it was found: `domain.facts.Timer`, for one."""

    @property
    def id(self) -> UUID: ...
    @property
    def due_at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def execution_id(self) -> UUID | None: ...
    @property
    def activation_id(self) -> UUID | None: ...


class UnknownTimer(NotForThisRelease):
    """There is no such kind of timer: it was set by a newer release."""


def expire(view: View, engine: Engine, timer: DueTimer) -> Decided:
    """The visit's time is up: it leaves by `timeout`, whatever it waits for is given up; never tried again.

    That it is due is the ledger's word, by its clock. A timer that was moved or stopped meanwhile ends nothing.
    result {execution: {id, status, version, open}, or None where nothing was ended}.
    """
    if timer.kind != TIMEOUT or timer.execution_id is None or timer.activation_id is None:
        raise UnknownTimer(timer.kind)
    state = view.read(EXECUTION, timer.execution_id)
    activation = state.activations.get(timer.activation_id)
    if activation is None or state.status == "paused":
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    if activation.timeout_at != timer.due_at:
        return Decided(result={"execution": None})  # the row that bears its id now is another one
    run = take_up(view, engine, timer.execution_id, state)
    run.time_out(activation.id)
    run.advance()
    return run.decided({"execution": answer(run)})
