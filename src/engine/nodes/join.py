"""join {mode: all|any|count, count?}: waits for tokens of several branches and sends on one. Its rounds: engine.joins."""

from collections.abc import Iterator

from engine.definition import Node
from engine.nodes.kind import Done, Fault, Handles, JoinRule, NodeType, RunResult, Visit, object_schema

CONFIG = object_schema({"mode": {"enum": ["all", "any", "count"]}, "count": {"type": "integer", "minimum": 1}}, ("mode",))


def handles(_node: Node) -> Handles:
    return Handles(("success",))


def run(_visit: Visit) -> RunResult:
    return Done()


def join_rule(node: Node, queues: int) -> JoinRule:
    match node.config["mode"]:
        case "all":
            return JoinRule(queues, cancels_losers=False)
        case "any":
            return JoinRule(1, cancels_losers=True)
        case _:
            return JoinRule(node.config["count"], cancels_losers=True)


def lint(node: Node) -> Iterator[Fault]:
    counts = node.config["mode"] == "count"
    if counts and "count" not in node.config:
        yield Fault("/count", "required", "A join of mode count needs a count.")
    if not counts and "count" in node.config:
        yield Fault("/count", "unknown_field", f"A join of mode {node.config['mode']} takes no count.")


JOIN = NodeType("join", CONFIG, handles, run, lint=lint, join_rule=join_rule, raw=frozenset(CONFIG["properties"]))
