"""set {values:{}}: its output is the values, evaluated."""

from engine.definition import Node
from engine.expressions import is_expression, resolve
from engine.nodes.kind import Done, Handles, NodeType, RunResult, Visit, object_schema


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error",))


def run(visit: Visit) -> RunResult:
    return Done(resolve(visit.node.config["values"], visit.evaluator, visit.variables))


def output(node: Node) -> object:
    """The names are known, and the types of what is no expression: an unknown field is an error at publishing."""
    return object_schema({name: _schema(value) for name, value in node.config["values"].items()})


def _schema(value: object) -> object:
    match value:
        case bool():
            return {"type": "boolean"}
        case int() | float():
            return {"type": "number"}
        case str() if not is_expression(value):
            return {"type": "string"}
        case _:
            return True


SET = NodeType("set", object_schema({"values": {"type": "object"}}, ("values",)), handles, run, output)
