"""Previews of an approval node, of a request of its own, and of past requests under another rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from domain.approval import APPROVAL, Approval, OwnRequest
from domain.effort import Effort
from domain.execution import EXECUTION, ExecutionStarted, evolve
from domain.facts import FieldError, Invalid, Json, View
from domain.workflow import WORKFLOW
from engine.context import Engine
from engine.definition import Node
from engine.delegating import applying
from engine.executions import asking_run
from engine.expressions import Budgeted
from engine.nodes.kind import Visit
from engine.own_asker import OwnAsker
from engine.own_requests import NODE, Wanted, asker_of, require_sound
from engine.previewing import Asked, Preview, asked_in, both, preview, told
from engine.schema import faults
from engine.starting import accept_input, version_of
from engine.variables import base_variables


class NoApprovalNode(Invalid):
    """The workflow has no approval node of this name."""

    code = "no_approval_node"


class NotPast(Invalid):
    """The approval request cannot be asked about as it was: what asked is over, or it moved on."""

    code = "not_to_be_told"


@dataclass(frozen=True)
class NodeWanted:
    """An approval node, and what an execution that comes to it is supposed to have. `outputs`: of nodes before it."""

    workflow_id: UUID
    version: int | None
    node_id: str
    input: Json
    outputs: Mapping[str, Json]


def of_node(view: View, engine: Engine, wanted: NodeWanted, requested_by: UUID | None, behind: Sequence[UUID] = ()) -> Json:
    workflow = view.read(WORKFLOW, wanted.workflow_id)
    number = version_of(workflow, wanted.version)
    plan = engine.plan(view, wanted.workflow_id, number)
    node = plan.nodes.get(wanted.node_id)
    if node is None or node.type != NODE.name:
        raise NoApprovalNode(f"The workflow has no approval node {wanted.node_id}.", "/node_id")
    accept_input(view, plan.definition, wanted.input)
    execution_id = view.new_id()
    started = ExecutionStarted(
        wanted.workflow_id, workflow.key, number, plan.start, wanted.input, created_by=requested_by, behind=tuple(behind) or None
    )
    nodes = {name: {"output": output} for name, output in wanted.outputs.items()}
    variables = {**base_variables(view, execution_id, started), "nodes": nodes}
    evaluator = Budgeted(engine.evaluator, view.effort)
    state = evolve(EXECUTION.initial, started)
    visit = Visit(view, evaluator, node, execution_id, state, view.new_id(), variables)
    found = preview(visit, partial(applying, view, engine, workflow_key=workflow.key))
    return told(found, requested_by, node.config)


def of_request(view: View, engine: Engine, wanted: Wanted, by: UUID | None, behind: tuple[UUID, ...] = ()) -> Json:
    try:
        require_sound(view, wanted, tuple(one for one in (by, *behind) if one is not None))
    except Invalid as error:
        errors = tuple(replace(each, path=f"/request{each.path}") for each in error.errors)
        raise Invalid(error.message, f"/request{error.path or ''}", errors) from None
    asker = asker_of(view, engine, OwnRequest(by, behind, dict(wanted.definition)))
    return told(preview(asker, partial(applying, view, engine, workflow_key="")), by, wanted.definition)


# Past requests under another rule --------------------------------------------------------------------------------------


def require_config(effort: Effort, config: Json) -> None:
    """That it is an approval node's, as far as that can be told without a workflow. Raises Invalid."""
    found = faults(NODE.config, config, "/definition", effort=effort)
    if not found:
        linted = (fault for fault in NODE.lint(Node("", NODE.name, config)) if fault.severity == "error")
        found = tuple(FieldError(f"/definition{fault.path}", fault.code, fault.message) for fault in linted)
    if found:
        raise Invalid(found[0].message, found[0].path, found)


def under(view: View, engine: Engine, request_id: UUID, config: Json) -> Json:
    """Who was asked in a request, and who would have been under another configuration. The view is as of when it was asked.

    Of a request in steps both sides suppose that each step was approved.
    """
    approval = view.read(APPROVAL, request_id)
    visit, workflow_key = _asker(view, engine, approval)
    applies = partial(applying, view, engine, workflow_key=workflow_key)
    then = preview(visit, applies) if approval.in_steps else _as_asked(visit, approval, applies)
    now = preview(replace(visit, node=replace(visit.node, config=config)), applies)
    difference = dict(both(then.everybody, now.everybody))
    return {
        "then": _side(then),
        "now": _side(now),
        **difference,
        "same": not any(difference.values()) and _side(then)["steps"] == _side(now)["steps"],
    }


def _asker(view: View, engine: Engine, approval: Approval) -> tuple[Visit | OwnAsker, str]:
    if approval.own is not None:
        return asker_of(view, engine, approval.own), ""
    assert approval.execution_id is not None
    assert approval.activation_id is not None
    run = asking_run(view, engine, approval.execution_id, approval.item_id)
    if approval.activation_id not in run.state.activations:
        raise NotPast
    started = run.state.started
    return run.visit(approval.activation_id), "" if started is None else started.workflow_key


def _as_asked(visit: Visit | OwnAsker, approval: Approval, applies: Any) -> Preview:
    """Of a request without steps its first event says it."""
    (step,) = approval.steps
    return Preview([asked_in(visit.view, approval, step, applies)])


def _side(found: Preview) -> Json:
    return {"steps": [_told(each) for each in found.steps], "problem": found.problem}


def _told(asked: Asked) -> Json:
    names = asked.names
    return {
        "step": asked.number,
        "name": asked.name or None,
        "skipped": asked.step is None,
        "rule": None if asked.step is None else asked.step.rule,
        "users": names["users"],
        "roles": names["roles"],
        "anyone": names["anyone"],
        "people": [one["user_id"] for one in asked.people if one["may_decide"]],
        "people_total": asked.people_total,
    }
