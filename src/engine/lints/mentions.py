"""Nodes that name others: what undoes them (`compensate`), and what their configuration mentions."""

from collections.abc import Iterator, Sequence

from engine.definition import Definition, Finding
from engine.lints.nodes import Sound, does_something


def compensating(definition: Definition) -> frozenset[str]:
    """The nodes that undo visits of others: no edge leads to them."""
    return frozenset(node.compensate for node in definition.nodes if node.compensate is not None)


def mentions(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    ids = {node.id for node in definition.nodes}
    for each in sound:
        for pointer, name in each.type.mentions(each.node):
            path = f"{each.path}/config{pointer}"
            if name not in ids:
                yield Finding("error", each.node.id, path, "unknown_node", f"There is no node {name}.")
            elif name == each.node.id:
                yield Finding("error", each.node.id, path, "invalid_value", f"{name} cannot name itself here.")


def compensations(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    nodes, judged = {node.id: node for node in definition.nodes}, {each.node.id: each for each in sound}
    for index, node in enumerate(definition.nodes):
        if node.compensate is None:
            continue
        path, name = f"/nodes/{index}/compensate", node.compensate
        if name not in nodes:
            yield Finding("error", node.id, path, "unknown_node", f"There is no node {name}.")
        elif name == node.id:
            yield Finding("error", node.id, path, "invalid_value", f"{name} cannot undo itself.")
        elif nodes[name].compensate is not None:
            message = f"{name} undoes others, so its own visits are not undone: it cannot have a `compensate`."
            yield Finding("error", node.id, path, "invalid_value", message)
        elif name in judged and not does_something(judged[name].node, judged[name].type):
            message = f"{name} is of type {nodes[name].type}, which does nothing that could undo a visit."
            yield Finding("error", node.id, path, "invalid_value", message)
    undoing = compensating(definition)
    for edge in definition.edges:
        for end, node_id in (("source", edge.source), ("target", edge.target)):
            if node_id in undoing:
                message = f"{node_id} undoes visits of another node: no edge leads to it or from it."
                yield Finding("error", node_id, f"/edges/{edge.index}/{end}", "compensation_with_edges", message)
