"""condition {branches:[{handle, when}], default}: the token leaves by the first branch that is true, or by the default."""

from collections.abc import Iterator

from domain.execution import NodeError
from engine.definition import Node
from engine.expressions import ExpressionError
from engine.nodes.kind import Done, Failed, Fault, Formula, Handles, NodeType, RunResult, Visit, object_schema

HANDLE = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,62}$"}
CONFIG = object_schema(
    {
        "branches": {
            "type": "array",
            "minItems": 1,
            "items": object_schema({"handle": HANDLE, "when": {"type": "string", "minLength": 1}}, ("handle", "when")),
        },
        "default": HANDLE,
    },
    ("branches", "default"),
)


def handles(node: Node) -> Handles:
    return Handles(tuple(dict.fromkeys((*(branch["handle"] for branch in node.config["branches"]), node.config["default"]))))


def run(visit: Visit) -> RunResult:
    """An expression that fails is no error to be handled: which way to go cannot be guessed, so the execution fails."""
    try:
        for branch in visit.node.config["branches"]:
            if visit.evaluator.evaluate_bool(branch["when"], visit.variables):
                return Done(handle=branch["handle"])
    except ExpressionError as error:
        return Failed(NodeError(error.code, f"{error} in {error.source}"), may_be_handled=False)
    return Done(handle=visit.node.config["default"])


def lint(node: Node) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, branch in enumerate(node.config["branches"]):
        if branch["handle"] in seen:
            yield Fault(f"/branches/{index}/handle", "duplicate_handle", f"Another branch is called {branch['handle']}.")
        seen.add(branch["handle"])


def formulas(node: Node) -> Iterator[Formula]:
    for index, branch in enumerate(node.config["branches"]):
        yield Formula(f"/branches/{index}/when", branch["when"])


CONDITION = NodeType("condition", CONFIG, handles, run, lint=lint, formulas=formulas, raw=frozenset(CONFIG["properties"]))
