"""How tokens move: a visit takes them when it begins, and sends others on when it ends."""

from collections.abc import Iterable
from uuid import UUID

from domain.changes import changed
from domain.execution.events import ActivationStarted, Move
from domain.execution.state import Activation, Execution, Result
from domain.facts import Json
from domain.tokens import Branch, Lineage, Path, Token, inside, merge_paths


def begin(state: Execution, event: ActivationStarted) -> Execution:
    taken = [state.tokens[token] for token in event.tokens]
    gone = {*event.tokens, *event.swallowed}
    path, ended = taken[0].path, frozenset[UUID]()
    if len(gone) > 1 or event.scope is not None:
        path, ended = _meet(state, event, [token.path for token in taken])
    order = state.steps + 1
    activation = Activation(
        event.activation_id,
        event.node_id,
        event.node_type,
        order,
        event.tokens,
        path,
        _merge_lineages(state, [token.lineage for token in taken]),
        event.waits,
    )
    tokens = state.tokens
    for token_id in gone:
        tokens = tokens.discard(token_id)
    held = state.held and tuple(token for token in state.held if token not in gone)
    return changed(
        state,
        tokens=tokens,
        activations=state.activations.insert(activation.id, activation),
        visits=state.visits.insert(event.node_id, event.visit),
        ended_splits=state.ended_splits.update(ended) if ended else state.ended_splits,
        steps=order,
        held=held,
        continuation=state.continuation if held else None,
    )


def _meet(state: Execution, event: ActivationStarted, paths: list[Path]) -> tuple[Path, frozenset[UUID]]:
    """The path of a join's token, and the splits within its scope that the round has reached into."""
    taken, swallowed = set(event.tokens), set(event.swallowed)
    losers, others = [], []
    for held, path in _places(state):
        if not swallowed.isdisjoint(held):
            losers.append(path)
        elif taken.isdisjoint(held):
            others.append(path)
    ended = frozenset(branch.split for path in (*paths, *losers) for branch in inside(path, event.scope))
    return merge_paths(paths, event.scope, losers, others), ended


def _places(state: Execution) -> Iterable[tuple[tuple[int, ...], Path]]:
    """Every live place: the tokens there and their path."""
    yield from (((token.id,), token.path) for token in state.tokens.values())
    yield from ((activation.tokens, activation.path) for activation in state.activations.values())


def _merge_lineages(state: Execution, lineages: list[Lineage]) -> Lineage:
    """Where several know a node, the later activation wins."""
    merged, *rest = lineages
    for lineage in rest:
        for node_id, activation_id in lineage.items():
            known = merged.get(node_id)
            if known is None or state.results[known].order < state.results[activation_id].order:
                merged = merged.insert(node_id, activation_id)
    return merged


def end(state: Execution, activation_id: UUID, value: Json, moves: tuple[Move, ...]) -> Execution:
    activation = state.activations[activation_id]
    lineage, results = activation.lineage.insert(activation.node_id, activation_id), state.results
    if len(state.activations) == 1 and not state.tokens and activation.node_id in activation.lineage:
        # Nobody else is there whose lineage could name what this node came to before: a loop does not grow by its turns.
        results = results.discard(activation.lineage[activation.node_id])
    taken = tuple(move.edge for move in moves)
    tokens = state.tokens
    for move in moves:
        path = activation.path if len(moves) == 1 else (*activation.path, Branch(activation_id, (move.edge,), taken))
        tokens = tokens.insert(move.token, Token(move.token, move.edge, move.target, path, lineage))
    return changed(
        state,
        tokens=tokens,
        activations=state.activations.remove(activation_id),
        results=results.insert(activation_id, Result(activation.order, value)),
        next_token=state.next_token + len(moves),
    )
