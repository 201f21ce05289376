"""foreach {items, body:{nodes, edges}, max_concurrency?, on_item_error?, tolerated_failures?}: runs its body for each item.

Expressions in the body see `item`, `index` and what the nodes around came to. Its output is {results, errors}: results in the
order of the items, null where one failed; errors as {index, type, message}. An item's result is the output of the `end` that it
came to last, or of the node at which its last token found no edge to go by.

`on_item_error: fail` gives the others up at the first failure, and leaves by `error` with that error and its item's `index`.
`continue` goes on; with `tolerated_failures` until more than so many have failed. How it is done: `engine.fan_out`.
"""

from collections.abc import Iterator

from domain.execution import Activation, NodeError, Wait
from domain.facts import Fact, Json, View
from domain.foreach import ForeachCompleted, ForeachFailed, ForeachStarted
from engine.definition import Definition, Node, parse
from engine.expressions import resolve
from engine.happenings import ChildEnded
from engine.nodes import kind
from engine.nodes.kind import Done, Failed, Fault, Handles, InvalidValue, NodeType, Visit, Waiting, object_schema

MOST_ITEMS = 10_000
USUAL_CONCURRENCY, MOST_CONCURRENCY = 10, 100
EXPRESSION = {"type": "string", "pattern": "^=[^=]"}
CONFIG = object_schema(
    {
        "items": {"anyOf": [{"type": "array"}, EXPRESSION]},
        "body": object_schema({"nodes": True, "edges": True}, ("nodes", "edges")),
        "max_concurrency": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_CONCURRENCY}, EXPRESSION]},
        "on_item_error": {"enum": ["fail", "continue"]},
        "tolerated_failures": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST_ITEMS}, EXPRESSION]},
    },
    ("items", "body"),
)


def handles(_node: Node) -> Handles:
    return Handles(("success",), ("error", "timeout"))


def run(visit: Visit) -> kind.RunResult:
    plain = {name: value for name, value in visit.node.config.items() if name not in FOREACH.raw}
    config = resolve(plain, visit.evaluator, visit.variables)
    items = config["items"]
    if not isinstance(items, list):
        raise InvalidValue("items must be a list")
    if len(items) > MOST_ITEMS:
        return Failed(NodeError("too_many_items", f"There are {len(items)} items; a foreach takes {MOST_ITEMS} at most."))
    most, tolerated = _whole(config, "max_concurrency", USUAL_CONCURRENCY, 1, MOST_CONCURRENCY), _tolerated(config)
    if not items:
        return Done({"results": [], "errors": []})
    foreach_id = visit.view.new_id()
    started = ForeachStarted(
        visit.execution_id, visit.stream_id, visit.activation_id, visit.node.id, items, min(most, len(items)), tolerated
    )
    return Waiting((Wait("foreach", foreach_id),), (Fact(foreach_id, started),))


def _tolerated(config: Json) -> int | None:
    if config.get("on_item_error", "fail") == "fail":
        return 0
    return _whole(config, "tolerated_failures", 0, 0, MOST_ITEMS) if "tolerated_failures" in config else None


def _whole(config: Json, field: str, usual: int, least: int, most: int) -> int:
    value = config.get(field, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidValue(f"{field} must be a whole number from {least} to {most}")
    return value


def on_child(_visit: Visit, ended: ChildEnded) -> kind.Woken:
    match ended.events[-1]:
        case ForeachCompleted():
            return Done(ended.output)
        case ForeachFailed(error):
            return Failed(error)
        case event:
            raise AssertionError(f"a foreach does not end by {type(event).__name__}")


def output(_node: Node) -> Json:
    error = object_schema({"index": {"type": "integer"}, "type": {"type": "string"}, "message": {"type": "string"}})
    return object_schema({"results": {"type": "array"}, "errors": {"type": "array", "items": error}})


def obstacle(_view: View, _activation: Activation, _node: Node) -> str:
    """Its items are streams of their own, each with the version and the nodes that it began with."""
    return "it is not done with its items, which go on by the version that they began with."


def body(node: Node) -> Definition:
    return parse({"key": node.id, **node.config["body"]})


def lint(node: Node) -> Iterator[Fault]:
    items = node.config["items"]
    if isinstance(items, list) and len(items) > MOST_ITEMS:
        yield Fault("/items", "too_many_items", f"A foreach takes {MOST_ITEMS} items at most.")
    if "tolerated_failures" in node.config and node.config.get("on_item_error", "fail") == "fail":
        yield Fault("/tolerated_failures", "excluded", "With on_item_error fail, the first failure ends it.")


FOREACH = NodeType(
    "foreach",
    CONFIG,
    handles,
    run,
    output,
    lint,
    raw=frozenset({"body"}),
    waits=True,
    on_child=on_child,
    obstacle=obstacle,
    body=body,
)
