"""What the nodes and edges of a definition are in another version of it.

Nodes of one id are the same, unless a mapping says otherwise. Edges are the same that lead from the same node by the same handle
to the same node. Where a node was put on an edge, or taken out of it, what is left over on both sides is looked at: a branch
goes on as the edge of its handle that leads to where it led, or to where its tokens are by now; what waits at a join has come by
the queue to which the handle leads that it left by. Where that is not one alone, there is no counterpart.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from engine.definition import Edge
from engine.plan import Plan

MOST_LOOKS = 400_000
"""At edges, for counterparts that are not plain: some tenth of a second."""
Way: TypeAlias = tuple[str, str]
"""A node and a handle of it."""


class TooMuchChanged(Exception):
    """Looking for the counterparts of edges would take too long."""


class Counterparts:
    def __init__(self, old: Plan, new: Plan, mapping: Mapping[str, str]) -> None:
        self._old, self._new, self._mapping = old, new, mapping
        self._looks = MOST_LOOKS
        self._same = dict(self._plain())
        matched = set(self._same.values())
        self._left_over: dict[Way, list[Edge]] = {}
        for edge in new.definition.edges:
            if edge.index not in matched:
                self._left_over.setdefault((edge.source, edge.handle), []).append(edge)

    def node(self, node_id: str) -> str | None:
        wanted = self._mapping.get(node_id, node_id)
        return wanted if wanted in self._new.nodes else None

    def same(self, edge: int) -> int | None:
        """The edge from the same node by the same handle to the same node."""
        return self._same.get(edge)

    def branch(self, edge: int, tokens_at: Callable[[], Iterable[str]]) -> int | None:
        """The edge by which a branch leaves its split. `tokens_at`: the nodes, of the other version, where its tokens are by now.

        Raises TooMuchChanged.
        """
        if edge in self._same:
            return self._same[edge]
        was = self._old.definition.edges[edge]
        source, target = self.node(was.source), self.node(was.target)
        left_over = () if source is None else self._left_over.get((source, was.handle), ())
        if source is None or not left_over:
            return None
        graph = self._new.graph
        goals = [target] if target is not None else list(tokens_at())
        self._look()
        leading = graph.marks({graph.place[goal]: 1 for goal in goals}, frozenset(graph.leaving[graph.place[source]]))
        found = [each.index for each in left_over if graph.place[each.target] in leading]
        return found[0] if len(found) == 1 else None

    def arrival(self, edge: int) -> int | None:
        """The edge, of those of its queue, by which something has come to the join where it waits. Raises TooMuchChanged."""
        if edge in self._same:
            return self._same[edge]
        was = self._old.definition.edges[edge]
        source, join = self.node(was.source), self.node(was.target)
        if source is None or join is None or join not in self._new.queues:
            return None
        graph, queue_of = self._new.graph, self._new.queue_of
        barred = {*graph.leaving[graph.place[source]], *graph.leaving[graph.place[join]]}
        reached = set[int]()
        left_over = self._left_over.get((source, was.handle), ())
        for each in left_over:
            if graph.place[each.target] not in reached:
                self._look()
                reached |= graph.reached_from(graph.place[each.target], barred)
        straight, matched = {each.index for each in left_over}, set(self._same.values())
        found = [
            each
            for each in graph.entering[graph.place[join]]
            if each not in matched and (each in straight or (each not in barred and graph.ends[each][0] in reached))
        ]
        return min(found) if len({queue_of[each] for each in found}) == 1 else None

    def _look(self) -> None:
        self._looks -= len(self._new.graph.ends)
        if self._looks < 0:
            raise TooMuchChanged

    def _plain(self) -> Iterator[tuple[int, int]]:
        """Of several with the same ends, those with the same condition go together, and then each with the next one."""
        others = _by_ends(self._new.definition.edges)
        for (source, handle, target), edges in _by_ends(self._old.definition.edges).items():
            there = self.node(source), self.node(target)
            if there[0] is None or there[1] is None:
                continue
            left = others.get((there[0], handle, there[1]), [])
            by_condition: dict[str | None, deque[int]] = {}
            for other in left:
                by_condition.setdefault(other.when, deque()).append(other.index)
            rest: list[int] = []
            for edge in edges:
                same = by_condition.get(edge.when)
                if same:
                    yield edge.index, same.popleft()
                else:
                    rest.append(edge.index)
            yield from zip(rest, sorted(index for each in by_condition.values() for index in each), strict=False)


def _by_ends(edges: Iterable[Edge]) -> dict[tuple[str, str, str], list[Edge]]:
    found: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in edges:
        found.setdefault((edge.source, edge.handle, edge.target), []).append(edge)
    return found
