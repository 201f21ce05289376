"""The nodes together: edges, handles, what can be reached, joins that cannot fire, cycles that spin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.definition import Definition, Finding
from engine.expressions import expressions_in
from engine.graph import Dominators, Graph, ones
from engine.lints.mentions import compensating
from engine.lints.nodes import Sound
from engine.loops import TangledLoops, loops_of, with_others
from engine.plan import graph_of, queues_of, splits_of
from engine.ways import Queues, reached_first


def edges(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    ids = {node.id for node in definition.nodes}
    offered = {each.node.id: each.type.handles(each.node) for each in sound}
    endless = {each.node.id for each in sound if "timeout" in offered[each.node.id].errors and each.node.timeout is None}
    for edge in definition.edges:
        path = f"/edges/{edge.index}"
        for field, node_id in (("source", edge.source), ("target", edge.target)):
            if node_id not in ids:
                yield Finding("error", edge.source, f"{path}/{field}", "unknown_node", f"There is no node {node_id}.")
        handles = offered.get(edge.source)
        if handles and edge.handle not in (*handles.needed, *handles.errors):
            message = (
                f"{edge.source} has no handle {edge.handle}; it has: {', '.join((*handles.needed, *handles.errors)) or 'none'}."
            )
            yield Finding("error", edge.source, f"{path}/source_handle", "unknown_handle", message)
        elif edge.handle == "timeout" and edge.source in endless:
            message = f"{edge.source} has no timeout: no token leaves by this edge."
            yield Finding("warning", edge.source, f"{path}/source_handle", "unused_handle", message)


def handles(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    drawn = {(edge.source, edge.handle) for edge in definition.edges}
    undoing = compensating(definition)
    for each in sound:
        if each.node.id in undoing:
            continue
        offered = each.type.handles(each.node)
        for handle in offered.needed:
            if (each.node.id, handle) not in drawn:
                message = f"No edge leaves {each.node.id} by {handle}: tokens would end in no_route."
                yield Finding("error", each.node.id, each.path, "unconnected_handle", message)
        for handle in offered.errors:
            if (each.node.id, handle) not in drawn and _may_happen(each, handle):
                message = f"No edge leaves {each.node.id} by {handle}: an error there fails the execution."
                yield Finding("warning", each.node.id, each.path, "unconnected_handle", message)


def _may_happen(each: Sound, handle: str) -> bool:
    if handle == "timeout":
        return each.node.timeout is not None
    return each.type.works or any(expressions_in(each.node.config)) or any(each.type.formulas(each.node))


def reachable(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """Only called where every node is sound and every edge joins two nodes."""
    graph = graph_of(definition)
    reached, undoing = graph.reached_from(_start(definition)), compensating(definition)
    for each in sound:
        if each.node.id not in undoing and graph.place[each.node.id] not in reached:
            yield Finding("error", each.node.id, each.path, "unreachable", f"No path leads from the start to {each.node.id}.")


def joins(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    graph = graph_of(definition)
    dominators = graph.dominators(_start(definition))
    splits = [tuple(split) for split in splits_of(definition.edges)]
    split_of = {edge: split for split in splits for edge in split}
    all_queues = queues_of([each.node.id for each in sound if each.type.join_rule is not None], definition.edges)
    for each in sound:
        if each.type.join_rule is None:
            continue
        queues = all_queues[each.node.id]
        need = each.type.join_rule(each.node, len(queues)).need
        if len(queues) < 2:
            message = f"Only {len(queues)} edge comes in: there is nothing to join."
            yield Finding("warning", each.node.id, each.path, "nothing_to_join", message)
        if need > len(queues):
            message = f"It waits for {need} different edges, and {len(queues)} come in."
            yield Finding("error", each.node.id, each.path, "join_never_fires", message)
        elif need > 1:
            apart = _never_together(graph, dominators, split_of, graph.place[each.node.id], queues)
            if apart is not None and (apart.all or need == len(queues)):
                first, second = (definition.edges[queues[number][0]].source for number in apart.first)
                message = (
                    f"No token can come from {first} while another comes from {second}: "
                    "they are alternatives, or one of them is behind the join."
                )
                yield Finding("error", each.node.id, each.path, "join_never_fires", message)


@dataclass(frozen=True)
class Apart:
    """Pairs of queues of a join that never hold tokens at once before its first round. `all`: every pair is one."""

    first: tuple[int, int]
    all: bool


NEAR = 64
"""Nodes in front of a join that are looked at first: mostly the split is among them. Then eight times as many, then all."""


def _never_together(
    graph: Graph, dominators: Dominators, split_of: Mapping[int, tuple[int, ...]], join: int, queues: Queues
) -> Apart | None:
    """Pairs for which no handle sends tokens by two edges, one towards each. None: there are none.

    All tokens descend from the first one; two of them part where a handle has several edges, or never.
    """
    every = (1 << len(queues)) - 1
    together = [0] * len(queues)
    for most in (NEAR, 8 * NEAR, None):
        reached = reached_first(graph, join, queues, most)
        for split in {split_of[edge]: None for edge in reached if edge in split_of}:
            if dominators.is_reached_before(graph.ends[split[0]][0], join):
                for own, others in with_others([reached.get(edge, 0) for edge in split]):
                    if others:
                        for number in ones(own):
                            together[number] |= others
        if all(seen | 1 << number == every for number, seen in enumerate(together)):
            return None
    apart = [(number, every & ~seen & ~((2 << number) - 1)) for number, seen in enumerate(together)]
    number, others = next((number, others) for number, others in apart if others)
    pairs = sum(others.bit_count() for _, others in apart)
    return Apart((number, next(ones(others))), pairs == len(queues) * (len(queues) - 1) // 2)


def tangles(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """What would take too long to make sense of each time that the workflow is loaded."""
    graph = graph_of(definition)
    joins = {graph.place[each.node.id] for each in sound if each.type.join_rule is not None}
    try:
        loops_of(graph, joins, splits_of(definition.edges))
    except TangledLoops:
        message = "There are too many loops within loops that are entered in several places."
        yield Finding("error", None, "/edges", "too_costly", message)


def _start(definition: Definition) -> int:
    [place] = [place for place, node in enumerate(definition.nodes) if node.type == "start"]
    return place


def spins(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """Cycles in which nothing waits: they run until the step limit, or until a condition lets them out."""
    instant = {each.node.id for each in sound if not each.type.waits}
    graph = graph_of(definition)
    cycles = graph.cycles(frozenset(), {graph.place[node] for node in instant})
    names = [node.id for node in definition.nodes]
    of_node = {names[place]: cycle for cycle in cycles for place in cycle}
    told: set[str] = set()
    for each in sound:
        if each.node.id in of_node and each.node.id not in told:
            cycle = sorted(names[place] for place in of_node[each.node.id])
            told.update(cycle)
            message = f"No node waits in the cycle of {', '.join(cycle)}: it may reach the step limit."
            yield Finding("warning", each.node.id, each.path, "instant_cycle", message)
