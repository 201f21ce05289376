"""What keeps an execution's state as large as what is alive in it, and a step as cheap, however many steps there have been.

All of it follows from the events alone, so that two folds of one stream are equal wherever they began.
"""

from collections.abc import Iterable
from uuid import UUID

from rpds import HashTrieMap

from domain.changes import changed
from domain.execution.state import SWEPT_AT_LEAST, Execution, Result, Tokens, Waiting
from domain.tokens import Branch, Path, Token

INDEXED_FROM, INDEXED_UNTIL = 32, 16
"""Tokens from which on there is an index of them, and below which there is none any more."""
COMPACTED_EVERY = 32
"""Splits that a path grows by before those are looked for that can make no difference any more."""


def indexed(waiting: Waiting, tokens: Tokens, gone: Iterable[Token], come: Iterable[Token]) -> Waiting:
    """The index of the tokens, after some are gone and others have come. Few tokens are looked through without one."""
    if not waiting:
        if len(tokens) < INDEXED_FROM:
            return waiting
        come = sorted(tokens.values(), key=lambda token: token.id)  # a map's own order is another in each fold
    elif len(tokens) < INDEXED_UNTIL:
        return HashTrieMap()
    else:
        for token in gone:
            waiting = _without(waiting, token)
    for token in come:
        edges = waiting.get(token.target)
        if edges is None:
            edges = HashTrieMap()
        waiting = waiting.insert(token.target, edges.insert(token.edge, (*edges.get(token.edge, ()), token.id)))
    return waiting


def _without(waiting: Waiting, token: Token) -> Waiting:
    edges = waiting[token.target]
    rest = tuple(one for one in edges[token.edge] if one != token.id)
    edges = edges.insert(token.edge, rest) if rest else edges.remove(token.edge)
    return waiting.insert(token.target, edges) if edges else waiting.remove(token.target)


def counted(state: Execution, gone: Iterable[Path], come: Iterable[Path]) -> Execution:
    """Places of the execution are gone and others have come. A split in which nobody lives is forgotten."""
    places, ended = state.places, state.ended_splits
    for path in come:
        for branch in path:
            places = places.insert(branch.split, places.get(branch.split, 0) + 1)
    for path in gone:
        for branch in path:
            left = places[branch.split] - 1
            if left:
                places = places.insert(branch.split, left)
            else:
                places, ended = places.remove(branch.split), ended.discard(branch.split)
    return state if places is state.places else changed(state, places=places, ended_splits=ended)


def swept(state: Execution) -> Execution:
    """Without the results that no lineage names. The next look comes when there are as many more as this one went through."""
    named: dict[UUID, Result] = {}
    walked = 0
    lineages = (each.lineage for some in (state.tokens.values(), state.activations.values(), state.compensable) for each in some)
    for lineage in lineages:
        walked += len(lineage)
        for activation_id in lineage.values():
            if activation_id not in named:
                named[activation_id] = state.results[activation_id]
    return changed(state, results=HashTrieMap(named), sweep_at=len(named) + max(SWEPT_AT_LEAST, walked))


def compacted(state: Execution) -> Execution:
    """Without the splits on paths that can make no difference any more.

    Of two splits of the same edges, the outer one is no join's scope while the inner one may be: what leads to all of a join's
    queues does so for both. Where all who live in the outer one live in the inner one as well, that is so for good.
    """
    shortened: dict[Path, Path] = {}
    come, gone = [], []

    def short(path: Path) -> Path:
        if path not in shortened:
            shortened[path] = _without_idle(state, path)
        come.append(shortened[path])
        gone.append(path)
        return shortened[path]

    tokens, activations = state.tokens, state.activations
    for token in state.tokens.values():
        if (path := short(token.path)) != token.path:
            tokens = tokens.insert(token.id, changed(token, path=path))
    for activation in state.activations.values():
        if (path := short(activation.path)) != activation.path:
            activations = activations.insert(activation.id, changed(activation, path=path))
    return counted(changed(state, tokens=tokens, activations=activations), gone, come)


def _without_idle(state: Execution, path: Path) -> Path:
    kept: list[Branch] = []
    inner: dict[tuple[int, ...], Branch] = {}
    for branch in reversed(path):
        below = inner.get(branch.taken)
        if below is None or not _is_idle(state, branch.split, below.split):
            kept.append(branch)
            inner[branch.taken] = branch
    return tuple(reversed(kept))


def _is_idle(state: Execution, outer: UUID, inner: UUID) -> bool:
    if inner in state.ended_splits and outer not in state.ended_splits:
        return False
    return state.places[outer] == state.places[inner]
