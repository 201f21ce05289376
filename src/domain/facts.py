"""What a decision is made of: the view it reads, the facts it returns, the refusals it raises.

A decision is a pure function `decide(view, …) -> Decided`. It reads streams through the view; every stream it reads becomes an
expectation `(stream, version)` of the command, so that the ledger accepts the facts only if nothing read has changed. A view may
not have a stream at hand: it then raises, the caller loads the stream and runs the decision again. Decisions must therefore do
nothing but compute.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar
from uuid import UUID, uuid5

from domain.effort import Effort
from domain.openings import Opening, pass_through

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of them. Never mutated once it is part of an event or a state."""


@dataclass(frozen=True)
class Event:
    """Base of all domain events. Its class is mapped to a topic in `store.topics`; its fields are its JSON payload."""


S = TypeVar("S")
E = TypeVar("E", bound=Event)

Category: TypeAlias = Literal["workflow", "approval", "ai", "access", "tenant", "system"]
Severity: TypeAlias = Literal["debug", "info", "warning", "error", "critical"]


class Subject(Protocol):
    """The thing that an event happened to, as it was before the event."""

    @property
    def name(self) -> str:
        """What people call it: a role's key, an approval's title, `Execution 4 of travel`."""

    @property
    def tag(self) -> str:
        """A word to find its events by: the workflow's key of an execution, the node of an approval or AI task. Empty: none."""


def no_tags(_event: Any, _subject: Subject) -> tuple[str, ...]:
    return ()


def nothing_changed(_event: Any) -> Mapping[str, Json]:
    return {}


@dataclass(frozen=True)
class EventType(Generic[E]):
    """All that is known of one kind of event: its name in the database, and what the audit log and the reference say of it.

    The topic is for good. `describe`: what happened, in a sentence for people; `note`: a line for the reference.
    """

    event: type[E]
    topic: str
    describe: Callable[[E, Subject], str]
    severity: Severity = "info"
    changes: Callable[[E], Mapping[str, Json]] = nothing_changed
    """Columns of the thing's row and what they become: the audit log sets what they were beside it."""
    tags: Callable[[E, Subject], tuple[str, ...]] = no_tags
    note: str = ""


@dataclass(frozen=True, eq=False)
class Aggregate(Generic[S]):
    """One kind of stream: how its state begins, how each event moves it on, and the catalogue of its events.

    There is one of a kind, and it is equal to itself alone: so it can be in a set, whatever its state begins with.
    """

    name: str
    initial: S
    evolve: Callable[[S, Any], S]
    catalogue: tuple[EventType[Any], ...]
    category: Category

    @property
    def events(self) -> tuple[type[Event], ...]:
        return tuple(each.event for each in self.catalogue)

    def after(self, state: S, stream_id: UUID, facts: "Iterable[Fact]") -> S:
        """What a stream's state comes to by those of the facts that are its own."""
        return reduce(self.evolve, (fact.event for fact in facts if fact.stream_id == stream_id), state)


@dataclass(frozen=True)
class Fact:
    """One new event of one stream."""

    stream_id: UUID
    event: Event


@dataclass(frozen=True)
class Claim:
    """A name that only one owner in a ledger may hold at a time, e.g. ("role.key", "approver")."""

    scope: str
    name: str
    owner: UUID
    """The stream that holds the name."""
    path: str | None = field(default=None, compare=False)
    """The field of the request that asks for it."""


@dataclass(frozen=True)
class Concurrency:
    """At most `limit` jobs of one `key` are leased at a time. None: of one node."""

    limit: int
    key: str | None = None


@dataclass(frozen=True)
class Rate:
    """At most `count` jobs of one `key` are leased in any span of the length `per`. None: of one node."""

    count: int
    per: timedelta
    key: str | None = None


@dataclass(frozen=True)
class JobLimits:
    """What limits of a job go by: the workflow's key, the node, and what its node says for itself. None: it is of no node."""

    workflow: str | None
    node: str | None
    concurrency: Concurrency | None = None
    rate: Rate | None = None


@dataclass(frozen=True)
class Job:
    """Work for a worker, handed out to one at a time from the moment its command is committed (plus `delay`)."""

    id: UUID
    type: str
    input: Json = None
    execution_id: UUID | None = None
    activation_id: UUID | None = None
    task_id: UUID | None = None
    """The stream that it is for: that of the AI task that it is an attempt of, of a foreach's item, or its own."""
    max_attempts: int = 1
    """In total. The decisions that end an attempt go by it; the ledger only counts the leases."""
    delay: timedelta = timedelta(0)
    priority: int = 0
    """Of the ready jobs of a tenant and type the highest goes first."""
    held: bool = False
    """Its execution is paused: it is handed out once that is resumed."""
    limits: JobLimits | None = None
    run_at: datetime | None = None
    """Not before this moment either, by the database's clock."""
    fence: int = 0
    """Its fencing tokens are greater: where a job is given once more, those of before mean nothing."""


@dataclass(frozen=True)
class Fence:
    """Only who holds the lease of a job may append this; and what then becomes of the job.

    The ledger checks under its lock that the job is leased, by this fencing token, and that the lease has not run out;
    otherwise the whole command is refused.
    """

    job_id: UUID
    fence: int
    then: Literal["done", "retry", "dead", "keep"]
    """done: it goes. retry: ready again after `delay`. dead: stays with its `error` until it is retried. keep: leased on."""
    delay: timedelta = timedelta(0)
    error: Json = None
    expired: bool = False
    """Checks the opposite, for whoever takes the job back: the lease of this token has expired."""


@dataclass(frozen=True)
class Due:
    """A moment to come: `after` so long from the recorded time of the event that names it, or `at` one that was named itself.

    With both, it is so long after the later of the two.

    `openings`: `after` so much time within these. No timer is set by them: the ledger counts all time alike.
    """

    after: timedelta | None = None
    at: datetime | None = None
    openings: tuple[Opening, ...] | None = None

    def moment(self, recorded_at: datetime) -> datetime:
        if self.after is None:
            assert self.at is not None, "a moment is named one way or the other"
            return self.at
        start = recorded_at if self.at is None else max(self.at, recorded_at)
        return start + self.after if self.openings is None else pass_through(self.openings, self.after, start)


@dataclass(frozen=True)
class Timer:
    """A moment to come back at, by the database's clock. It fires once, then or soon after.

    Its owner, a stream of an aggregate, may have several, each for a purpose.
    """

    id: UUID
    due: Due
    purpose: str
    owner: str
    """The name of the aggregate that it belongs to."""
    owner_id: UUID
    """Its stream."""
    execution_id: UUID | None = None
    """Whose pause holds it."""
    activation_id: UUID | None = None
    """The visit that it is for, of an execution's."""
    held: bool = False
    """Its execution is paused: what is left until it fires counts from when that is resumed."""


def timer_id(owner_id: UUID, purpose: str, turn: int = 0) -> UUID:
    """The id of a timer, from whose it is and what for. `turn`: tells apart those that an owner sets one after the other."""
    return uuid5(owner_id, f"timer {purpose}" if turn == 0 else f"timer {purpose} {turn}")


@dataclass(frozen=True)
class Decided:
    """The outcome of a decision. `result` is the JSON that the caller is answered, stored with the command for retries.

    Jobs and timers are rows beside the ledger, written in the same transaction as the facts or not at all. Those that are
    dropped may be gone already.
    """

    facts: tuple[Fact, ...] = ()
    claims: tuple[Claim, ...] = ()
    releases: tuple[Claim, ...] = ()
    result: Json = None
    jobs: tuple[Job, ...] = ()
    fences: tuple[Fence, ...] = ()
    dropped_jobs: tuple[UUID, ...] = ()
    timers: tuple[Timer, ...] = ()
    dropped_timers: tuple[UUID, ...] = ()
    correlation_id: UUID | None = None
    """What the events belong to across systems, for commands whose envelope does not say: that of their execution."""
    left: Mapping[UUID, Any] = field(default_factory=dict)
    """The states in which these facts leave their streams, where the decision has evolved them itself; the others are folded
    when the facts are appended."""


@dataclass(frozen=True)
class Holders:
    """The people who have roles. `known`: by role, active members as the tables say; `changed`: those of whom the ledger says
    more than the tables by now, and whose streams are to be read: what the tables say of them does not count."""

    known: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    changed: frozenset[UUID] = frozenset()


class View(Protocol):
    """What a decision may know of the world."""

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def now(self) -> datetime:
        """The moment at which the command's events occur: timezone-aware UTC (backdated commands live in the past)."""

    @property
    def effort(self) -> Effort:
        """What the command may compute, and what of it was asked of others."""

    def new_id(self) -> UUID:
        """A fresh UUIDv7."""

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        """The state of a stream as of all earlier commands; `aggregate.initial` if it has no events."""

    def version(self, stream_id: UUID) -> int:
        """The version of a stream that was read; 0 if it has no events."""

    def committed(self, stream_id: UUID) -> bool:
        """Whether what was read of a stream is in the ledger. If not, it is what commands under way will leave, or it never
        comes true: good to decide on, and not to be remembered beyond the decision."""

    def owner(self, scope: str, name: str) -> UUID | None:
        """The stream that holds a name (see `Claim`), or None. Not an expectation: read the stream, which is."""

    def holders(self, role_ids: frozenset[UUID]) -> "Holders":
        """Who has which of these roles. Not an expectation: it is so a moment before the command."""


class NotForThisRelease(Exception):
    """A newer release wrote it: a process of that release can go on with it, and this one later, once it is replaced."""


@dataclass
class Refusal(Exception):
    """Base of everything a decision refuses. Subclasses carry a stable `code`; the docstring is the message.

    `path` names the field, parameter or header at fault as a JSON pointer, where there is one.
    """

    code: ClassVar[str] = "refused"
    detail: str = ""
    path: str | None = None
    errors: tuple["FieldError", ...] = field(default=())

    @property
    def message(self) -> str:
        return self.detail or (type(self).__doc__ or self.code).strip()

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class FieldError:
    """One fault in the input: a JSON pointer (or parameter, or header), a code and a sentence."""

    path: str
    code: str
    message: str


class RuleViolation(Refusal):
    """The rules do not allow this."""

    code = "rule_violation"


class PermissionDenied(Refusal):
    """You may not do this."""

    code = "permission_denied"


class NotFound(Refusal):
    """There is no such thing here."""

    code = "not_found"


class Invalid(Refusal):
    """The input is not valid."""

    code = "invalid"
