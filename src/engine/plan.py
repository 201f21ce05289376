"""A definition compiled for running: what leaves each handle, how joins queue their tokens, what leads where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.facts import NotForThisRelease
from engine.definition import Definition, Edge, Node
from engine.graph import Graph
from engine.loops import Loop, loops_of
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType
from engine.ways import Ways, ways_to


@dataclass(frozen=True)
class Plan:
    definition: Definition
    start: str
    nodes: Mapping[str, Node]
    types: Mapping[str, NodeType]
    """By node id."""
    leaving: Mapping[tuple[str, str], tuple[Edge, ...]]
    """The edges by source and handle."""
    queues: Mapping[str, tuple[tuple[int, ...], ...]]
    """By join: the edges of each queue. Edges from two handles of one node share one."""
    queue_of: Mapping[int, int]
    """By edge into a join: its queue."""
    graph: Graph
    loops: tuple[Loop, ...]
    bodies: "Mapping[str, Plan]" = field(default_factory=dict)
    """By node: what is within it."""
    is_body: bool = False
    """Whether it is within a node: a token that finds no edge to go by is then at its end."""
    _ways: dict[str, Ways] = field(default_factory=dict, repr=False, compare=False)

    def ways_to(self, join: str) -> Ways:
        ways = self._ways.get(join)
        if ways is None:
            ways = self._ways[join] = ways_to(self.graph, self.loops, self.graph.place[join], self.queues[join])
        return ways


class UnknownNodeType(NotForThisRelease):
    """A published definition has a node of a type that does not exist: it was published by a newer release."""


def compile_plan(definition: Definition, node_types: Mapping[str, NodeType] = BY_NAME, *, is_body: bool = False) -> Plan:
    """Raises UnknownNodeType."""
    unknown = sorted({node.type for node in definition.nodes if node.type not in node_types})
    if unknown:
        raise UnknownNodeType(", ".join(unknown))
    types = {node.id: node_types[node.type] for node in definition.nodes}
    leaving: dict[tuple[str, str], list[Edge]] = {}
    for edge in definition.edges:
        leaving.setdefault((edge.source, edge.handle), []).append(edge)
    graph = graph_of(definition)
    queues = queues_of([node.id for node in definition.nodes if types[node.id].join_rule], definition.edges)
    return Plan(
        definition,
        entries_of(definition)[0],
        {node.id: node for node in definition.nodes},
        types,
        {key: tuple(edges) for key, edges in leaving.items()},
        queues,
        {edge: number for each in queues.values() for number, queue in enumerate(each) for edge in queue},
        graph,
        loops_of(graph, {graph.place[join] for join in queues}, splits_of(definition.edges)),
        {
            node.id: compile_plan(body(node), node_types, is_body=True)
            for node in definition.nodes
            if (body := types[node.id].body)
        },
        is_body,
    )


def entries_of(definition: Definition) -> list[str]:
    """Where it begins: at its start node or, of a body without one, at the only node that no edge leads to."""
    starts = [node.id for node in definition.nodes if node.type == "start"]
    entered = {edge.target for edge in definition.edges}
    return starts or [node.id for node in definition.nodes if node.id not in entered]


def splits_of(edges: Iterable[Edge]) -> list[list[int]]:
    """The edges of each handle that has several: where tokens part."""
    leaving: dict[tuple[str, str], list[int]] = {}
    for edge in edges:
        leaving.setdefault((edge.source, edge.handle), []).append(edge.index)
    return [split for split in leaving.values() if len(split) > 1]


def graph_of(definition: Definition) -> Graph:
    return Graph([node.id for node in definition.nodes], [(edge.source, edge.target) for edge in definition.edges])


def queues_of(joins: Iterable[str], edges: Iterable[Edge]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """By join. A queue is (source, n): it holds the n-th edge that each handle of the source sends into the join."""
    queues: dict[str, dict[tuple[str, int], list[int]]] = {join: {} for join in joins}
    drawn: dict[tuple[str, str, str], int] = {}
    for edge in edges:
        if edge.target in queues:
            way = edge.source, edge.handle, edge.target
            ordinal = drawn[way] = drawn.get(way, -1) + 1
            queues[edge.target].setdefault((edge.source, ordinal), []).append(edge.index)
    return {join: tuple(tuple(queue) for queue in each.values()) for join, each in queues.items()}
