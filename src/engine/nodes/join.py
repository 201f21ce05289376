"""join {mode: all|any|count, count?}: waits for tokens of several branches and sends on one. Its rounds: engine.joins."""

from collections.abc import Iterator

from engine.definition import Node
from engine.nodes.kind import Done, Fault, Gather, Handles, NodeType, Outcome, Visit, object_schema

CONFIG = object_schema({"mode": {"enum": ["all", "any", "count"]}, "count": {"type": "integer", "minimum": 1}}, ("mode",))


def handles(_node: Node) -> Handles:
    return Handles(("success",))


def run(_visit: Visit) -> Outcome:
    return Done()


def gather(node: Node, queues: int) -> Gather:
    match node.config["mode"]:
        case "all":
            return Gather(queues, swallows=False)
        case "any":
            return Gather(1, swallows=True)
        case _:
            return Gather(node.config["count"], swallows=True)


def lint(node: Node) -> Iterator[Fault]:
    counts = node.config["mode"] == "count"
    if counts and "count" not in node.config:
        yield Fault("/count", "required", "A join of mode count needs a count.")
    if not counts and "count" in node.config:
        yield Fault("/count", "unknown_field", f"A join of mode {node.config['mode']} has no count.")


JOIN = NodeType("join", CONFIG, handles, run, lint=lint, gather=gather, raw=frozenset(CONFIG["properties"]))
