"""A definition as a graph of numbered nodes and edges, and what can be reached in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set


def ones(bits: int) -> Iterator[int]:
    """The places of the bits that are set, the lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


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

    def marks(
        self,
        goals: Mapping[int, int],
        barred: Set[int] = frozenset(),
        outside: Set[int] = frozenset(),
        most: int | None = None,
    ) -> dict[int, int]:
        """By node: the marks (as bits) of all goals to which a path leads that keeps `outside` of some nodes; none: not there.

        `most`: how often a node is looked at, the nearest first. What is found by then is true, and may not be all.
        """
        found: defaultdict[int, int] = defaultdict(int, goals)
        changed = dict.fromkeys(goals)
        while changed and most != 0:
            most = None if most is None else most - 1
            place = next(iter(changed))
            del changed[place]
            for edge in self.entering[place]:
                source = self.ends[edge][0]
                if found[place] & ~found[source] and edge not in barred and source not in outside:
                    found[source] |= found[place]
                    changed[source] = None
        return {place: bits for place, bits in found.items() if bits}

    def dominators(self, start: int, within: Set[int] | None = None, barred: Set[int] = frozenset()) -> "Dominators":
        """Of the nodes to which a path leads from the start, within some or all nodes."""
        order, seen, stack = list[int](), {start}, [(start, iter(self.leaving[start]))]
        while stack:
            place, edges = stack[-1]
            for edge in edges:
                target = self.ends[edge][1]
                if target not in seen and edge not in barred and (within is None or target in within):
                    seen.add(target)
                    stack.append((target, iter(self.leaving[target])))
                    break
            else:
                order.append(place)
                stack.pop()
        order.reverse()
        rank = {place: number for number, place in enumerate(order)}
        sources = [
            [rank[self.ends[edge][0]] for edge in self.entering[place] if self.ends[edge][0] in rank and edge not in barred]
            for place in order
        ]
        return Dominators(rank, _nearest_dominators(sources))

    def cycles(self, barred: Set[int], within: Set[int]) -> list[set[int]]:
        """The strongly connected parts of a set of nodes that hold a cycle."""
        return [part for part in self._parts(barred, within) if self._is_cycle(part, barred, within)]

    def before(self) -> list[int]:
        """By node: those from which a path of one or more edges leads to it, as bits."""
        within = set(range(len(self.leaving)))
        found = [0] * len(self.leaving)
        for part in reversed(list(self._parts(frozenset(), within))):
            bits = 0
            for edge in {edge for place in part for edge in self.entering[place]}:
                source = self.ends[edge][0]
                if source not in part:
                    bits |= found[source] | 1 << source
            if self._is_cycle(part, frozenset(), within):
                bits |= sum(1 << place for place in part)
            for place in part:
                found[place] = bits
        return found

    def _is_cycle(self, part: Set[int], barred: Set[int], within: Set[int]) -> bool:
        return len(part) > 1 or any(place in self._followers(place, barred, within) for place in part)

    def _parts(self, barred: Set[int], within: Set[int]) -> Iterator[set[int]]:
        """The strongly connected parts, each after those to which it leads (Tarjan, without recursion)."""
        order: dict[int, int] = {}
        low: dict[int, int] = {}
        path: list[int] = []
        done: set[int] = set()
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
                    yield part

    def _followers(self, place: int, barred: Set[int], within: Set[int]) -> list[int]:
        return [
            target for edge in self.leaving[place] if edge not in barred for target in (self.ends[edge][1],) if target in within
        ]


class Dominators:
    """A node dominates another where every path from the start to the other leads through it; each dominates itself."""

    def __init__(self, rank: Mapping[int, int], nearest: Sequence[int]) -> None:
        """`rank`: the nodes in an order in which those who dominate come first. `nearest`: by rank, the nearest that does."""
        self.rank = rank
        below: list[list[int]] = [[] for _ in nearest]
        for number, above in enumerate(nearest):
            if number:
                below[above].append(number)
        self._first, self._last = [0] * len(nearest), [0] * len(nearest)
        count, stack = 0, [0]
        while stack:
            number = stack.pop()
            if number < 0:
                self._last[~number] = count
                continue
            self._first[number] = count
            count += 1
            stack.append(~number)
            stack.extend(below[number])

    def dominates(self, place: int, other: int) -> bool:
        """Where a path leads to both."""
        first = self._first[self.rank[place]]
        return first <= self._first[self.rank[other]] < self._last[self.rank[place]]

    def is_reached_before(self, place: int, other: int) -> bool:
        """Whether a path leads there that has not gone on from the other."""
        if place not in self.rank:
            return False
        return place == other or other not in self.rank or not self.dominates(other, place)


def _nearest_dominators(sources: Sequence[Sequence[int]]) -> list[int]:
    """By rank in reverse postorder (Cooper, Harvey and Kennedy: A simple, fast dominance algorithm)."""
    nearest = [0] + [-1] * (len(sources) - 1)
    changed = True
    while changed:
        changed = False
        for number in range(1, len(sources)):
            found = -1
            for source in sources[number]:
                if nearest[source] < 0:
                    continue
                if found < 0:
                    found = source
                    continue
                while source != found:
                    while source > found:
                        source = nearest[source]
                    while found > source:
                        found = nearest[found]
            if nearest[number] != found:
                nearest[number] = found
                changed = True
    return nearest
