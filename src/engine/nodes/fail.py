"""fail {code, message}: the execution fails with this code; everything else that is alive is cancelled."""

from domain.execution import NodeError
from engine.definition import Node
from engine.expressions import resolve
from engine.nodes.kind import Failed, Handles, InvalidValue, NodeType, RunResult, Visit, object_schema

TEXT = {"type": "string", "minLength": 1, "maxLength": 2000}


def handles(_node: Node) -> Handles:
    return Handles()


def run(visit: Visit) -> RunResult:
    config = resolve(visit.node.config, visit.evaluator, visit.variables)
    for field in ("code", "message"):
        if not isinstance(config[field], str):
            raise InvalidValue(f"{field} must be a text")
    return Failed(NodeError(config["code"], config["message"]), may_be_handled=False)


FAIL = NodeType("fail", object_schema({"code": TEXT, "message": TEXT}, ("code", "message")), handles, run)
