"""What a node type is. Each is one file that fills in a `NodeType`, and one line in `engine.nodes.NODE_TYPES`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from domain.execution import EXECUTION, TIMEOUT, Activation, Execution, NodeError, Wait
from domain.facts import Due, Fact, Job, Json, Timer, View, timer_id
from domain.retry import Failure, RetryPolicy, retry_in, saying_that_it_is_capped
from engine.definition import Definition, Node
from engine.expressions import Budgeted
from engine.happenings import ChildEnded, JobReport, MessageArrived, TimerFired
from engine.invalid import InvalidValue as InvalidValue


def no_definition(_workflow_id: UUID, _number: int) -> Definition:
    """Of a visit that is made by hand, as a test may: no node asks there for another workflow's definition."""
    raise NotImplementedError


@dataclass(frozen=True)
class Visit:
    """What a node knows while it runs. `variables`: what its expressions see. `attempt`: from 1."""

    view: View
    evaluator: Budgeted
    node: Node
    execution_id: UUID
    execution: Execution
    activation_id: UUID
    variables: Mapping[str, Json]
    attempt: int = 1
    turn: int = 0
    """How often something has come to it after which it went on waiting."""
    output_bytes: int = 1 << 20
    """The most that a worker may give as output, as JSON."""
    definition_of: Callable[[UUID, int], Definition] = no_definition
    """Of a published version of a workflow."""
    item_id: UUID | None = None
    """The stream of the foreach's item that the visit is in; `execution_id` is the execution's all the same."""

    @property
    def stream_id(self) -> UUID:
        """Where the visit is recorded."""
        return self.item_id or self.execution_id

    @property
    def requesters(self) -> tuple[UUID, ...]:
        """Who started the execution, and who did so on their behalf."""
        started = self.execution.started
        assert started is not None
        return started.requesters

    @property
    def requested_by(self) -> UUID | None:
        assert self.execution.started is not None
        return self.execution.started.created_by

    @property
    def item_index(self) -> int | None:
        return None if self.execution.item is None else self.execution.item.index

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What it waits for when something comes to it, that very thing included; its timeout is not its own business."""
        activation = self.execution.activations.get(self.activation_id)
        waits = () if activation is None else activation.waits
        return tuple(wait for wait in waits if (wait.kind, wait.about) != ("timer", TIMEOUT))

    def job(self, type: str, input: Json = None, max_attempts: int = 1) -> Job:
        """A job of the visit; what a worker reports of it is told to `on_job`."""
        started = self.execution.started
        assert started is not None
        return Job(
            self.view.new_id(),
            type,
            input,
            self.execution_id,
            self.activation_id,
            self.item_id,
            max_attempts=max_attempts,
            priority=started.priority,
        )

    def timer(self, purpose: str, due: Due) -> Timer:
        """A timer of the visit; when it fires, `on_timer` is told what for. One visit may have many, each for a purpose."""
        if purpose == TIMEOUT:
            raise ValueError(f"{TIMEOUT} is the purpose of every visit's own timer")
        return visit_timer(self.execution_id, self.activation_id, purpose, due, self.turn, item_id=self.item_id)


def visit_timer(
    execution_id: UUID,
    activation_id: UUID,
    purpose: str,
    due: Due,
    turn: int = 0,
    id: UUID | None = None,
    item_id: UUID | None = None,
) -> Timer:
    """`id`: of one that was set before. `item_id`: the stream that the visit is in, where it is not the execution's."""
    id = id or timer_id(activation_id, purpose, turn)
    return Timer(id, due, purpose, EXECUTION.name, item_id or execution_id, execution_id, activation_id)


@dataclass(frozen=True)
class Done:
    """The visit is over; its token goes on by a handle. `facts`, `jobs`: what it leaves in the world.

    `interrupts`: nodes whose visits beside it are cancelled.
    """

    output: Json = None
    handle: str = "success"
    facts: tuple[Fact, ...] = ()
    jobs: tuple[Job, ...] = ()
    interrupts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """The visit is over and its token with it."""

    output: Json = None


@dataclass(frozen=True)
class Failed:
    """The visit failed. Where it may not be handled, or no edge handles it, the execution fails. `facts`: what it leaves."""

    problem: NodeError
    may_be_handled: bool = True
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """The visit waits: for streams that it has opened by these facts (`children`), for jobs to be done, for timers to fire.

    A fact that starts an execution makes it run, in this very command; who ends it tells the visit that it names as the one that
    waits (`ExecutionStarted.parent_activation_id`). `input`: what is handed out, where no fact says it. `ended`: ids of what it
    waits for no longer, where something came to it; that very thing need not be named.
    """

    children: tuple[Wait, ...] = ()
    facts: tuple[Fact, ...] = ()
    jobs: tuple[Job, ...] = ()
    input: Json = None
    timers: tuple[Timer, ...] = ()
    ended: tuple[UUID, ...] = ()

    @property
    def waits(self) -> tuple[Wait, ...]:
        jobs = (Wait("job", job.id, job.type) for job in self.jobs)
        return (*self.children, *jobs, *(Wait("timer", timer.id, timer.purpose, timer.due) for timer in self.timers))


@dataclass(frozen=True)
class Again:
    """An attempt failed, and another one follows after `delay`; the visit waits on."""

    failure: Failure
    delay: timedelta


@dataclass(frozen=True)
class Passed:
    """What came is not what the visit waits for: it waits on, as if nothing had come."""


RunResult: TypeAlias = Done | Ended | Failed | Waiting
Woken: TypeAlias = Done | Failed | Waiting | Again | Passed
"""What becomes of a visit that something has come to. `Waiting`: it goes on, and what is in it is added."""


@dataclass(frozen=True)
class Handles:
    """Where tokens may leave. Each of `needed` must have an edge; without one of `errors`, its error fails the execution."""

    needed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class JoinRule:
    """How many different queues a round takes a token from, and whether closing it cancels the losers."""

    need: int
    cancels_losers: bool


@dataclass(frozen=True)
class Fault:
    """A finding about a configuration. `path`: JSON pointer within it."""

    path: str
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Formula:
    """CEL in a configuration that is not marked by `=`. `path`: JSON pointer within it.

    `variables`: schemas of what it sees beside all that expressions see.
    """

    path: str
    source: str
    want: Literal["bool"] | None = "bool"
    variables: Mapping[str, Json] = field(default_factory=dict)
    alone: bool = False
    """It sees these variables, and no others."""


def no_faults(_node: Node) -> Iterator[Fault]:
    return iter(())


def no_formulas(_node: Node) -> Iterator[Formula]:
    return iter(())


def no_mentions(_node: Node) -> Iterator[tuple[str, str]]:
    return iter(())


def no_schema(_node: Node) -> Json:
    return None


def nothing_to_cancel(_activation: Activation, _reason: str) -> tuple[Fact, ...]:
    return ()


def nothing_to_expire(_activation: Activation) -> tuple[Fact, ...]:
    return ()


def goes_on(_view: View, _activation: Activation, _node: Node) -> str | None:
    return None


class Unexpected(Exception):
    """Something came to a visit whose type of node waits for no such thing."""


def unexpected(visit: Visit, happening: Any) -> Woken:
    raise Unexpected(f"{type(happening).__name__} came to {visit.node.id}, a node of the type {visit.node.type}")


@dataclass(frozen=True)
class NodeType:
    """The hooks of a node type. Only `name`, `config`, `handles` and `run` are its own business always.

    Its life: `run` when a token arrives. Where that answers `Waiting`, one of `on_job`, `on_child`, `on_timer`, `on_message` for
    each thing that comes to the visit, until one of them ends it; `expire` at its timeout; `cancel` when it is given up.
    All may raise ExpressionError or InvalidValue, which take the node's error handle.
    """

    name: str
    config: Json
    """JSON Schema of the configuration as it is written, expressions included."""
    handles: Callable[[Node], Handles]
    run: Callable[[Visit], RunResult]
    output: Callable[[Node], Json] = no_schema
    """JSON Schema of the output; None where it is not known."""
    lint: Callable[[Node], Iterator[Fault]] = no_faults
    """Faults that the configuration's schema cannot express. Called where the schema found none."""
    formulas: Callable[[Node], Iterator[Formula]] = no_formulas
    mentions: Callable[[Node], Iterator[tuple[str, str]]] = no_mentions
    """(JSON pointer within the configuration, node id) of other nodes that the configuration names."""
    raw: frozenset[str] = frozenset()
    """Fields of the configuration that are taken as they are: no `=` in them is an expression."""
    later: frozenset[str] = frozenset()
    """Fields of the configuration that are not supported yet: refused, never ignored."""
    waits: bool = False
    """Whether a visit waits for the world, so that it may have a timeout, and a cycle through it cannot spin."""
    works: bool = False
    """Whether a visit makes attempts, so that it may have a retry policy."""
    may_fail: bool = False
    """Whether a visit may fail however it is configured, without making attempts: what it waits for may."""
    on_job: Callable[[Visit, JobReport], Woken] = unexpected
    on_child: Callable[[Visit, ChildEnded], Woken] = unexpected
    on_timer: Callable[[Visit, TimerFired], Woken] = unexpected
    on_message: Callable[[Visit, MessageArrived], Woken] = unexpected
    cancel: Callable[[Activation, str], tuple[Fact, ...]] = nothing_to_cancel
    """What becomes of the stream that a cancelled activation has opened."""
    expire: Callable[[Activation], tuple[Fact, ...]] = nothing_to_expire
    """What becomes of it at the node's timeout."""
    obstacle: Callable[[View, Activation, Node], str | None] = goes_on
    """Why a visit that waits cannot go on as this node of another version, which is of its type; None: it can."""
    body: Callable[[Node], Definition] | None = None
    """The nodes and edges within it, of a node that has such. Called where the configuration's schema found no fault."""
    join_rule: Callable[[Node, int], JoinRule] | None = None
    """Given the number of its queues, what a round takes; None: the node runs once for each token."""


def object_schema(properties: Mapping[str, Json], required: tuple[str, ...] = ()) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}


def tried_again(visit: Visit, failure: Failure, jitter: float, retry_after: timedelta | None = None) -> Again | Failed:
    """What becomes of a visit whose attempt failed: by the node's policy another attempt, or the node's error.

    `retry_after`: how long the other side asked to wait.
    """
    policy = visit.node.retry or RetryPolicy()
    failure = saying_that_it_is_capped(failure, policy, retry_after)
    delay = retry_in(policy, visit.attempt, failure, jitter, retry_after)
    if delay is None:
        return Failed(NodeError(failure.type, failure.message, visit.attempt))
    return Again(failure, delay)
