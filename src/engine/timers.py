"""A timer is due: what it ends, and what moves on from it."""

from typing import Protocol
from uuid import UUID

from domain.execution import EXECUTION
from domain.facts import Decided, NotForThisRelease, View
from engine.executions import answer, take_up
from engine.plans import Engine
from engine.work import TIMEOUT


class DueTimer(Protocol):
    """A timer as it was found: `store.due.DueTimer`, for one. `between_attempts`: nobody had the visit's job then."""

    @property
    def id(self) -> UUID: ...
    @property
    def moved(self) -> int: ...
    @property
    def between_attempts(self) -> bool: ...
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
    if activation is None:
        return Decided(dropped_timers=(timer.id,), result={"execution": None})
    if state.status == "paused" or activation.moved != timer.moved:
        return Decided(result={"execution": None})  # it was found before a pause held or moved it
    run = take_up(view, engine, timer.execution_id, state)
    run.time_out(activation.id, activation.retries if timer.between_attempts and activation.retries else activation.attempt)
    run.advance()
    return run.decided({"execution": answer(run)})
