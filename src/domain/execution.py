"""A workflow execution: its activations (one visit of one node each), the tokens between them, and how it ended."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from domain.facts import Event, Json

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
    """A node begins a visit and takes `tokens` (several for a join, which also swallows its losers' tokens)."""

    activation_id: UUID
    node_id: str
    node_type: str
    visit: int
    tokens: tuple[int, ...]
    input: Json = None
    swallowed: tuple[int, ...] = ()
    scope: UUID | None = None
    """A join's scope: the activation that split; None for the execution, and for every other node type."""


@dataclass(frozen=True)
class ActivationCompleted(Event):
    activation_id: UUID
    node_id: str
    handle: str
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
    reason: str | None = None


@dataclass(frozen=True)
class ExecutionResumed(Event):
    reason: str | None = None


@dataclass(frozen=True)
class ExecutionSignalled(Event):
    name: str
    payload: Json


ExecutionEvent = (
    ExecutionStarted
    | ActivationStarted
    | ActivationCompleted
    | ActivationFailed
    | ActivationCancelled
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionSignalled
)
