"""What a node type is. Each is one file that fills in a `NodeType`, and one line in `engine.nodes.NODE_TYPES`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from domain.execution import Activation, Execution, Problem
from domain.facts import Fact, Job, Json, View
from engine.definition import Node
from engine.expressions import Evaluator
from engine.invalid import InvalidValue as InvalidValue


@dataclass(frozen=True)
class Visit:
    """What a node knows while it runs. `variables`: what its expressions see."""

    view: View
    evaluator: Evaluator
    node: Node
    execution_id: UUID
    execution: Execution
    activation_id: UUID
    variables: Mapping[str, Json]
    timeout_at: datetime | None = None


@dataclass(frozen=True)
class Done:
    """The visit is over; its token goes on by a handle."""

    output: Json = None
    handle: str = "success"


@dataclass(frozen=True)
class Ended:
    """The visit is over and its token with it."""

    output: Json = None


@dataclass(frozen=True)
class Failed:
    """The visit failed. Where it may not be handled, or no edge handles it, the execution fails."""

    problem: Problem
    may_be_handled: bool = True


@dataclass(frozen=True)
class Waiting:
    """The activation waits: for what becomes of the stream that it has opened by these facts, for a job to be done, for both.

    Its job bears the activation's id. `input`: what is handed out, where no fact says it.
    """

    child: UUID | None = None
    facts: tuple[Fact, ...] = ()
    job: Job | None = None
    input: Json = None


Outcome: TypeAlias = Done | Ended | Failed | Waiting


@dataclass(frozen=True)
class Handles:
    """Where tokens may leave. Each of `needed` must have an edge; without one of `errors`, its error fails the execution."""

    needed: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gather:
    """How many different queues a round takes a token from, and whether closing it swallows the losers."""

    need: int
    swallows: bool


@dataclass(frozen=True)
class Fault:
    """A finding about a configuration. `path`: JSON pointer within it."""

    path: str
    code: str
    message: str
    severity: Literal["error", "warning"] = "error"


@dataclass(frozen=True)
class Formula:
    """CEL in a configuration that is not marked by `=`. `path`: JSON pointer within it."""

    path: str
    source: str
    want: Literal["bool"] | None = "bool"


def no_faults(_node: Node) -> Iterator[Fault]:
    return iter(())


def no_formulas(_node: Node) -> Iterator[Formula]:
    return iter(())


def no_schema(_node: Node) -> Json:
    return None


def nothing_to_cancel(_activation: Activation, _reason: str) -> tuple[Fact, ...]:
    return ()


def nothing_to_expire(_activation: Activation) -> tuple[Fact, ...]:
    return ()


@dataclass(frozen=True)
class NodeType:
    """The hooks of a node type. Only `name`, `config`, `handles` and `run` are its own business always.

    `run` may raise ExpressionError or InvalidValue, which take the node's error handle.
    """

    name: str
    config: Json
    """JSON Schema of the configuration as it is written, expressions included."""
    handles: Callable[[Node], Handles]
    run: Callable[[Visit], Outcome]
    output: Callable[[Node], Json] = no_schema
    """JSON Schema of the output; None where it is not known."""
    lint: Callable[[Node], Iterator[Fault]] = no_faults
    """Faults that the configuration's schema cannot express. Called where the schema found none."""
    formulas: Callable[[Node], Iterator[Formula]] = no_formulas
    raw: frozenset[str] = frozenset()
    """Fields of the configuration that are taken as they are: no `=` in them is an expression."""
    later: frozenset[str] = frozenset()
    """Fields of the configuration that are not supported yet: refused, never ignored."""
    waits: bool = False
    """Whether a visit waits for the world, so that it may have a timeout, and a cycle through it cannot spin."""
    works: bool = False
    """Whether a visit has a job, which may be tried again."""
    opens: str = ""
    """The kind of item that stands open while a visit waits."""
    cancel: Callable[[Activation, str], tuple[Fact, ...]] = nothing_to_cancel
    """What becomes of the stream that a cancelled activation has opened."""
    expire: Callable[[Activation], tuple[Fact, ...]] = nothing_to_expire
    """What becomes of it at the node's timeout."""
    gather: Callable[[Node, int], Gather] | None = None
    """Given the number of its queues, what a round takes; None: the node runs once for each token."""


def object_schema(properties: Mapping[str, Json], required: tuple[str, ...] = ()) -> Json:
    return {"type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False}
