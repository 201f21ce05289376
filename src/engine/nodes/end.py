"""end {output?}: consumes its token. The execution completes when none is left, with the output of the last end."""

from engine.definition import Node
from engine.expressions import resolve
from engine.nodes.kind import Ended, Handles, NodeType, RunResult, Visit, object_schema


def handles(_node: Node) -> Handles:
    return Handles()


def run(visit: Visit) -> RunResult:
    return Ended(resolve(visit.node.config.get("output"), visit.evaluator, visit.variables))


END = NodeType("end", object_schema({"output": True}), handles, run)
