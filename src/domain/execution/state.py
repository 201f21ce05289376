"""An execution as decisions see it: its tokens, the visits that run, and what those that ended came to."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from rpds import HashTrieMap, HashTrieSet, List

from domain.execution.events import (
    TIMED,
    CompensationFailure,
    ExecutionCancelled,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ItemStarted,
    Wait,
    WaitKind,
)
from domain.facts import Json
from domain.tokens import Lineage, Path, Token


@dataclass(frozen=True)
class CompletedVisit:
    """A completed visit of a node that names what undoes it: remembered until it is undone, or the execution is over."""

    activation_id: UUID
    node_id: str
    compensate: str
    """The node that undoes it."""
    order: int
    lineage: Lineage
    """Itself included."""
    input: Json
    """What its activation recorded of it."""


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
    retries: int = 0
    """How many attempts have failed and were followed by another one."""
    turns: int = 0
    """How often something has come to it after which it went on waiting."""
    moved: "HashTrieMap[UUID, int]" = field(default_factory=HashTrieMap)
    """How often each of its timers was moved by a pause, as the timer counts it."""
    compensate: str | None = None
    input: Json = None
    """Kept where the visit can be undone."""
    compensates: CompletedVisit | None = None
    """What it undoes."""

    @property
    def attempt(self) -> int:
        """The number of the attempt that runs or is due, from 1."""
        return self.retries + 1

    def waits_for(self, kind: WaitKind) -> tuple[UUID, ...]:
        """The ids of all that it waits for of one kind."""
        return tuple(wait.id for wait in self.waits if wait.kind == kind)

    @property
    def timed_approvals(self) -> tuple[UUID, ...]:
        """Requests that it waits for which have moments."""
        return tuple(wait.id for wait in self.waits if wait.kind == "approval" and wait.about == TIMED)


@dataclass(frozen=True)
class Result:
    """What a visit came to, as expressions see it: {"output": …}, or {"error": {type, message, attempts}}."""

    order: int
    value: Json
    task_id: UUID | None = None
    """The AI task that it was, of one that was: another one may continue its conversation."""


FIRST_TOKEN = 0
SWEPT_AT_LEAST = 64
"""Results that pile up before those are looked for that no lineage names any more."""

Tokens: TypeAlias = "HashTrieMap[int, Token]"
Waiting: TypeAlias = "HashTrieMap[str, HashTrieMap[int | None, tuple[int, ...]]]"
"""The tokens that no activation has taken, by the node that they go to and the edge that they came by."""

Status = Literal["absent", "running", "paused", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Compensation:
    """What is done is being undone."""

    begun: ExecutionCompensating
    undone: int = 0
    failed: int = 0
    failures: tuple[CompensationFailure, ...] = ()
    """The first of them."""


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
    waiting: "Waiting" = field(default_factory=HashTrieMap)
    """`tokens` by where they wait, so that a join need not look at all of them; empty where they are few."""
    places: "HashTrieMap[UUID, int]" = field(default_factory=HashTrieMap)
    """By split: how many tokens and running activations live in it."""
    sweep_at: int = SWEPT_AT_LEAST
    """With so many results those are let go of that no lineage names any more."""
    item: ItemStarted | None = None
    """Of a foreach, where this is one, and no execution of its own; `started` then says what it has of its execution."""
    resumes: int = 0
    """How often it was resumed after a pause."""
    ended: ExecutionCompleted | ExecutionFailed | ExecutionCancelled | None = None
    """How it ended, where a parent's visit asks for that."""
    timeout: Wait | None = None
    """The timer that ends it."""
    timeout_moved: int = 0
    """How often a pause has moved that timer."""
    compensable: "List[CompletedVisit]" = field(default_factory=List)
    """The visits to be undone if it fails or is cancelled, the last completed first."""
    latest_compensable: int = 0
    """The highest order among them."""
    compensation: Compensation | None = None
    archived: bool = False
    """It has left the tables that people query: nothing may happen to it, or to what it asked for, any more."""

    @property
    def to_undo(self) -> CompletedVisit | None:
        """The visit to be undone next."""
        return next(iter(self.compensable), None)

    @property
    def in_order(self) -> list[Activation]:
        """The running ones, as they began. A map keeps no order; and what is decided again has to come to the same."""
        return sorted(self.activations.values(), key=lambda each: each.order)

    @property
    def live(self) -> bool:
        return self.status in ("running", "paused")
