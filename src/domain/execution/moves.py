"""How tokens move: a visit takes them when it begins, and sends others on when it ends."""

from collections.abc import Sequence
from uuid import UUID

from domain.changes import changed
from domain.execution.events import ActivationStarted, ExecutionForked, Move
from domain.execution.state import FIRST_TOKEN, Activation, Execution, Result
from domain.execution.upkeep import COMPACTED_EVERY, compacted, counted, indexed, swept
from domain.facts import Json
from domain.tokens import Branch, Lineage, Path, Token, branch_in, inside, merge_paths

MOST_FORKED = 1_000_000
"""Visits that a fork may have behind it: one for each node at most. Their orders are below zero."""


def begin(state: Execution, event: ActivationStarted) -> Execution:
    taken = [state.tokens[token] for token in event.tokens]
    gone = {*event.tokens, *event.swallowed}
    path = taken[0].path
    if len(gone) > 1 or event.scope is not None:
        state, path = _meet(state, event, [token.path for token in taken])
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
        compensate=event.compensate,
        input=None if event.compensate is None else event.input,
    )
    tokens = state.tokens
    for token_id in gone:
        tokens = tokens.discard(token_id)
    waiting = state.waiting
    if waiting:
        waiting = indexed(waiting, tokens, [token for each in gone if (token := state.tokens.get(each)) is not None], ())
    held = state.held and tuple(token for token in state.held if token not in gone)
    return changed(
        state,
        tokens=tokens,
        waiting=waiting,
        activations=state.activations.insert(activation.id, activation),
        visits=state.visits.insert(event.node_id, event.visit),
        steps=order,
        held=held,
        continuation=state.continuation if held else None,
    )


def with_lineage(state: Execution, event: ExecutionForked) -> Execution:
    """The first token has visits of another execution behind it: before all that this one begins, each after the last."""
    first = state.tokens[FIRST_TOKEN]
    lineage, results = first.lineage, state.results
    order = len(lineage) - MOST_FORKED
    for visit in event.visits:
        order += 1
        lineage = lineage.insert(visit.node_id, visit.activation_id)
        results = results.insert(visit.activation_id, Result(order, visit.value))
    return changed(state, tokens=state.tokens.insert(FIRST_TOKEN, changed(first, lineage=lineage)), results=results)


def _meet(state: Execution, event: ActivationStarted, paths: list[Path]) -> tuple[Execution, Path]:
    """A round of a join: the path of its token, and the splits within its scope are ended that it has reached into."""
    lost, held = _swallowed(state, event)
    ended = {branch.split for path in (*paths, *lost, *held) for branch in inside(path, event.scope)}
    path = merge_paths(paths, event.scope, (*lost, *held), _others_live(state, event.scope, (*paths, *lost, *held)))
    if ended:
        state = changed(state, ended_splits=state.ended_splits.update(ended))
    return counted(state, (*paths, *lost), (path,)), path


def _swallowed(state: Execution, event: ActivationStarted) -> tuple[Sequence[Path], Sequence[Path]]:
    """The paths of tokens that are swallowed where they wait, and of running activations, which are cancelled next."""
    if not event.swallowed:
        return (), ()
    waiting = [token for token_id in event.swallowed if (token := state.tokens.get(token_id)) is not None]
    if len(waiting) == len(event.swallowed):
        return [token.path for token in waiting], ()
    swallowed = set(event.swallowed)
    return [token.path for token in waiting], [
        each.path for each in state.activations.values() if not swallowed.isdisjoint(each.tokens)
    ]


def _others_live(state: Execution, scope: UUID | None, met: Sequence[Path]) -> bool:
    """Whether anybody lives in a split beside those who meet."""
    if scope is None:
        return False
    return state.places[scope] > sum(branch_in(path, scope) is not None for path in met)


def _merge_lineages(state: Execution, lineages: list[Lineage]) -> Lineage:
    """Where several know a node, the later activation wins."""
    merged, *rest = lineages
    for lineage in rest:
        for node_id, activation_id in lineage.items():
            known = merged.get(node_id)
            if known == activation_id:
                continue
            if known is None or state.results[known].order < state.results[activation_id].order:
                merged = merged.insert(node_id, activation_id)
    return merged


def end(state: Execution, activation_id: UUID, value: Json, moves: tuple[Move, ...]) -> Execution:
    activation = state.activations[activation_id]
    lineage, results = activation.lineage.insert(activation.node_id, activation_id), state.results
    if len(state.activations) == 1 and not state.tokens and activation.node_id in activation.lineage:
        # Nobody else is there whose lineage could name what this node came to before: a loop does not grow by its turns.
        # But a visit that may have to be undone remembers its lineage, which names only visits before it.
        before = activation.lineage[activation.node_id]
        if before in results and results[before].order > state.latest_compensable:
            results = results.discard(before)
    taken = tuple(move.edge for move in moves)
    tokens, come = state.tokens, []
    for move in moves:
        path = activation.path if len(moves) == 1 else (*activation.path, Branch(activation_id, (move.edge,), taken))
        token = Token(move.token, move.edge, move.target, path, lineage)
        tokens = tokens.insert(move.token, token)
        come.append(token)
    ended = changed(
        state,
        tokens=tokens,
        waiting=indexed(state.waiting, tokens, (), come),
        activations=state.activations.remove(activation_id),
        results=results.insert(activation_id, Result(activation.order, value, next(iter(activation.waits_for("ai_task")), None))),
        next_token=state.next_token + len(moves),
    )
    if len(moves) != 1:
        ended = counted(ended, (activation.path,), [token.path for token in come])
        if come and len(come[0].path) % COMPACTED_EVERY == 0:
            ended = compacted(ended)
    return ended if len(ended.results) < ended.sweep_at else swept(ended)
