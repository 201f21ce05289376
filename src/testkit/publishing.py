"""What is said of a definition before it is played: the findings of publishing, and doubles that stand for nothing in it."""

from collections.abc import Iterator, Mapping, Sequence

from domain.facts import Json
from engine.cel import CelEvaluator
from engine.definition import Finding
from engine.expressions import is_expression
from engine.validate import validate
from testkit.doubles import Double, Kind

EVALUATOR = CelEvaluator()
STUB = "testkit.workflow:"
"""The type of the jobs that doubles of workflows do: with the workflow's key behind it."""


class NotPublishable(AssertionError):
    """The definition could not be published, or a double fits nothing in it."""


def checked(definition: Json, *, strict: bool = False) -> list[Finding]:
    """The warnings. Raises NotPublishable with every error; `strict`: with every warning, too."""
    found = validate(definition, EVALUATOR)
    faults = [each for each in found if strict or each.severity == "error"]
    if faults:
        name = definition.get("key", "?") if isinstance(definition, dict) else "?"
        raise NotPublishable("\n".join([f"{name} cannot be published:", *(f"  {line(each)}" for each in faults)]))
    return found


def line(finding: Finding) -> str:
    where = finding.path or "/"
    node = f" (node {finding.node_id})" if finding.node_id else ""
    return f"{finding.severity} at {where}{node}: {finding.message} [{finding.code}]"


def nodes_of(definition: Json) -> Iterator[Json]:
    """Those of bodies within it, too."""
    for node in definition["nodes"]:
        yield node
        body = node.get("config", {}).get("body") if node["type"] == "foreach" else None
        if isinstance(body, dict) and isinstance(body.get("nodes"), list):
            yield from nodes_of(body)


def check_doubles(definitions: Sequence[Json], doubles: Mapping[Kind, Mapping[str, Double]]) -> None:
    """Raises NotPublishable where one stands for nothing: it would never be asked."""
    nodes = [node for definition in definitions for node in nodes_of(definition)]
    twice = {definition["key"] for definition in definitions} & doubles["workflow"].keys()
    if twice:
        raise NotPublishable(f"There is a definition and a double of {', '.join(sorted(twice))}.")
    of_type: Mapping[Kind, tuple[str, str | None]] = {
        "worker": ("task", "job_type"),
        "ai": ("ai_agent", None),
        "http": ("http", None),
        "workflow": ("workflow", "workflow_key"),
    }
    for kind, (node_type, field) in of_type.items():
        here = [node for node in nodes if node["type"] == node_type]
        names = [node["id"] if field is None else node["config"][field] for node in here]
        if field is not None and any(is_expression(name) for name in names):
            continue  # it may come to anything
        for name in doubles[kind]:
            if name not in names:
                what = f"node {node_type}" if field is None else f"{field} of a node {node_type}"
                known = ", ".join(sorted(set(names))) or "none"
                raise NotPublishable(f"There is no {what} called {name!r}. There are: {known}.")


def stub(key: str, job_type: str, name: str | None = None) -> Json:
    """A workflow whose executions come to what one job does."""
    return {
        "key": name or key,
        "name": f"A double of {key}",
        "triggers": [{"type": "manual"}],
        "nodes": [
            {"id": "start", "type": "start", "config": {}},
            {"id": "double", "type": "task", "config": {"job_type": job_type, "input": "=input"}},
            {"id": "end", "type": "end", "config": {"output": "=nodes.double.output"}},
        ],
        "edges": [{"source": "start", "target": "double"}, {"source": "double", "target": "end"}],
    }
