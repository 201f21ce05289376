"""The nodes together: edges, handles, what can be reached, cycles that spin. Joins have a module of their own."""

from collections.abc import Iterator, Sequence

from engine.definition import Definition, Finding
from engine.expressions import expressions_in
from engine.lints.mentions import compensating
from engine.lints.nodes import Sound
from engine.plan import entries_of, graph_of


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


def repeated(definition: Definition) -> Iterator[Finding]:
    """Edges that say what another one says: where the one holds, the other does, and its target runs twice at once."""
    seen: dict[tuple[str, str, str, str | None], int] = {}
    for edge in definition.edges:
        first = seen.setdefault((edge.source, edge.handle, edge.target, edge.when), edge.index)
        if first != edge.index:
            message = f"This edge is like edge {first}: {edge.target} would run twice at once."
            yield Finding("warning", edge.source, f"/edges/{edge.index}", "duplicate_edge", message)


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
    return each.type.works or each.type.may_fail or any(expressions_in(each.node.config)) or any(each.type.formulas(each.node))


def reachable(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """Only called where every node is sound and every edge joins two nodes."""
    graph = graph_of(definition)
    reached, undoing = graph.reached_from(start_of(definition)), compensating(definition)
    for each in sound:
        if each.node.id not in undoing and graph.place[each.node.id] not in reached:
            yield Finding("error", each.node.id, each.path, "unreachable", f"No path leads from the start to {each.node.id}.")


def start_of(definition: Definition) -> int:
    """The place of the node where it begins."""
    entry = entries_of(definition)[0]
    return next(place for place, node in enumerate(definition.nodes) if node.id == entry)


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
