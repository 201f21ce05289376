"""A workflow that starts itself before it can end."""

from collections.abc import Iterator, Sequence

from engine.definition import Definition, Finding
from engine.lints.nodes import Sound
from engine.plan import graph_of

ENDS = frozenset({"end", "fail"})


def recursion(definition: Definition, sound: Sequence[Sound]) -> Iterator[Finding]:
    """Only called where every node is sound and every edge joins two nodes. What ends it is the limit of depth."""
    start = next(node.id for node in definition.nodes if node.type == "start")
    certain = {edge.index for edge in definition.edges if edge.handle == "success" and edge.when is None}
    graph = graph_of(definition)
    unsure = frozenset(range(len(definition.edges))) - certain
    for each in sound:
        if each.node.type != "workflow" or each.node.config["workflow_key"] != definition.key:
            continue
        place = graph.place[each.node.id]
        always = place in graph.reached_from(graph.place[start], unsure)
        reached = graph.reached_from(graph.place[start], frozenset(graph.leaving[place]))
        if always or not any(graph.place[node.id] in reached for node in definition.nodes if node.type in ENDS):
            message = f"{each.node.id} starts this workflow again, every time: it ends in too_deep."
            yield Finding("warning", each.node.id, f"{each.path}/config/workflow_key", "endless_recursion", message)
