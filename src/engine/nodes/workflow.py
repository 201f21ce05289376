"""workflow {workflow_key, version?, input?, wait?}: starts another workflow of the tenant, and waits for its end.

The child keeps the version that was published when it began, or `version`. Its output is the node's. A child that fails is an
error of its code, one that is cancelled is `cancelled`. With `wait: false` the node goes on at once, and its output is
{id, workflow_key, version}. What ends the visit otherwise, its `timeout` for one, cancels the child (`engine.family`).
"""

from collections.abc import Iterator

from domain.execution import ExecutionCancelled, ExecutionCompleted, ExecutionFailed, NodeError, Wait
from domain.facts import Fact, Json
from engine.child_start import NoChild, child_of
from engine.definition import Node
from engine.expressions import is_expression, resolve
from engine.happenings import ChildEnded
from engine.invalid import InvalidValue
from engine.nodes.kind import Done, Failed, Fault, Handles, NodeType, RunResult, Visit, Waiting, Woken, object_schema

CANCELLED = "cancelled"
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
VERSION = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}


def run(visit: Visit) -> RunResult:
    config = resolve(visit.node.config, visit.evaluator, visit.variables)
    key, version = _key(config["workflow_key"]), _version(config.get("version"))
    input, waits = config.get("input", {}), config.get("wait", True)
    parent = visit.execution.started
    assert parent is not None
    try:
        child_id, started = child_of(
            visit.view,
            visit.evaluator,
            visit.definition_of,
            key=key,
            version=version,
            input=input,
            depth=(parent.depth or 0) + 1,
            priority=parent.priority,
            trigger_data={
                "execution_id": str(visit.execution_id),
                "activation_id": str(visit.activation_id),
                "node_id": visit.node.id,
            },
            parent_execution_id=visit.execution_id,
            correlation_id=parent.correlation_id,
            created_by=parent.created_by,
            behind=parent.behind,
            parent_activation_id=visit.activation_id if waits else None,
            event_depth=parent.event_depth,
            parent_item_id=visit.item_id if waits else None,
        )
    except NoChild as refused:
        return Failed(refused.problem)
    fact = Fact(child_id, started)
    if waits:
        return Waiting((Wait("execution", child_id, key),), (fact,), input=input)
    return Done({"id": str(child_id), "workflow_key": key, "version": started.workflow_version}, facts=(fact,))


def _key(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidValue("workflow_key must be a text")
    return value


def _version(value: Json) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31):
        raise InvalidValue("version must be a whole number from 1")
    return value


def _failed(type: str, message: str) -> Failed:
    return Failed(NodeError(type, message))


def on_child(_visit: Visit, ended: ChildEnded) -> Woken:
    match ended.events[-1]:
        case ExecutionCompleted(output):
            return Done(output)
        case ExecutionFailed(code, message):
            return _failed(code, message)
        case ExecutionCancelled(reason):
            return _failed(CANCELLED, reason or "The child was cancelled.")
        case event:
            raise AssertionError(f"an execution does not end by {type(event).__name__}")


def output(node: Node) -> Json:
    if node.config.get("wait", True):
        return None
    return object_schema({"id": {"type": "string"}, "workflow_key": {"type": "string"}, "version": {"type": "integer"}})


def lint(node: Node) -> Iterator[Fault]:
    if node.timeout is not None and not node.config.get("wait", True):
        yield Fault("/wait", "nothing_to_time_out", "A node that does not wait for the child has no timeout.")
    input = node.config.get("input", {})
    if not isinstance(input, dict) and not is_expression(input):
        yield Fault("/input", "invalid_value", "input must be an object, or an expression that gives one.")


WORKFLOW = NodeType(
    "workflow",
    object_schema(
        {
            "workflow_key": {"type": "string", "minLength": 1},
            "version": {"anyOf": [VERSION, EXPRESSION]},
            "input": True,
            "wait": {"type": "boolean"},
        },
        ("workflow_key",),
    ),
    handles=lambda _node: Handles(("success",), ("error", "timeout")),
    run=run,
    output=output,
    lint=lint,
    waits=True,
    may_fail=True,
    on_child=on_child,
)
