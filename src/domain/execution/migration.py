"""An execution goes on by another version of its workflow: all that its state says in the words of a definition is translated.

Those are the ids of nodes and the indices of edges. The event says what they become, so that a replay needs neither definition.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias
from uuid import UUID

from rpds import HashTrieMap, List

from domain.changes import changed
from domain.execution.events import ExecutionMigrated, MigratedEdge
from domain.execution.state import Activation, CompletedVisit, Execution, Tokens
from domain.execution.upkeep import indexed
from domain.facts import Event
from domain.tokens import Branch, Lineage, Path, Token

Names: TypeAlias = Mapping[str, str | None]
"""By nodes: what they are called from now on, where that is another name; None: there is no counterpart."""


def migrate(state: Execution, event: ExecutionMigrated) -> Execution:
    assert state.started is not None
    words = Translation(state, event)
    tokens: Tokens = HashTrieMap({token.id: words.token(token) for token in state.tokens.values()})
    return changed(
        state,
        started=changed(state.started, workflow_version=event.to_version),
        tokens=tokens,
        waiting=indexed(HashTrieMap(), tokens, (), ()),
        activations=HashTrieMap({each.id: words.activation(each) for each in state.activations.values()}),
        visits=HashTrieMap(words.counted(state.visits)),
        last_end=None if state.last_end is None else words.name(state.last_end),
        compensable=List([words.completed(visit) for visit in state.compensable]),
    )


def names_after(event: Event) -> Names | None:
    """What a migration calls nodes from then on; None: the event is none."""
    return event.nodes if isinstance(event, ExecutionMigrated) else None


def lineage_after(names: Names, lineage: Lineage, order_of: Callable[[UUID], int]) -> Lineage:
    """What a node came to is its counterpart's; of several with one, the later visit's. Without one it is forgotten."""
    moved = [(to, lineage[node_id]) for node_id, to in names.items() if node_id in lineage]
    for node_id in names:
        lineage = lineage.discard(node_id)
    for to, activation_id in moved:
        known = None if to is None else lineage.get(to)
        if to is not None and (known is None or order_of(known) < order_of(activation_id)):
            lineage = lineage.insert(to, activation_id)
    return lineage


class Translation:
    """Lineages and paths are shared by many tokens, and translated once."""

    def __init__(self, state: Execution, event: ExecutionMigrated) -> None:
        self._state, self._event = state, event
        self._branches, self._arrivals = _by_edge(event.branches), _by_edge(event.arrivals)
        self._lineages: dict[int, tuple[Lineage, Lineage]] = {}
        self._paths: dict[Path, Path] = {}

    def name(self, node_id: str) -> str:
        """What has no counterpart keeps its name, which then only people read."""
        return self._event.nodes.get(node_id, node_id) or node_id

    def token(self, token: Token) -> Token:
        edge = token.edge if token.edge is None else self._arrivals.get(token.edge, token.edge)
        return Token(token.id, edge, self.name(token.target), self._path(token.path), self._lineage(token.lineage))

    def activation(self, activation: Activation) -> Activation:
        return changed(
            activation,
            node_id=self.name(activation.node_id),
            path=self._path(activation.path),
            lineage=self._lineage(activation.lineage),
            compensate=None if activation.compensate is None else self.name(activation.compensate),
        )

    def completed(self, visit: CompletedVisit) -> CompletedVisit:
        return changed(
            visit,
            node_id=self.name(visit.node_id),
            compensate=self.name(visit.compensate),
            lineage=self._lineage(visit.lineage),
        )

    def counted(self, visits: Mapping[str, int]) -> dict[str, int]:
        """How often nodes were visited; those of several that have one counterpart are its visits."""
        found: dict[str, int] = {}
        for node_id, visited in visits.items():
            to = self._event.nodes.get(node_id, node_id)
            if to is not None:
                found[to] = found.get(to, 0) + visited
        return found

    def _lineage(self, lineage: Lineage) -> Lineage:
        known = self._lineages.get(id(lineage))
        if known is None:
            results = self._state.results
            after = lineage_after(self._event.nodes, lineage, lambda activation_id: results[activation_id].order)
            known = self._lineages[id(lineage)] = lineage, after
        return known[1]

    def _path(self, path: Path) -> Path:
        known = self._paths.get(path)
        if known is None:
            known = self._paths[path] = tuple(self._branch(each) for each in path)
        return known

    def _branch(self, branch: Branch) -> Branch:
        return Branch(branch.split, tuple(sorted(self._edges(branch.edges))), tuple(self._edges(branch.taken)))

    def _edges(self, edges: Iterable[int]) -> dict[int, None]:
        found = (self._branches.get(edge, edge) for edge in edges)
        return {edge: None for edge in found if edge is not None}


def _by_edge(edges: Iterable[MigratedEdge]) -> dict[int, int | None]:
    return {each.edge: each.to for each in edges}
