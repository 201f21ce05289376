"""Joins: those that cannot fire, and loops in which one would be stuck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.definition import Definition, Finding
from engine.graph import Dominators, Graph, ones
from engine.lints.nodes import Sound
from engine.lints.wiring import start_of
from engine.loops import Loop, TangledLoops, loops_of, with_others
from engine.plan import graph_of, queues_of, splits_of
from engine.ways import Queues, reached_first

MOST_LOOKS = 200_000
"""At nodes, for what is only a warning: some tenths of a second."""
NEAR = 64
"""Nodes in front of a join that are looked at first: mostly the split is among them. Then eight times as many, then all."""


@dataclass(frozen=True)
class Drawn:
    """A definition as it is drawn, every node sound and every edge between two of them; worked out once for all that is asked."""

    definition: Definition
    sound: Sequence[Sound]

    @cached_property
    def graph(self) -> Graph:
        return graph_of(self.definition)

    @cached_property
    def dominators(self) -> Dominators:
        return self.graph.dominators(start_of(self.definition))

    @cached_property
    def joins(self) -> Sequence[Sound]:
        return [each for each in self.sound if each.type.join_rule is not None]

    @cached_property
    def queues(self) -> Mapping[str, Queues]:
        """By join."""
        return queues_of([each.node.id for each in self.joins], self.definition.edges)

    @cached_property
    def splits(self) -> Sequence[Sequence[int]]:
        return splits_of(self.definition.edges)

    @cached_property
    def loops(self) -> Sequence[Loop]:
        """Raises TangledLoops."""
        return loops_of(self.graph, {self.graph.place[each.node.id] for each in self.joins}, self.splits)

    def need(self, join: Sound) -> int:
        """How many queues a round takes a token from."""
        assert join.type.join_rule is not None
        return join.type.join_rule(join.node, len(self.queues[join.node.id])).need


def tangled(drawn: Drawn) -> Iterator[Finding]:
    """What would take too long to make sense of each time that the workflow is loaded."""
    try:
        drawn.loops  # noqa: B018 - it is worked out
    except TangledLoops:
        message = "There are too many loops within loops that are entered in several places."
        yield Finding("error", None, "/edges", "too_costly", message)


def fire(drawn: Drawn) -> Iterator[Finding]:
    """Joins with nothing to join, and those that cannot close their first round."""
    graph = drawn.graph
    split_of = {edge: split for split in drawn.splits for edge in split}
    for each in drawn.joins:
        queues, need = drawn.queues[each.node.id], drawn.need(each)
        if len(queues) < 2:
            message = f"Only {len(queues)} edge comes in: there is nothing to join."
            yield Finding("warning", each.node.id, each.path, "nothing_to_join", message)
        if need > len(queues):
            message = f"It waits for {need} different edges, and {len(queues)} come in."
            yield Finding("error", each.node.id, each.path, "join_never_fires", message)
        elif need > 1:
            apart = _never_together(drawn, split_of, graph.place[each.node.id], queues)
            if apart is not None and (apart.all or need == len(queues)):
                first, second = (drawn.definition.edges[queues[number][0]].source for number in apart.first)
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


def _never_together(drawn: Drawn, split_of: Mapping[int, Sequence[int]], join: int, queues: Queues) -> Apart | None:
    """Pairs for which no handle sends tokens by two edges, one towards each. None: there are none.

    All tokens descend from the first one; two of them part where a handle has several edges, or never.
    """
    every = (1 << len(queues)) - 1
    together = [0] * len(queues)
    for most in (NEAR, 8 * NEAR, None):
        reached = reached_first(drawn.graph, join, queues, most)
        for split in {id(split_of[edge]): split_of[edge] for edge in reached if edge in split_of}.values():
            if drawn.dominators.is_reached_before(drawn.graph.ends[split[0]][0], join):
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


def stuck(drawn: Drawn) -> Iterator[Finding]:
    """Loops through a join in which what is sent back from behind it cannot come to it by enough edges again."""
    graph, looks = drawn.graph, 0
    names = [node.id for node in drawn.definition.nodes]
    for each in drawn.joins:
        join, need = graph.place[each.node.id], drawn.need(each)
        for edge in _from_behind(drawn, join) if need > 1 else ():
            looks += len(names)
            if looks > MOST_LOOKS:
                return
            source, head = graph.ends[edge]
            again = graph.reached_from(head, frozenset(graph.leaving[join]))
            ways = sum(graph.ends[queue[0]][0] in again for queue in drawn.queues[each.node.id])
            if ways < need:
                message = (
                    f"What {names[source]} sends back to {names[head]} comes to {each.node.id} again by {ways} of {need} edges: "
                    "the execution would be stuck there. Send it back to where the branches part."
                )
                yield Finding("warning", names[source], f"/edges/{edge}", "stuck_at_join", message)


def _from_behind(drawn: Drawn, join: int) -> list[int]:
    """The edges by which what has passed a join is sent back in front of it, but for those straight into it."""
    back = {edge for loop in drawn.loops if loop.nodes >> join & 1 for edge in loop.back}
    ends, dominators = drawn.graph.ends, drawn.dominators
    return sorted(
        edge
        for edge in back
        if ends[edge][1] != join and ends[edge][0] in dominators.rank and dominators.dominates(join, ends[edge][0])
    )
