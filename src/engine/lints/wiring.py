"""The nodes together: edges, handles, what can be reached, joins that cannot fire, cycles that spin."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from engine.definition import Definition, Edge, Finding
from engine.expressions import expressions_in
from engine.graph import Reach
from engine.lints.nodes import Sound
from engine.plan import queues_of


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
    reach = reach_of(definition)
    [start] = [node.id for node in definition.nodes if node.type == "start"]
    for each in sound:
        if not reach.reaches(start, each.node.id):
            yield Finding("error", each.node.id, each.path, "unreachable", f"No path leads from the start to {each.node.id}.")


def joins(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    reach = reach_of(definition)
    for each in sound:
        if each.type.gather is None:
            continue
        queues = queues_of(each.node.id, definition.edges)
        need = each.type.gather(each.node, len(queues)).need
        if len(queues) < 2:
            message = f"Only {len(queues)} edge comes in: there is nothing to join."
            yield Finding("warning", each.node.id, each.path, "nothing_to_join", message)
        if need > len(queues):
            message = f"It waits for {need} different edges, and {len(queues)} come in."
            yield Finding("error", each.node.id, each.path, "join_never_fires", message)
        elif need > 1:
            apart = _never_together(definition, reach, queues)
            if len(apart) == len(queues) * (len(queues) - 1) // 2 or (apart and need == len(queues)):
                first, second = (definition.edges[queue[0]].source for queue in apart[0])
                message = f"No token can come from {first} while another comes from {second}: they are alternatives."
                yield Finding("error", each.node.id, each.path, "join_never_fires", message)


def _never_together(
    definition: Definition, reach: Reach, queues: Sequence[tuple[int, ...]]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of queues for which no handle sends tokens by two edges, one towards each.

    All tokens descend from the first one; two of them part where a handle has several edges, or never.
    """
    splits: dict[tuple[str, str], list[Edge]] = {}
    for edge in definition.edges:
        splits.setdefault((edge.source, edge.handle), []).append(edge)
    towards = {
        queue: [
            {edge.index for edge in split if any(_leads(definition, reach, edge, into) for into in queue)}
            for split in splits.values()
            if len(split) > 1
        ]
        for queue in queues
    }
    return [
        (one, other)
        for one, other in combinations(queues, 2)
        if not any(a and b and len(a | b) > 1 for a, b in zip(towards[one], towards[other], strict=True))
    ]


def _leads(definition: Definition, reach: Reach, edge: Edge, into: int) -> bool:
    return edge.index == into or reach.reaches(edge.target, definition.edges[into].source)


def spins(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """Cycles in which nothing waits: they run until the step limit, or until a condition lets them out."""
    instant = {each.node.id for each in sound if not each.type.waits}
    drawn = [(edge.source, edge.target) for edge in definition.edges if {edge.source, edge.target} <= instant]
    reach = Reach(sorted(instant), drawn)
    seen: set[str] = set()
    for each in sound:
        if each.node.id in seen or not any(s == each.node.id and reach.reaches(t, s) for s, t in drawn):
            continue
        cycle = [n for n in sorted(instant) if reach.reaches(n, each.node.id) and reach.reaches(each.node.id, n)]
        seen.update(cycle)
        message = f"Nothing waits in the cycle of {', '.join(cycle)}: it may run into the step limit."
        yield Finding("warning", each.node.id, each.path, "instant_cycle", message)


def reach_of(definition: Definition) -> Reach:
    return Reach([node.id for node in definition.nodes], [(edge.source, edge.target) for edge in definition.edges])
