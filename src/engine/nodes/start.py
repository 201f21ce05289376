"""start {}: where the first token stands."""

from engine.definition import Node
from engine.nodes.kind import Done, Handles, NodeType, RunResult, Visit, object_schema


def handles(_node: Node) -> Handles:
    return Handles(("success",))


def run(_visit: Visit) -> RunResult:
    return Done()


START = NodeType("start", object_schema({}), handles, run)
