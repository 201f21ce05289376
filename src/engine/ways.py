"""Which ways lead to a join: what its scope, its losers and the findings about it go by.

From behind a join one may be sent back in front of it, and then everything in that loop leads to everything else in it. So a
way to a join does not go round. Behind a join is what it leads to without going back in any loop that it is in; no way to it
takes an edge that goes back from there. Other edges that go back may be part of one: work that is mended before the join, in a
smaller loop or from the beginning, is still on its way to it.

An edge that goes back from behind a join straight into it is one of its queues, but none that a split in front of it could fill.
"""

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass

from engine.graph import Graph, ones
from engine.loops import Loop

Queues = Sequence[Sequence[int]]
"""The edges of each queue of a join: those that share a queue have one source."""


@dataclass(frozen=True)
class Ways:
    """Kept as sets of nodes, one bit for each: plans stay in memory."""

    graph: Graph
    join: int
    queues: Queues
    from_nodes: Sequence[int]
    """By queue: the nodes from which a token may yet come to it."""
    asked: Sequence[int]
    """The queues that a split must reach to be the join's scope."""

    def leads(self, edges: Iterable[int]) -> bool:
        """Whether one of the edges leads to the join."""
        targets = self._targets(edges)
        return bool(targets >> self.join & 1) or any(targets & nodes for nodes in self.from_nodes)

    def covers(self, edges: Collection[int]) -> bool:
        """Whether the edges together lead to all queues that are asked for."""
        targets = self._targets(edges) & ~(1 << self.join)
        return all(targets & self.from_nodes[queue] or any(edge in edges for edge in self.queues[queue]) for queue in self.asked)

    def _targets(self, edges: Iterable[int]) -> int:
        targets = 0
        for edge in edges:
            targets |= 1 << self.graph.ends[edge][1]
        return targets


def ways_to(graph: Graph, loops: Iterable[Loop], join: int, queues: Queues) -> Ways:
    back = {edge for loop in loops if loop.nodes >> join & 1 for edge in loop.back}
    behind = graph.reached_from(join, back) if back else frozenset[int]()
    barred = {edge for edge in back if graph.ends[edge][0] in behind}
    from_nodes = [0] * len(queues)
    for node, reached in _marks(graph, queues, barred).items():
        for queue in ones(reached):
            from_nodes[queue] |= 1 << node
    asked = [number for number, queue in enumerate(queues) if barred.isdisjoint(queue)]
    return Ways(graph, join, queues, from_nodes, asked)


def reached_first(graph: Graph, join: int, queues: Queues, most: int | None = None) -> dict[int, int]:
    """By edge: the queues, as bits, to which its token may come before the join's first round: not through the join.

    `most`: see `Graph.marks`.
    """
    marks = _marks(graph, queues, frozenset(graph.leaving[join]), most)
    reached = {edge: bits for node, bits in marks.items() for edge in graph.entering[node]}
    for number, queue in enumerate(queues):
        for edge in queue:
            reached[edge] = 1 << number
    return reached


def _marks(graph: Graph, queues: Queues, barred: Set[int], most: int | None = None) -> dict[int, int]:
    """By node: the queues, as bits, to which a path leads."""
    goals: dict[int, int] = {}
    for number, queue in enumerate(queues):
        if barred.isdisjoint(queue):
            source = graph.ends[queue[0]][0]
            goals[source] = goals.get(source, 0) | 1 << number
    return graph.marks(goals, barred, most=most)
