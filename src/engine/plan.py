"""A definition compiled for running: what leaves each handle, how joins queue their tokens, what leads where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.facts import NotForThisRelease
from engine.definition import Definition, Edge, Node
from engine.graph import Reach
from engine.nodes import BY_NAME
from engine.nodes.kind import NodeType


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
    reach: Reach
    _reached: dict[tuple[int, str], int] = field(default_factory=dict, repr=False, compare=False)

    def edge_reaches(self, edge: int, node_id: str) -> bool:
        return self.reach.reaches(self.definition.edges[edge].target, node_id)

    def leads(self, edges: Iterable[int], node_id: str) -> bool:
        """Whether a branch leads to a node."""
        return any(self.edge_reaches(edge, node_id) for edge in edges)

    def covers(self, branches: tuple[int, ...], join: str) -> bool:
        """Whether branches together reach every queue of a join."""
        reached = 0
        for branch in branches:
            reached |= self._queues_reached(branch, join)
        return reached + 1 == 1 << len(self.queues[join])

    def _queues_reached(self, branch: int, join: str) -> int:
        """The queues of a join that a branch reaches, as bits."""
        known = self._reached.get((branch, join))
        if known is not None:
            return known
        reached = 0
        for number, queue in enumerate(self.queues[join]):
            if any(branch == edge or self.edge_reaches(branch, self.definition.edges[edge].source) for edge in queue):
                reached |= 1 << number
        self._reached[branch, join] = reached
        return reached


class UnknownNodeType(NotForThisRelease):
    """A published definition has a node of a type that does not exist: it was published by a newer release."""


def compile_plan(definition: Definition) -> Plan:
    """Raises UnknownNodeType."""
    unknown = sorted({node.type for node in definition.nodes if node.type not in BY_NAME})
    if unknown:
        raise UnknownNodeType(", ".join(unknown))
    types = {node.id: BY_NAME[node.type] for node in definition.nodes}
    leaving: dict[tuple[str, str], list[Edge]] = {}
    for edge in definition.edges:
        leaving.setdefault((edge.source, edge.handle), []).append(edge)
    queues = {node.id: queues_of(node.id, definition.edges) for node in definition.nodes if types[node.id].gather}
    return Plan(
        definition,
        next(node.id for node in definition.nodes if node.type == "start"),
        {node.id: node for node in definition.nodes},
        types,
        {key: tuple(edges) for key, edges in leaving.items()},
        queues,
        {edge: number for each in queues.values() for number, queue in enumerate(each) for edge in queue},
        Reach([node.id for node in definition.nodes], [(edge.source, edge.target) for edge in definition.edges]),
    )


def queues_of(join: str, edges: Iterable[Edge]) -> tuple[tuple[int, ...], ...]:
    """A queue is (source, n): it holds the n-th edge that each handle of the source sends into the join."""
    queues: dict[tuple[str, int], list[int]] = {}
    drawn: dict[tuple[str, str], int] = {}
    for edge in edges:
        if edge.target == join:
            ordinal = drawn[edge.source, edge.handle] = drawn.get((edge.source, edge.handle), -1) + 1
            queues.setdefault((edge.source, ordinal), []).append(edge.index)
    return tuple(tuple(queue) for queue in queues.values())
