"""What is within nodes: looked at like a definition, with what it sees of the nodes around. Paths lead from the definition."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from domain.facts import Json
from engine.definition import Definition, Finding
from engine.expressions import Evaluator, is_expression
from engine.lints.expressions import Outputs, expressions, never_run, outputs_of
from engine.lints.joins import Drawn, fire, stuck, tangled
from engine.lints.mentions import mentions
from engine.lints.nodes import Sound, nodes
from engine.lints.shape import body_shape
from engine.lints.wiring import edges, reachable, repeated, spins
from engine.nodes.kind import NodeType

DEEPEST = 3
"""Nodes that may be within each other."""
PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class Bodies:
    """`evaluator`: None where expressions cannot be checked, because of what was found around."""

    evaluator: Evaluator | None
    node_types: Mapping[str, NodeType]
    _ids: set[str] = field(default_factory=set)
    """Of all nodes looked at so far: an id stands for one node, wherever it is."""

    def within(
        self,
        definition: Definition,
        sound: Sequence[Sound],
        known: Mapping[str, Json],
        outer: Outputs | None = None,
        depth: int = 1,
    ) -> Iterator[Finding]:
        """The findings within the nodes of a definition. `known`, `outer`: as of `lints.expressions`."""
        self._ids.update(node.id for node in definition.nodes)
        for each in sound:
            if each.type.body is not None and depth > DEEPEST:
                message = f"At most {DEEPEST} nodes of type {each.node.type} may be within each other."
                yield Finding("error", each.node.id, f"{each.path}/type", "nested_too_deeply", message)
            elif each.type.body is not None:
                prefix = f"{each.path}/config/body"
                seen = {**(outer or {}), **outputs_of(definition, sound)}
                for finding in self._of_body(each, known, seen, depth):
                    yield replace(finding, path=prefix + finding.path)

    def _of_body(self, around: Sound, known: Mapping[str, Json], seen: Outputs, depth: int) -> Iterator[Finding]:
        found = list(body_shape(around.node.config["body"]))
        if found:
            yield from found
            return
        assert around.type.body is not None
        body = around.type.body(around.node)
        of_nodes, sound = nodes(body, self.node_types, is_body=True)
        found = [
            *of_nodes,
            *_taken(body, self._ids),
            *edges(body, sound),
            *mentions(body, sound),
            *_compensations(body),
            *repeated(body),
        ]
        yield from found
        fine = all(finding.severity != "error" for finding in found)
        if fine:
            drawn = Drawn(body, sound)
            yield from (*reachable(body, sound), *tangled(drawn), *fire(drawn), *spins(body, sound), *stuck(drawn))
        inner = {name: schema for name, schema in seen.items() if name != around.node.id}
        variables = {**known, "item": _item_schema(around, known, seen), "index": {"type": "integer"}}
        if fine and self.evaluator is not None:
            yield from expressions(body, sound, self.evaluator, variables, inner)
            yield from never_run(body, sound, self.evaluator)
        yield from self.within(body, sound, variables, inner, depth + 1)


def _taken(body: Definition, ids: Set[str]) -> Iterator[Finding]:
    for index, node in enumerate(body.nodes):
        if node.id in ids:
            yield Finding("error", node.id, f"/nodes/{index}/id", "duplicate_id", f"Another node is called {node.id}.")


def _compensations(body: Definition) -> Iterator[Finding]:
    for index, node in enumerate(body.nodes):
        if node.compensate is not None:
            message = "What an item has done is not undone yet: let its body see to that, by an edge from `error`."
            yield Finding("error", node.id, f"/nodes/{index}/compensate", "not_supported_yet", message)


def _item_schema(around: Sound, known: Mapping[str, Json], seen: Outputs) -> Json:
    """Of an item, where the list is found by a path whose schema says so; None: not known."""
    items = around.node.config["items"]
    if not is_expression(items) or not PATH.fullmatch(items[1:]):
        return None
    root, *fields = items[1:].split(".")
    schema = known.get(root)
    if root == "nodes":
        if len(fields) < 2 or fields[1] != "output":
            return None
        schema, fields = seen.get(fields[0]), fields[2:]
    for name in fields:
        schema = _plain(_plain(schema).get("properties")).get(name)
    found = _plain(schema)
    return found.get("items") if "prefixItems" not in found else None


def _plain(schema: Json) -> Mapping[str, Json]:
    """A schema, or a part of one, that says by itself what its parts are."""
    return schema if isinstance(schema, Mapping) and "$ref" not in schema else {}
