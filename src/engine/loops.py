"""Loops of a graph, and the edges by which they go back to where they begin.

A loop is a part of the graph in which every node leads to every other. It begins at its heads, and the edges from within it
that lead to a head go back. What is a loop still without those edges is a loop within it, with heads of its own, and so on.

Mostly one way leads into a loop. Its head is the node at which that way arrives, and an edge goes back where every path to its
source has been at its target before. Several ways lead in where only one of several branches is sent back, or where a condition
skips the first part of a loop. The nodes at which they arrive are all heads, but for two kinds. One that everything from another
of them comes to before it can leave the loop is further on. And a join at which a branch from outside meets what the same split
has sent into the loop elsewhere is where that branch ends; the loop begins where the other one came in.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from engine.graph import Graph


@dataclass(frozen=True)
class Loop:
    nodes: int
    """A bit for each."""
    back: frozenset[int]
    """The edges, from anywhere in the loop, that lead to one of its heads."""


MOST_LOOKS = 100_000
"""At nodes, one by one, for loops within loops that are entered in several places: some seconds."""


class TangledLoops(Exception):
    """Loops that are entered in several places are nested too deeply."""


def loops_of(graph: Graph, joins: Set[int], splits: Sequence[Sequence[int]]) -> tuple[Loop, ...]:
    """All loops, those within others too. `splits`: the edges of each handle that has several.

    Raises TangledLoops where that takes too long; such a definition is not published.
    """
    found: list[Loop] = []
    looks = 0
    barred: set[int] = set()
    parts: list[Set[int]] = [set(range(len(graph.leaving)))]
    while parts:
        for nodes in graph.cycles(barred, parts.pop()):
            nested = _with_one_head_each(graph, nodes, barred)
            if nested is not None:
                found.extend(nested)
                continue
            looks += len(nodes)
            if looks > MOST_LOOKS:
                raise TangledLoops
            heads = _heads(graph, joins, splits, nodes, barred)
            back = frozenset(edge for head in heads for edge in graph.entering[head] if graph.ends[edge][0] in nodes) - barred
            found.append(Loop(sum(1 << node for node in nodes), back))
            barred |= back
            parts.append(nodes)
    return tuple(found)


def _with_one_head_each(graph: Graph, loop: Set[int], barred: Set[int]) -> list[Loop] | None:
    """The loop and all within it, where only one way leads into each of them; None where that is not so.

    Then an edge goes back where its target dominates its source, and a loop is what leads back to its head (Tarjan: Testing flow
    graph reducibility): found from the innermost to the outermost in one pass, however deep they are nested.
    """
    entries = [node for node in loop if any(True for _ in _from_outside(graph, node, loop, barred))]
    if len(entries) != 1:
        return None
    dominators = graph.dominators(entries[0], loop, barred)
    rank, back = dominators.rank, dict[int, list[int]]()
    for edge in {edge for node in loop for edge in graph.leaving[node]} - barred:
        source, target = graph.ends[edge]
        if target in loop and rank[target] <= rank[source]:
            if not dominators.dominates(target, source):
                return None
            back.setdefault(target, []).append(edge)
    found: list[Loop] = []
    inside: dict[int, int] = {}
    bits: dict[int, int] = {}

    def outermost(node: int) -> int:
        """The head of the largest loop found so far that the node is in; or the node."""
        head = node
        while head in inside:
            head = inside[head]
        while node != head:
            inside[node], node = head, inside[node]
        return head

    for head in sorted(back, key=rank.__getitem__, reverse=True):
        members, waiting = {head}, [outermost(graph.ends[edge][0]) for edge in back[head]]
        while waiting:
            node = waiting.pop()
            if node not in members:
                members.add(node)
                sources = (graph.ends[edge][0] for edge in graph.entering[node] if edge not in barred)
                waiting.extend(outermost(source) for source in sources if source in loop and rank[source] < rank[node])
        nodes = 0
        for node in members:
            nodes |= bits.pop(node, 1 << node)
            if node != head:
                inside[node] = head
        bits[head] = nodes
        found.append(Loop(nodes, frozenset(back[head])))
    return found


def _heads(graph: Graph, joins: Set[int], splits: Sequence[Sequence[int]], loop: Set[int], barred: Set[int]) -> Set[int]:
    entries = {node for node in loop if any(True for _ in _from_outside(graph, node, loop, barred))}
    if len(entries) > 1:
        entries -= _further_on(graph, loop, entries)
    if len(entries) > 1 and entries & joins:
        entries -= joins & _joined(graph, splits, loop, entries, entries - joins, barred)
    return entries or loop  # no way leads into a loop that no execution comes to


def _further_on(graph: Graph, loop: Set[int], entries: Set[int]) -> set[int]:
    """The entries that everything from another one comes to on its way out of the loop, but not the other way round."""
    own = {entry: 1 << number for number, entry in enumerate(entries)}
    passed = dict.fromkeys(loop, (1 << len(entries)) - 1)
    changed = dict.fromkeys(loop)
    while changed:
        node = next(iter(changed))
        del changed[node]
        always = passed[node]
        for edge in graph.leaving[node]:
            always &= passed.get(graph.ends[edge][1], 0)
        always |= own.get(node, 0)
        if always != passed[node]:
            passed[node] = always
            changed |= {graph.ends[edge][0]: None for edge in graph.entering[node] if graph.ends[edge][0] in loop}
    return {
        entry for entry, bit in own.items() if any(passed[other] & bit and not passed[entry] & own[other] for other in entries)
    }


def _joined(
    graph: Graph, splits: Sequence[Sequence[int]], loop: Set[int], entries: Set[int], others: Set[int], barred: Set[int]
) -> set[int]:
    """The entries to which a split outside the loop sends one branch, while it sends another one to one of the others."""
    bits = {entry: 1 << number for number, entry in enumerate(entries)}
    goals: dict[int, int] = {}
    for entry in entries:
        for edge in _from_outside(graph, entry, loop, barred):
            source = graph.ends[edge][0]
            goals[source] = goals.get(source, 0) | bits[entry]
    marks = graph.marks(goals, barred, outside=loop)
    elsewhere = sum(bits[entry] for entry in others)
    joined = 0
    for split in splits:
        if graph.ends[split[0]][0] not in loop:
            targets = [graph.ends[edge][1] for edge in split if edge not in barred]
            for own, rest in with_others([(bits if target in loop else marks).get(target, 0) for target in targets]):
                joined |= own if rest & elsewhere else 0
    return {entry for entry in entries if joined & bits[entry]}


def _from_outside(graph: Graph, node: int, loop: Set[int], barred: Set[int]) -> Iterator[int]:
    return (edge for edge in graph.entering[node] if graph.ends[edge][0] not in loop and edge not in barred)


def with_others(bits: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Each with what all the others have together."""
    once = twice = 0
    for each in bits:
        once, twice = once | each, twice | once & each
    return ((each, once & ~each | twice) for each in bits)
