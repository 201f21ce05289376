"""The nodes together: edges, handles, what can be reached, joins that cannot fire, cycles that spin."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from engine.definition import Definition, Finding
from engine.expressions import expressions_in
from engine.lints.nodes import Sound
from engine.loops import with_others
from engine.plan import graph_of, queues_of, splits_of
from engine.ways import reached_first


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
    for each in sound:
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
    reached = graph.reached_from(_start(definition))
    for each in sound:
        if graph.place[each.node.id] not in reached:
            yield Finding("error", each.node.id, each.path, "unreachable", f"No path leads from the start to {each.node.id}.")


def joins(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    graph, splits = graph_of(definition), splits_of(definition.edges)
    for each in sound:
        if each.type.join_rule is None:
            continue
        queues = queues_of(each.node.id, definition.edges)
        need = each.type.join_rule(each.node, len(queues)).need
        if len(queues) < 2:
            message = f"Only {len(queues)} edge comes in: there is nothing to join."
            yield Finding("warning", each.node.id, each.path, "nothing_to_join", message)
        if need > len(queues):
            message = f"It waits for {need} different edges, and {len(queues)} come in."
            yield Finding("error", each.node.id, each.path, "join_never_fires", message)
        elif need > 1:
            join = graph.place[each.node.id]
            before = graph.reached_from(_start(definition), frozenset(graph.leaving[join]))
            parting = [split for split in splits if graph.ends[split[0]][0] in before]
            apart = _never_together(reached_first(graph, join, queues), parting, len(queues))
            if len(apart) == len(queues) * (len(queues) - 1) // 2 or (apart and need == len(queues)):
                first, second = (definition.edges[queues[number][0]].source for number in apart[0])
                message = (
                    f"No token can come from {first} while another comes from {second}: "
                    "they are alternatives, or one of them is behind the join."
                )
                yield Finding("error", each.node.id, each.path, "join_never_fires", message)


def _never_together(reached: Sequence[int], splits: Sequence[Sequence[int]], queues: int) -> list[tuple[int, int]]:
    """Pairs of queues for which no handle sends tokens by two edges, one towards each, before the join's first round.

    `reached`: by edge, the queues that it leads to. All tokens descend from the first one; two of them part where a handle has
    several edges, or never.
    """
    together = [0] * queues
    for split in splits:
        for own, others in with_others([reached[edge] for edge in split]):
            for number in range(queues):
                if own >> number & 1:
                    together[number] |= others
    return [(one, other) for one, other in combinations(range(queues), 2) if not together[one] >> other & 1]


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
            message = f"Nothing waits in the cycle of {', '.join(cycle)}: it may run into the step limit."
            yield Finding("warning", each.node.id, each.path, "instant_cycle", message)
