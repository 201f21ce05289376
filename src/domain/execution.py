"""A workflow execution: its activations (one visit of one node each), the tokens between them, and how it ended.

The decisions about executions are the engine's; here is what happened and what state follows from it. `evolve` needs neither the
definition nor an expression: events say which tokens were taken and which were sent on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, assert_never
from uuid import UUID

from rpds import HashTrieMap, HashTrieSet

from domain.changes import changed
from domain.facts import Aggregate, Event, EventType, Json, Subject
from domain.tokens import Branch, Lineage, Path, Token, inside, merge_paths
from domain.wording import because, plural

TriggerType = Literal["manual", "scheduled", "webhook", "event", "child", "fork"]


@dataclass(frozen=True)
class Move:
    """A token that leaves a node: its number in the execution, the edge (index in the definition), and where it goes."""

    token: int
    edge: int
    target: str


@dataclass(frozen=True)
class Problem:
    """An error as people and expressions see it. `attempts` counts the tries that were made."""

    type: str
    message: str
    attempts: int = 1


WaitKind = Literal["job", "timer", "approval", "ai_task", "execution", "event"]


@dataclass(frozen=True)
class Wait:
    """Something that a visit waits for. `id`: the job's, the timer's, the subscription's, or the stream's that it opened.

    `about`: a job's type, what a timer is for, an event's type.
    """

    kind: WaitKind
    id: UUID
    about: str = ""


@dataclass(frozen=True)
class ExecutionStarted(Event):
    workflow_id: UUID
    workflow_key: str
    workflow_version: int
    start_node: str
    input: Json
    business_key: str | None = None
    priority: int = 0
    trigger_type: TriggerType = "manual"
    trigger_data: Json = None
    parent_execution_id: UUID | None = None
    correlation_id: UUID | None = None
    created_by: UUID | None = None
    attributes: dict[str, Json] | None = None
    """Search attributes by name, as evaluated when it started."""


@dataclass(frozen=True)
class ActivationStarted(Event):
    """A node begins a visit and takes `tokens` (several for a join, which also swallows its losers' tokens).

    Losers that were held by running activations are cancelled by the events that follow.
    """

    activation_id: UUID
    node_id: str
    node_type: str
    visit: int
    tokens: tuple[int, ...]
    input: Json = None
    swallowed: tuple[int, ...] = ()
    scope: UUID | None = None
    """A join's scope: the activation that split; None for the execution, and for every other node type."""
    waits: tuple[Wait, ...] = ()
    """What it waits for; empty where the visit is over at once."""
    timeout_at: datetime | None = None
    """When the visit is over in any case. A pause moves it."""


@dataclass(frozen=True)
class ActivationWaiting(Event):
    """Something came to a visit, which goes on: it waits for what is `added`, and no longer for what is `ended`."""

    activation_id: UUID
    node_id: str
    added: tuple[Wait, ...] = ()
    ended: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class ActivationRetried(Event):
    """Attempt number `attempt` (from 1) failed, and another one follows after `delay_ms` milliseconds."""

    activation_id: UUID
    node_id: str
    error: Problem
    attempt: int
    delay_ms: int


@dataclass(frozen=True)
class ActivationCompleted(Event):
    """`handle` is None and `moves` are empty where the token ends: at an end node, whose output this is."""

    activation_id: UUID
    node_id: str
    handle: str | None
    output: Json
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True)
class ActivationFailed(Event):
    """`handle` names the error handle taken; None where nothing handles the error and the execution fails."""

    activation_id: UUID
    node_id: str
    error: Problem
    handle: str | None = None
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True)
class ActivationCancelled(Event):
    activation_id: UUID
    node_id: str
    reason: str


@dataclass(frozen=True)
class ExecutionCompleted(Event):
    output: Json


@dataclass(frozen=True)
class ExecutionFailed(Event):
    """`code`: the fail node's code, the error's type, or one of no_route, stuck, step_limit, expression_error."""

    code: str
    message: str
    node_id: str | None = None


@dataclass(frozen=True)
class ExecutionCancelled(Event):
    reason: str | None = None
    cancelled_by: UUID | None = None


@dataclass(frozen=True)
class ExecutionPaused(Event):
    """`at` is of older releases, which reckoned what was left until a timeout; today its timer keeps that."""

    reason: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class ExecutionResumed(Event):
    reason: str | None = None
    at: datetime | None = None


@dataclass(frozen=True)
class ExecutionHeld(Event):
    """Tokens that were sent on and have not arrived, oldest first: all there are, also those held before.

    They go on with the next command that may move the execution: `job_id` is the job that sees to it where a command has done
    its share of steps; None where the execution is paused (or nothing is held any more).
    """

    tokens: tuple[int, ...]
    job_id: UUID | None = None


@dataclass(frozen=True)
class ExecutionSignalled(Event):
    name: str
    payload: Json


ExecutionEvent = (
    ExecutionStarted
    | ActivationStarted
    | ActivationWaiting
    | ActivationRetried
    | ActivationCompleted
    | ActivationFailed
    | ActivationCancelled
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionHeld
    | ExecutionSignalled
)


@dataclass(frozen=True)
class Activation:
    """A visit that has begun and not ended: it holds its tokens."""

    id: UUID
    node_id: str
    node_type: str
    order: int
    """1 for the first activation of the execution, and so on."""
    tokens: tuple[int, ...]
    path: Path
    lineage: Lineage
    waits: tuple[Wait, ...] = ()
    """What it waits for now."""
    timeout_at: datetime | None = None
    retries: int = 0
    """How many attempts have failed and were followed by another one."""
    moved: int = 0
    """How often its timeout was moved by a pause, as its timer counts it."""

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs or is due, from 1."""
        return self.retries + 1

    def waits_for(self, kind: WaitKind) -> tuple[UUID, ...]:
        """The ids of all that it waits for of one kind."""
        return tuple(wait.id for wait in self.waits if wait.kind == kind)


@dataclass(frozen=True)
class Result:
    """What a visit came to, as expressions see it: {"output": …}, or {"error": {type, message, attempts}}."""

    order: int
    value: Json


FIRST_TOKEN = 0

Status = Literal["absent", "running", "paused", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Execution:
    status: Status = "absent"
    started: ExecutionStarted | None = None
    tokens: "HashTrieMap[int, Token]" = field(default_factory=HashTrieMap)
    """Tokens that no activation has taken. Between commands they wait at joins."""
    activations: "HashTrieMap[UUID, Activation]" = field(default_factory=HashTrieMap)
    """The running ones."""
    results: "HashTrieMap[UUID, Result]" = field(default_factory=HashTrieMap)
    visits: "HashTrieMap[str, int]" = field(default_factory=HashTrieMap)
    ended_splits: "HashTrieSet[UUID]" = field(default_factory=HashTrieSet)
    """Splits that a join further out has reached into: their remaining tokens meet in the scopes around them."""
    steps: int = 0
    """How many activations were started."""
    next_token: int = 0
    last_end: str | None = None
    output: Json = None
    """Of the end node that was reached last."""
    held: tuple[int, ...] = ()
    """Tokens that have not arrived, oldest first; some of them may stand at joins by now."""
    continuation: UUID | None = None
    """The job that takes up what is held."""
    paused_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.status in ("running", "paused")


def evolve(state: Execution, event: ExecutionEvent) -> Execution:
    match event:
        case ExecutionStarted():
            first = Token(FIRST_TOKEN, None, event.start_node)
            return Execution("running", event, tokens=state.tokens.insert(first.id, first), next_token=first.id + 1)
        case ActivationStarted():
            return _begin(state, event)
        case ActivationWaiting():
            activation = state.activations[event.activation_id]
            kept = tuple(wait for wait in activation.waits if wait.id not in event.ended)
            waiting = changed(activation, waits=(*kept, *event.added))
            return changed(state, activations=state.activations.insert(activation.id, waiting))
        case ActivationRetried():
            activation = state.activations[event.activation_id]
            retried = changed(activation, retries=activation.retries + 1)
            return changed(state, activations=state.activations.insert(activation.id, retried))
        case ActivationCompleted():
            ended = _end(state, event.activation_id, {"output": event.output}, event.moves)
            return ended if event.moves else changed(ended, last_end=event.node_id, output=event.output)
        case ActivationFailed():
            return _end(state, event.activation_id, {"error": problem_json(event.error)}, event.moves)
        case ActivationCancelled():
            return changed(state, activations=state.activations.discard(event.activation_id))
        case ExecutionCompleted():
            return _close(changed(state, output=event.output), "completed")
        case ExecutionFailed():
            return _close(state, "failed")
        case ExecutionCancelled():
            return _close(state, "cancelled")
        case ExecutionPaused():
            return changed(state, status="paused", paused_at=event.at, continuation=None)
        case ExecutionResumed():
            return _resume(state, event)
        case ExecutionHeld():
            return changed(state, held=event.tokens, continuation=event.job_id)
        case ExecutionSignalled():
            return state
        case _:
            assert_never(event)


def _resume(state: Execution, event: ExecutionResumed) -> Execution:
    """Timeouts keep what was left of them: the timer knows what that is, by the database's clock.

    `at` and `paused_at` are of events of older releases, which dropped the timers at a pause and set them again.
    """
    activations = state.activations
    if state.paused_at is None:
        for activation in activations.values():
            if activation.timeout_at is not None:
                activations = activations.insert(activation.id, changed(activation, moved=activation.moved + 1))
    if state.paused_at is not None and event.at is not None:
        for activation in activations.values():
            if activation.timeout_at is not None:
                later = changed(activation, timeout_at=activation.timeout_at + (event.at - state.paused_at))
                activations = activations.insert(activation.id, later)
    return changed(state, status="running", paused_at=None, activations=activations)


def problem_json(problem: Problem) -> Json:
    return {"type": problem.type, "message": problem.message, "attempts": problem.attempts}


def _begin(state: Execution, event: ActivationStarted) -> Execution:
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
        event.timeout_at,
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


def _end(state: Execution, activation_id: UUID, value: Json, moves: tuple[Move, ...]) -> Execution:
    activation = state.activations[activation_id]
    lineage = activation.lineage.insert(activation.node_id, activation_id)
    taken = tuple(move.edge for move in moves)
    tokens = state.tokens
    for move in moves:
        path = activation.path if len(moves) == 1 else (*activation.path, Branch(activation_id, (move.edge,), taken))
        tokens = tokens.insert(move.token, Token(move.token, move.edge, move.target, path, lineage))
    return changed(
        state,
        tokens=tokens,
        activations=state.activations.remove(activation_id),
        results=state.results.insert(activation_id, Result(activation.order, value)),
        next_token=state.next_token + len(moves),
    )


def _close(state: Execution, status: Status) -> Execution:
    return changed(
        state, status=status, tokens=HashTrieMap(), activations=HashTrieMap(), held=(), continuation=None, paused_at=None
    )


def _at_node(event: Any, execution: Subject) -> tuple[str, ...]:
    return (execution.tag, event.node_id)


EXECUTION: Aggregate[Execution] = Aggregate(
    "execution",
    Execution(),
    evolve,
    (
        EventType(
            ExecutionStarted,
            "execution.started.v1",
            lambda e, _: f"An execution of {e.workflow_key} (version {e.workflow_version}) was started.",
            tags=lambda e, _: (e.workflow_key,),
        ),
        EventType(
            ExecutionCompleted,
            "execution.completed.v1",
            lambda _, execution: f"{execution.name} completed.",
            changes=lambda _: {"status": "completed"},
        ),
        EventType(
            ExecutionFailed,
            "execution.failed.v1",
            lambda e, execution: f"{execution.name} failed: {e.message}",
            severity="error",
            changes=lambda _: {"status": "failed"},
            note="`code`: a fail node's, an error's type, or one of `no_route`, `stuck`, `step_limit`, `expression_error`.",
        ),
        EventType(
            ExecutionCancelled,
            "execution.cancelled.v1",
            lambda e, execution: f"{execution.name} was cancelled{because(e.reason)}.",
            changes=lambda _: {"status": "cancelled"},
        ),
        EventType(
            ExecutionPaused,
            "execution.paused.v1",
            lambda e, execution: f"{execution.name} was paused{because(e.reason)}.",
            changes=lambda _: {"status": "paused"},
        ),
        EventType(
            ExecutionResumed,
            "execution.resumed.v1",
            lambda e, execution: f"{execution.name} was resumed{because(e.reason)}.",
            changes=lambda _: {"status": "running"},
        ),
        EventType(
            ExecutionHeld,
            "execution.held.v1",
            lambda e, execution: f"{execution.name} holds {plural(len(e.tokens), 'token')} back until it goes on.",
            severity="debug",
            note="A command has done its share of steps; the job goes on from here.",
        ),
        EventType(
            ExecutionSignalled,
            "execution.signalled.v1",
            lambda e, execution: f"{execution.name} got the signal {e.name}.",
        ),
        EventType(
            ActivationStarted,
            "activation.started.v2",
            lambda e, execution: f"{execution.name} entered {e.node_id}.",
            severity="debug",
            tags=_at_node,
            note="A node begins a visit and takes `tokens`. `waits`: what it waits for, as `{kind, id, about}`; v1 named "
            "at most one `child` and stays readable. `timeout_at`: when its time is up.",
        ),
        EventType(
            ActivationWaiting,
            "activation.waiting.v1",
            lambda e, execution: f"{execution.name} waits on at {e.node_id}.",
            severity="debug",
            tags=_at_node,
            note="Something came to a visit, which goes on: it waits for what is `added`, and no longer for what is `ended`.",
        ),
        EventType(
            ActivationRetried,
            "activation.retried.v1",
            lambda e, execution: (
                f"{execution.name} tries {e.node_id} again: attempt {e.attempt} failed ({e.error.type}, {e.error.message})."
            ),
            severity="warning",
            tags=_at_node,
            note="An attempt failed, and another follows after `delay_ms`. The visit is the same.",
        ),
        EventType(
            ActivationCompleted,
            "activation.completed.v1",
            lambda e, execution: f"{execution.name} left {e.node_id}{'' if e.handle is None else f' by {e.handle}'}.",
            severity="debug",
            tags=_at_node,
            note="`moves`: which token went along which edge.",
        ),
        EventType(
            ActivationFailed,
            "activation.failed.v1",
            lambda e, execution: f"{execution.name} failed at {e.node_id}: {e.error.message}",
            severity="warning",
            tags=_at_node,
            note="`handle`: the one that the error left by; null where nothing handles it.",
        ),
        EventType(
            ActivationCancelled,
            "activation.cancelled.v1",
            lambda e, execution: f"{execution.name} gave up {e.node_id}: {e.reason}",
            tags=_at_node,
        ),
    ),
    "workflow",
)
