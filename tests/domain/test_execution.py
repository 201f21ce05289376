"""What an execution's events make of its state."""

from dataclasses import replace
from uuid import UUID

import pytest
from rpds import HashTrieMap

from domain.execution import (
    EXECUTION,
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationStarted,
    Execution,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    Move,
    NodeError,
    Wait,
    evolve,
)
from domain.tokens import Branch

START, A, B, JOIN = (UUID(int=number) for number in range(1, 5))
BEGUN: tuple[ExecutionEvent, ...] = (
    ExecutionStarted(UUID(int=9), "test", 1, "start", {"n": 1}),
    ActivationStarted(START, "start", "start", 1, (0,)),
    ActivationCompleted(START, "start", "success", None, (Move(1, 0, "a"), Move(2, 1, "b"))),
    ActivationStarted(A, "a", "approval", 1, (1,), waits=(Wait("approval", UUID(int=7)),)),
)


def after(*events: ExecutionEvent) -> Execution:
    state = EXECUTION.initial
    for event in events:
        state = evolve(state, event)
    return state


def test_tokens_that_part_know_their_branch() -> None:
    state = after(*BEGUN)
    assert state.tokens[2].path == (Branch(START, (1,), (0, 1)),)
    assert state.activations[A].path == (Branch(START, (0,), (0, 1)),)
    assert state.activations[A].waits_for("approval") == (UUID(int=7),)
    assert dict(state.tokens[2].lineage) == {"start": START}
    assert (state.next_token, state.steps) == (3, 2)


def test_a_single_move_opens_no_split() -> None:
    state = after(*BEGUN, ActivationCompleted(A, "a", "ok", 1, (Move(3, 2, "c"),)))
    assert state.tokens[3].path == (Branch(START, (0,), (0, 1)),)
    assert state.results[A].value == {"output": 1}


def test_an_error_that_is_handled_is_what_the_node_came_to() -> None:
    state = after(*BEGUN, ActivationFailed(A, "a", NodeError("broken", "It broke"), "error", (Move(3, 2, "c"),)))
    assert state.results[A].value == {"error": {"type": "broken", "message": "It broke", "attempts": 1}}
    assert dict(state.tokens[3].lineage) == {"start": START, "a": A}


def test_a_round_takes_and_swallows_and_ends_the_split() -> None:
    state = after(*BEGUN, ActivationStarted(JOIN, "join", "join", 1, (2,), swallowed=(1,), scope=START))
    assert len(state.tokens) == 0
    assert state.activations[JOIN].path == ()
    state = evolve(state, ActivationCancelled(A, "a", "join_closed"))
    assert list(state.activations) == [JOIN]


def test_the_output_is_that_of_the_last_end() -> None:
    ends = (ActivationCompleted(A, "a", None, 1), ActivationStarted(B, "b", "end", 1, (2,)), ActivationCompleted(B, "b", None, 2))
    state = after(*BEGUN, *ends)
    assert (state.output, state.last_end) == (2, "b")


@pytest.mark.parametrize(
    ("event", "status"),
    [(ExecutionCompleted(1), "completed"), (ExecutionFailed("no", "No"), "failed"), (ExecutionCancelled(), "cancelled")],
)
def test_what_is_over_has_nothing_alive(event: ExecutionEvent, status: str) -> None:
    state = after(*BEGUN, event)
    assert (state.status, state.live, len(state.tokens), len(state.activations)) == (status, False, 0, 0)


def test_a_pause_changes_the_status_alone() -> None:
    paused = after(*BEGUN, ExecutionPaused())
    assert (paused.status, paused.live, len(paused.activations)) == ("paused", True, 1)
    assert evolve(paused, ExecutionResumed()) == replace(after(*BEGUN), resumes=1)


def test_a_signal_changes_nothing() -> None:
    assert after(*BEGUN, ExecutionSignalled("hello", None)) == after(*BEGUN)


def test_what_is_over_lets_go_of_results_and_input() -> None:
    state = after(*BEGUN, ExecutionCompleted({"large": "x" * 1000}))
    assert (state.status, state.results, state.visits, state.output) == ("completed", HashTrieMap(), HashTrieMap(), None)
    assert state.started is not None
    assert state.started.input is None


def test_a_loop_keeps_what_a_node_came_to_last() -> None:
    turns: list[ExecutionEvent] = []
    for number in range(1, 50):
        visit = UUID(int=1000 + number)
        turns.append(ActivationStarted(visit, "turn", "set", number, (number,)))
        turns.append(ActivationCompleted(visit, "turn", "success", number, (Move(number + 1, 7, "turn"),)))
    began = ActivationCompleted(START, "start", "success", None, (Move(1, 0, "turn"),))
    started = ActivationStarted(START, "start", "start", 1, (0,))
    state = after(BEGUN[0], started, began, *turns)
    assert {result.value["output"] for result in state.results.values()} == {None, 49}


def test_an_index_of_many_tokens_is_the_same_in_every_fold() -> None:
    """A persistent map goes through its entries in an order that is another each time."""
    many = tuple(Move(number, 0, "join") for number in range(1, 60))
    events = (*BEGUN[:2], ActivationCompleted(START, "start", "success", None, many))
    first = after(*events)
    assert all(after(*events) == first for _ in range(5))
    assert first.waiting["join"][0] == tuple(range(1, 60))
