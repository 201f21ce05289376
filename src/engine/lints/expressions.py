"""Every expression of a definition, checked against the input schema and the outputs of the nodes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from domain.facts import Json
from engine.definition import Definition, Finding
from engine.expressions import Evaluator, expressions_in, nodes_schema
from engine.limits import expressions as limit_expressions
from engine.lints.nodes import Sound
from engine.nodes.kind import Formula, object_schema
from engine.nodes.wait_event import EVENT
from engine.plan import graph_of

EXECUTION = object_schema(
    {
        "id": {"type": "string"},
        "workflow_id": {"type": "string"},
        "workflow_key": {"type": "string"},
        "workflow_version": {"type": "integer"},
        "business_key": {"type": ["string", "null"]},
        "priority": {"type": "integer"},
        "trigger_type": {"type": "string"},
        "created_by": {"type": ["string", "null"]},
    }
)
TENANT = object_schema({"id": {"type": "string"}})


Outputs: TypeAlias = Mapping[str, Json]
"""The schema of each node's output, by its id; None where it is not known."""


def known_to(definition: Definition, *, by_event: bool) -> dict[str, Json]:
    """What all expressions of a definition see, beside its nodes. `by_event`: whether an event may have started it."""
    known = {"input": definition.input_schema, "execution": EXECUTION, "tenant": TENANT}
    return {**known, "event": {**EVENT, "type": ["object", "null"]}} if by_event else known


def outputs_of(definition: Definition, sound: Sequence[Sound]) -> dict[str, Json]:
    return {node.id: None for node in definition.nodes} | {each.node.id: each.type.output(each.node) for each in sound}


def expressions(
    definition: Definition, sound: Sequence[Sound], evaluator: Evaluator, known: Mapping[str, Json], outer: Outputs
) -> Iterator[Finding]:
    """`known`: variables and their schemas; `outer`: of the nodes around, where the definition is the body of one."""
    types = {**known, "nodes": nodes_schema({**outer, **outputs_of(definition, sound)})}
    undone = _undone(definition, outputs_of(definition, sound))
    for each in sound:
        for formula in _of_node(each):
            seen = formula.variables if formula.alone else {**types, **undone.get(each.node.id, {}), **formula.variables}
            yield from check(evaluator, seen, formula.source, formula.want, each.node.id, f"{each.path}/config{formula.path}")
        for path, source in limit_expressions(each.node.limits):
            yield from check(evaluator, types, source, None, each.node.id, f"{each.path}{path}")
    for edge in definition.edges:
        if edge.when is not None:
            yield from check(evaluator, types, edge.when, "bool", edge.source, f"/edges/{edge.index}/when")
    for path, source in expressions_in(definition.search_attributes, "/search_attributes"):
        yield from check(evaluator, known, source, None, None, path)


def _undone(definition: Definition, outputs: Mapping[str, Json]) -> dict[str, Json]:
    """By node that undoes visits: the schema of `compensates`, which it sees beside all else."""
    by_node: dict[str, list[Json]] = {}
    for node in definition.nodes:
        if node.compensate is not None:
            by_node.setdefault(node.compensate, []).append(outputs[node.id])
    text = {"type": "string"}
    return {
        node_id: {
            "compensates": object_schema(
                {"node_id": text, "activation_id": text, "input": True, "output": _as_resource(node_id, found)}
            )
        }
        for node_id, found in by_node.items()
    }


def _as_resource(node_id: str, outputs: Sequence[Json]) -> Json:
    """Of the one node that it undoes; where there are several, anything. A `$ref` in it is meant within it."""
    return {"$id": f"undone by:{node_id}", **outputs[0]} if len(outputs) == 1 and isinstance(outputs[0], Mapping) else True


def never_run(definition: Definition, sound: Sequence[Sound], evaluator: Evaluator) -> Iterator[Finding]:
    """Expressions that read nodes from which no path leads to them. Nodes that no edge leads to are not looked at."""
    graph = graph_of(definition)
    before: list[int] | None = None
    for node_id, path, has_run, source in _placed(definition, sound):
        read = (
            evaluator.nodes_read(source) & graph.place.keys()
            if "nodes" in source and graph.entering[graph.place[node_id]]
            else ()
        )
        for other in sorted(read):
            before = before or graph.before()
            if not before[graph.place[node_id]] >> graph.place[other] & 1 and not (has_run and other == node_id):
                message = f"{other} cannot have run by then: no path leads from it to {node_id}. Ask by has(nodes.{other})."
                yield Finding("warning", node_id, path, "cannot_have_run", message)


def _placed(definition: Definition, sound: Sequence[Sound]) -> Iterator[tuple[str, str, bool, str]]:
    """Every expression: at which node, its path, whether the node has run by then, its source."""
    for each in sound:
        for formula in _of_node(each):
            yield each.node.id, f"{each.path}/config{formula.path}", False, formula.source
    for edge in definition.edges:
        if edge.when is not None:
            yield edge.source, f"/edges/{edge.index}/when", True, edge.when


def _of_node(each: Sound) -> Iterator[Formula]:
    resolved = {name: value for name, value in each.node.config.items() if name not in each.type.raw}
    for path, source in expressions_in(resolved):
        yield Formula(path, source, want=None)
    yield from each.type.formulas(each.node)


def check(
    evaluator: Evaluator, types: Mapping[str, Json], source: str, want: Literal["bool"] | None, node_id: str | None, path: str
) -> Iterator[Finding]:
    for found in evaluator.check(source, types, want):
        place = f" (line {found.line}, column {found.column})" if found.line else ""
        yield Finding(found.severity, node_id, path, found.code, f"{found.message}{place}")
