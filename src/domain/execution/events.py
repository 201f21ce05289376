"""What happens to an execution: its events, and what they are made of.

Events say which tokens were taken and which were sent on, so that a replay needs neither the definition nor an expression.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from domain.facts import Due, Event, Json

TriggerType = Literal["manual", "scheduled", "webhook", "event", "child", "fork", "mcp"]


@dataclass(frozen=True)
class Move:
    """A token that leaves a node: its number in the execution, the edge (index in the definition), and where it goes."""

    token: int
    edge: int
    target: str


@dataclass(frozen=True)
class NodeError:
    """An error as people and expressions see it. `attempts` counts the tries that were made."""

    type: str
    message: str
    attempts: int = 1
    index: int | None = None
    """Of the item of a foreach whose error this was."""


WaitKind = Literal["job", "timer", "approval", "ai_task", "execution", "event", "foreach"]


@dataclass(frozen=True)
class Wait:
    """Something that a visit waits for. `id`: the job's, the timer's, the subscription's, or the stream's that it opened.

    `about`: a job's type, what a timer is for, an event's type; `timed` of an approval that has moments. `due`: when a timer
    fires, before any pause.
    """

    kind: WaitKind
    id: UUID
    about: str = ""
    due: Due | None = None
    resumes: int | None = None
    """Of a timer within an item: how often the execution had been resumed when it was set."""


TIMED = "timed"
"""What a wait for an approval request is about that has moments: reminders, an escalation, a due date."""
TIMEOUT = "timeout"
"""The purpose of the timer that ends a visit, whatever its node type."""
EXECUTION_TIMEOUT = "execution_timeout"
"""The purpose of the timer that ends an execution. It belongs to no visit."""


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
    behind: tuple[UUID, ...] | None = None
    """Who started it in fact, on behalf of `created_by`; and who had asked for the one that it repeats, or goes on from."""
    parent_activation_id: UUID | None = None
    """The visit of its parent that waits for its end; None where nobody does."""
    depth: int | None = None
    """How many ancestors a child has; None: none."""
    timeout: Wait | None = None
    """The timer that ends it."""
    trigger_id: UUID | None = None
    """The trigger that started it, or by which somebody did."""
    scheduled_at: datetime | None = None
    """The time of the schedule that it is for."""
    labels: dict[str, str] | None = None
    parent_item_id: UUID | None = None
    """The stream of the foreach's item of its parent in which that visit is, where it is in one."""
    event_depth: int | None = None
    """Of the event that started it, or one of its ancestors (`EventReceived.depth`). None: no execution emitted one."""
    callback: Json = None
    """Where its end is told: {endpoint_id} of a notification endpoint; or {url, secret}, the name of the secret that signs."""
    parent_task_id: UUID | None = None
    """The AI task whose tool it is, and which waits for its end."""

    @property
    def parent_stream_id(self) -> UUID | None:
        """Where the visit is recorded that waits for its end."""
        return self.parent_item_id or self.parent_execution_id

    @property
    def requesters(self) -> tuple[UUID, ...]:
        """Whose wish it is: who started it, and who did so in fact."""
        return tuple(dict.fromkeys(one for one in (self.created_by, *(self.behind or ())) if one is not None))


@dataclass(frozen=True)
class ForkedVisit:
    """A visit of another execution. `value`: {"output": …} or {"error": …}, as expressions see it."""

    node_id: str
    activation_id: UUID
    value: Json


@dataclass(frozen=True)
class ExecutionForked(Event):
    """What the first token has behind it: visits of the execution that this one is forked from, in the order in which they began.

    Where it is much, several events follow one another, the earliest visits first.
    """

    origin_id: UUID
    node_id: str
    visits: tuple[ForkedVisit, ...]


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
    """What it waits for, its timeout among it; empty where the visit is over at once."""
    compensate: str | None = None
    """The node that undoes this visit, once it is completed."""
    compensates: UUID | None = None
    """The completed visit that this one undoes. It has no tokens."""


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
    error: NodeError
    attempt: int
    delay_ms: int


@dataclass(frozen=True)
class ActivationCompleted(Event):
    """`handle` is None and `moves` are empty where the token ends: at an end node, whose output this is.

    `interrupted`: tokens on their way to nodes that this outcome interrupts. They are gone; visits are cancelled by the events
    that follow.
    """

    activation_id: UUID
    node_id: str
    handle: str | None
    output: Json
    moves: tuple[Move, ...] = ()
    interrupted: tuple[int, ...] = ()


@dataclass(frozen=True)
class ActivationFailed(Event):
    """`handle` names the error handle taken; None where nothing handles the error and the execution fails."""

    activation_id: UUID
    node_id: str
    error: NodeError
    handle: str | None = None
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True)
class ActivationCancelled(Event):
    activation_id: UUID
    node_id: str
    reason: str


@dataclass(frozen=True)
class CompensationFailure:
    """A visit that could not be undone: `activation_id` of `node_id`, by the node `compensate`."""

    node_id: str
    activation_id: UUID
    compensate: str
    error: NodeError


@dataclass(frozen=True)
class CompensationResult:
    """How many completed visits were undone, how many could not be, and how many are left because the execution was terminated.

    `failures`: the first of them.
    """

    undone: int
    failed: int
    left: int = 0
    failures: tuple[CompensationFailure, ...] = ()


@dataclass(frozen=True)
class ExecutionCompleted(Event):
    output: Json


@dataclass(frozen=True)
class ExecutionFailed(Event):
    """`code`: the fail node's code, the error's type, or one of no_route, stuck, step_limit, expression_error, timeout."""

    code: str
    message: str
    node_id: str | None = None
    compensation: CompensationResult | None = None
    """None where there was nothing to undo."""


@dataclass(frozen=True)
class ExecutionCancelled(Event):
    reason: str | None = None
    cancelled_by: UUID | None = None
    compensation: CompensationResult | None = None


@dataclass(frozen=True)
class ExecutionCompensating(Event):
    """Nothing of it goes on any more, and what it has done is undone, the last visit first; then it ends as `ends` says.

    `visits`: how many there are to undo. `code`, `message`, `node_id`: why it failed; `reason`, `cancelled_by`: why and by whom
    it is cancelled.
    """

    ends: Literal["failed", "cancelled"]
    visits: int
    code: str | None = None
    message: str | None = None
    node_id: str | None = None
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

    While an execution is compensated there are none, and the job goes on undoing.

    They go on with the next command that may move the execution: `job_id` is the job that sees to it where a command has done
    its share of steps; None where the execution is paused (or nothing is held any more).
    """

    tokens: tuple[int, ...]
    job_id: UUID | None = None


@dataclass(frozen=True)
class ExecutionChanged(Event):
    """`labels`: all that it has from now on. None: as it was."""

    labels: dict[str, str] | None = None
    priority: int | None = None


@dataclass(frozen=True)
class ExecutionSignalled(Event):
    name: str
    payload: Json


@dataclass(frozen=True)
class MigratedEdge:
    """An edge, by its index in the version before, and its counterpart in the other one; None: it has none."""

    edge: int
    to: int | None


@dataclass(frozen=True)
class MigratedVisit:
    """A visit that runs, whose node is called otherwise from now on."""

    activation_id: UUID
    node_id: str
    to: str


@dataclass(frozen=True)
class ExecutionMigrated(Event):
    """It goes on by another version of its workflow. What is not named here is called the same there.

    `mapping`: as it was asked for. `nodes`: what nodes are called from now on; None: the other version has no counterpart.
    `branches`: edges of the splits that its tokens are in. `arrivals`: edges by which tokens have come to where they wait.
    """

    from_version: int
    to_version: int
    mapping: dict[str, str]
    nodes: dict[str, str | None]
    branches: tuple[MigratedEdge, ...] = ()
    arrivals: tuple[MigratedEdge, ...] = ()
    visits: tuple[MigratedVisit, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class ExecutionArchived(Event):
    """Finished for `days`, as the tenant's policy says, it leaves the tables for the archive. Its last event."""

    days: int


@dataclass(frozen=True)
class ItemStarted(Event):
    """An item of a foreach begins to run through the node's body, in a stream of its own that is moved like an execution's."""

    execution_id: UUID
    """The execution that it is a part of, however deep it is nested."""
    parent_id: UUID
    """The stream with the foreach's visit: the execution's, or that of an item of the foreach around it."""
    activation_id: UUID
    """That visit."""
    foreach_id: UUID
    chunk_id: UUID
    path: tuple[str, ...]
    """The foreach nodes whose bodies it is in, the outermost first."""
    index: int
    item: Json
    workflow_id: UUID
    workflow_key: str
    workflow_version: int
    start_node: str
    priority: int = 0
    correlation_id: UUID | None = None
    created_by: UUID | None = None
    behind: tuple[UUID, ...] | None = None
    depth: int | None = None
    event_depth: int | None = None


@dataclass(frozen=True)
class ItemCompleted(Event):
    output: Json


@dataclass(frozen=True)
class ItemFailed(Event):
    """As `ExecutionFailed`."""

    code: str
    message: str
    node_id: str | None = None


@dataclass(frozen=True)
class ItemCancelled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class ItemHeld(Event):
    """As `ExecutionHeld`."""

    tokens: tuple[int, ...]
    job_id: UUID | None = None


ExecutionEvent = (
    ExecutionArchived
    | ExecutionStarted
    | ExecutionForked
    | ActivationStarted
    | ActivationWaiting
    | ActivationRetried
    | ActivationCompleted
    | ActivationFailed
    | ActivationCancelled
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCancelled
    | ExecutionCompensating
    | ExecutionPaused
    | ExecutionResumed
    | ExecutionHeld
    | ExecutionSignalled
    | ExecutionChanged
    | ExecutionMigrated
    | ItemStarted
    | ItemCompleted
    | ItemFailed
    | ItemCancelled
    | ItemHeld
)


def problem_json(problem: NodeError) -> Json:
    about = {"type": problem.type, "message": problem.message, "attempts": problem.attempts}
    return about if problem.index is None else {**about, "index": problem.index}
