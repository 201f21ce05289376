"""A definition as a graph of numbered nodes and edges, and what can be reached in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set


class Graph:
    """Nodes and edges are named by their places in the sequences given. `barred`: edges that no path may take."""

    def __init__(self, nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> None:
        self.place: Mapping[str, int] = {node: place for place, node in enumerate(nodes)}
        self.ends: Sequence[tuple[int, int]] = [(self.place[source], self.place[target]) for source, target in edges]
        self.leaving: list[list[int]] = [[] for _ in nodes]
        self.entering: list[list[int]] = [[] for _ in nodes]
        for edge, (source, target) in enumerate(self.ends):
            self.leaving[source].append(edge)
            self.entering[target].append(edge)

    def reached_from(self, start: int, barred: Set[int] = frozenset()) -> set[int]:
        """The nodes to which a path leads, the start itself included."""
        reached, open_places = {start}, [start]
        while open_places:
            for edge in self.leaving[open_places.pop()]:
                target = self.ends[edge][1]
                if target not in reached and edge not in barred:
                    reached.add(target)
                    open_places.append(target)
        return reached

    def marks(self, goals: Mapping[int, int], barred: Set[int] = frozenset(), outside: Set[int] = frozenset()) -> dict[int, int]:
        """By node: the marks (as bits) of all goals to which a path leads that keeps `outside` of some nodes; none: not there."""
        found: defaultdict[int, int] = defaultdict(int, goals)
        changed = dict.fromkeys(goals)
        while changed:
            place = next(iter(changed))
            del changed[place]
            for edge in self.entering[place]:
                source = self.ends[edge][0]
                if found[place] & ~found[source] and edge not in barred and source not in outside:
                    found[source] |= found[place]
                    changed[source] = None
        return {place: bits for place, bits in found.items() if bits}

    def cycles(self, barred: Set[int], within: Set[int]) -> list[set[int]]:
        """The strongly connected parts of a set of nodes that hold a cycle (Tarjan, without recursion)."""
        order: dict[int, int] = {}
        low: dict[int, int] = {}
        path: list[int] = []
        done: set[int] = set()
        found: list[set[int]] = []
        for root in within:
            stack = [] if root in order else [(root, self._followers(root, barred, within))]
            while stack:
                place, followers = stack[-1]
                if place not in order:
                    order[place] = low[place] = len(order)
                    path.append(place)
                if followers:
                    follower = followers.pop()
                    if follower not in order:
                        stack.append((follower, self._followers(follower, barred, within)))
                    elif follower not in done:
                        low[place] = min(low[place], order[follower])
                    continue
                stack.pop()
                if stack:
                    low[stack[-1][0]] = min(low[stack[-1][0]], low[place])
                if low[place] == order[place]:
                    part = {path.pop()}
                    while place not in part:
                        part.add(path.pop())
                    done |= part
                    if len(part) > 1 or place in self._followers(place, barred, within):
                        found.append(part)
        return found

    def _followers(self, place: int, barred: Set[int], within: Set[int]) -> list[int]:
        return [
            target for edge in self.leaving[place] if edge not in barred for target in (self.ends[edge][1],) if target in within
        ]
