"""Which loops a graph has, and what dominates what: against what follows from the definitions alone."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from engine import loops
from engine.graph import Graph
from engine.loops import Loop, loops_of

SIZE = 9
EDGES = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), min_size=SIZE - 1, max_size=20)


def graph_of(edges: list[tuple[int, int]]) -> Graph:
    return Graph([str(node) for node in range(SIZE)], [(str(source), str(target)) for source, target in edges])


@given(EDGES)
def test_a_node_dominates_what_no_path_leads_to_without_it(edges: list[tuple[int, int]]) -> None:
    graph = graph_of(edges)
    found = graph.dominators(0)
    reached = graph.reached_from(0)
    assert set(found.rank) == reached
    for one in reached:
        without = set() if one == 0 else graph.reached_from(0, frozenset(graph.entering[one]))
        for other in reached:
            assert found.dominates(one, other) == (other not in without)
        before = graph.reached_from(0, frozenset(graph.leaving[one]))
        assert {other for other in range(SIZE) if found.is_reached_before(other, one)} == before


def peeled(graph: Graph) -> Iterator[Loop]:
    """A loop is a strongly connected part; the loops within it are those of what is left without its edges back."""
    barred: set[int] = set()
    parts = [set(range(SIZE))]
    while parts:
        for nodes in graph.cycles(barred, parts.pop()):
            heads = {
                node for node in nodes for edge in graph.entering[node] if graph.ends[edge][0] not in nodes and edge not in barred
            }
            back = {edge for head in heads or nodes for edge in graph.entering[head] if graph.ends[edge][0] in nodes} - barred
            yield Loop(sum(1 << node for node in nodes), frozenset(back))
            barred |= back
            parts.append(nodes)


@given(EDGES)
def test_loops_with_one_head_are_found_at_once_as_they_are_one_by_one(edges: list[tuple[int, int]]) -> None:
    graph = graph_of(edges)
    for nodes in graph.cycles(frozenset(), graph.reached_from(0)):
        at_once = loops._with_one_head_each(graph, nodes, frozenset())
        if at_once is not None:
            inside = [each for each in peeled(graph) if each.nodes & sum(1 << node for node in nodes)]
            assert {(each.nodes, each.back) for each in at_once} == {(each.nodes, each.back) for each in inside}


def test_loops_within_loops() -> None:
    """0 > 1 > 2 > 3 > 4, back from 3 to 2, from 4 to 1 and to itself."""
    graph = graph_of([(0, 1), (1, 2), (2, 3), (3, 4), (3, 2), (4, 1), (4, 4)])
    found = {(each.nodes, each.back) for each in loops_of(graph, frozenset(), ())}
    assert found == {(0b11110, frozenset({5})), (0b01100, frozenset({4})), (0b10000, frozenset({6}))}
