"""What may be started: a published version of a workflow, with an input that fits it; by a client or by another execution."""

from dataclasses import replace
from uuid import UUID

from domain.execution import ExecutionStarted
from domain.facts import FieldError, Invalid, Json, NotFound, RuleViolation, View
from domain.workflow import Workflow
from engine.definition import Definition
from engine.expressions import Budgeted, ExpressionError, resolve
from engine.schema import faults
from engine.variables import base_variables


class NoSuchWorkflow(NotFound):
    """There is no such workflow."""


class NotPublished(RuleViolation):
    """The workflow has no published version."""

    code = "workflow_not_published"


class Archived(RuleViolation):
    """The workflow is archived."""

    code = "workflow_archived"


class UnknownVersion(Invalid):
    """The workflow has no such version."""

    code = "unknown_version"


class InvalidInput(Invalid):
    """The input does not fit the workflow's input schema."""

    code = "invalid_input"


def version_of(workflow: Workflow, wanted: int | None) -> int:
    if workflow.status == "absent":
        raise NoSuchWorkflow
    if workflow.status == "archived":
        raise Archived
    if workflow.published_version is None:
        raise NotPublished
    if wanted is None:
        return workflow.published_version
    if wanted not in workflow.versions:
        detail = f"The workflow has no version {wanted}."
        raise UnknownVersion(detail, "/version", (FieldError("/version", "unknown_version", detail),))
    return wanted


def accept_input(view: View, definition: Definition, value: Json) -> None:
    schema = definition.input_schema
    found = () if schema is None else faults(schema, value, "/input", view.effort)
    if found:
        raise InvalidInput("", found[0].path, found)


def with_attributes(
    view: View, evaluator: Budgeted, definition: Definition, execution_id: UUID, started: ExecutionStarted
) -> ExecutionStarted:
    """The search attributes, evaluated on what is known at the start. One that cannot be evaluated refuses the start."""
    if not definition.search_attributes:
        return started
    variables = {**base_variables(view, execution_id, started), "nodes": {}}
    attributes: dict[str, Json] = {}
    for name, source in definition.search_attributes.items():
        try:
            attributes[name] = resolve(source, evaluator, variables)
        except ExpressionError as error:
            detail = f"The search attribute {name} cannot be evaluated: {error}"
            raise InvalidInput(detail, "/input", (FieldError("/input", error.code, detail),)) from error
        if isinstance(attributes[name], dict | list):
            detail = f"The search attribute {name} must be a text, a number, a boolean or null."
            raise InvalidInput(detail, "/input", (FieldError("/input", "invalid_value", detail),))
    return replace(started, attributes=attributes)
