"""How an execution begins that is another one's, or an AI task's: which version, with what input, and how deep it is."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from domain import workflow as domain
from domain.execution import ExecutionStarted, NodeError
from domain.facts import Json, Refusal, View
from domain.workflow import WORKFLOW_KEY
from engine.definition import Definition
from engine.expressions import Budgeted
from engine.invalid import InvalidValue
from engine.starting import accept_input, version_of, with_attributes
from engine.time_limit import with_timeout

MOST_DEPTH = 16
"""Executions within each other, the outermost not counted."""


Child = tuple[UUID, ExecutionStarted]
"""Its id and its beginning."""


class NoChild(Exception):
    """It cannot be started. `problem`: why."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.problem = NodeError(type, message)


def child_of(
    view: View,
    evaluator: Budgeted,
    definition_of: Callable[[UUID, int], Definition],
    *,
    key: str,
    version: int | None,
    input: Json,
    depth: int,
    **about: Any,
) -> Child:
    """`about`: fields of its first event. Raises NoChild and InvalidValue."""
    workflow_id = view.owner(WORKFLOW_KEY, key)
    if workflow_id is None:
        raise NoChild("unknown_workflow", f"There is no workflow {key}.")
    if not isinstance(input, dict):
        raise InvalidValue("input must be an object")
    if depth > MOST_DEPTH:
        raise NoChild("too_deep", f"More than {MOST_DEPTH} executions within each other.")
    workflow = view.read(domain.WORKFLOW, workflow_id)
    child_id = view.new_id()
    try:
        number = version_of(workflow, version)
        definition = definition_of(workflow_id, number)
        accept_input(view, definition, input)
        start = next(node.id for node in definition.nodes if node.type == "start")
        started = ExecutionStarted(workflow_id, workflow.key, number, start, input, trigger_type="child", depth=depth, **about)
        started = with_attributes(view, evaluator, definition, child_id, started)
        return child_id, with_timeout(definition, child_id, started)
    except Refusal as refused:
        raise NoChild(refused.code, _message(refused)) from None


def _message(refused: Refusal) -> str:
    """With the first fault that it names."""
    if not refused.errors:
        return refused.message
    first = refused.errors[0]
    return refused.message if first.message == refused.message else f"{refused.message} {first.path}: {first.message}"
