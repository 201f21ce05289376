"""set {values:{}}: its output is the values, evaluated."""

from engine.definition import Node
from engine.expressions import is_expression, resolve
from engine.nodes.kind import Done, Handles, NodeType, Outcome, Visit, object_schema


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error",))


def run(visit: Visit) -> Outcome:
    return Done(resolve(visit.node.config["values"], visit.evaluator, visit.variables))


def output(node: Node) -> object:
    """The names are known, and the types of what is no expression: an unknown field is an error at publishing."""
    properties = {name: True if _dynamic(value) else {"const": value} for name, value in node.config["values"].items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _dynamic(value: object) -> bool:
    return is_expression(value) or isinstance(value, dict | list | str)


SET = NodeType("set", object_schema({"values": {"type": "object"}}, ("values",)), handles, run, output)
