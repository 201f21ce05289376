"""The time that a whole execution may take: `timeout` at the top of a definition. A pause keeps what is left of it."""

from dataclasses import replace
from uuid import UUID

from domain.execution import EXECUTION, EXECUTION_TIMEOUT, ExecutionStarted, Wait
from domain.facts import Due, Timer, timer_id
from engine.definition import Definition


def with_timeout(definition: Definition, execution_id: UUID, started: ExecutionStarted) -> ExecutionStarted:
    if definition.timeout is None:
        return started
    id = timer_id(execution_id, EXECUTION_TIMEOUT)
    return replace(started, timeout=Wait("timer", id, EXECUTION_TIMEOUT, Due(definition.timeout)))


def execution_timer(execution_id: UUID, timeout: Wait) -> Timer:
    assert timeout.due is not None
    return Timer(timeout.id, timeout.due, timeout.about, EXECUTION.name, execution_id, execution_id)
