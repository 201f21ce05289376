"""What has to be undone if an execution fails or is cancelled, and how far the undoing is."""

from dataclasses import replace

from rpds import HashTrieMap, HashTrieSet

from domain.changes import changed
from domain.execution.events import ActivationCompleted, ActivationStarted, CompensationFailure, ExecutionCompensating, NodeError
from domain.execution.state import Activation, Compensation, CompletedVisit, Execution
from domain.execution.upkeep import counted, indexed

FAILURES_NAMED = 100
"""The others are counted."""


def remember(state: Execution, activation: Activation) -> Execution:
    """A visit is completed, and there is a node that undoes it."""
    assert activation.compensate is not None
    visit = CompletedVisit(
        activation.id,
        activation.node_id,
        activation.compensate,
        activation.order,
        activation.lineage.insert(activation.node_id, activation.id),
        activation.input,
    )
    latest = max(state.latest_compensable, activation.order)
    return changed(state, compensable=state.compensable.push_front(visit), latest_compensable=latest)


def begin_compensating(state: Execution, event: ExecutionCompensating) -> Execution:
    return changed(
        state,
        tokens=HashTrieMap(),
        waiting=HashTrieMap(),
        places=HashTrieMap(),
        ended_splits=HashTrieSet(),
        held=(),
        continuation=None,
        timeout=None,
        compensation=Compensation(event),
    )


def begin_undoing(state: Execution, event: ActivationStarted) -> Execution:
    visit, order = state.to_undo, state.steps + 1
    assert visit is not None
    assert visit.activation_id == event.compensates, "visits are undone in the order that the state says"
    activation = Activation(
        event.activation_id, event.node_id, event.node_type, order, (), (), visit.lineage, event.waits, compensates=visit
    )
    return changed(
        state,
        activations=state.activations.insert(activation.id, activation),
        visits=state.visits.insert(event.node_id, event.visit),
        steps=order,
        continuation=None,
        compensable=state.compensable.drop_first(),
    )


def end_undoing(state: Execution, activation: Activation, error: NodeError | None) -> Execution:
    compensation, visit = state.compensation, activation.compensates
    assert compensation is not None
    assert visit is not None
    if error is None:
        compensation = replace(compensation, undone=compensation.undone + 1)
    else:
        failures = compensation.failures
        if len(failures) < FAILURES_NAMED:
            failures = (*failures, CompensationFailure(visit.node_id, visit.activation_id, activation.node_id, error))
        compensation = replace(compensation, failed=compensation.failed + 1, failures=failures)
    return changed(state, activations=state.activations.remove(activation.id), compensation=compensation)


def without_tokens(state: Execution, event: ActivationCompleted) -> Execution:
    """An outcome has interrupted them."""
    gone = [state.tokens[token] for token in event.interrupted]
    tokens = state.tokens
    for token in gone:
        tokens = tokens.remove(token.id)
    waiting = indexed(state.waiting, tokens, gone, ())
    held = tuple(token for token in state.held if token not in event.interrupted)
    left = changed(state, tokens=tokens, waiting=waiting, held=held, continuation=state.continuation if held else None)
    return counted(left, [token.path for token in gone], ())
