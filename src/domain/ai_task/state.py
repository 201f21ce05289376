"""An AI task as decisions see it: how far it is, and what has been said so far."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from domain.ai_task.events import AiTaskRequested, DenialReason, Purpose, Reservation, ToolCall, Totals
from domain.facts import Json
from domain.retry import Failure

CallStatus = Literal["ready", "asked", "running", "succeeded", "failed", "denied"]
"""ready: may be started. asked: a person decides. running: started, without an end."""
SETTLED = frozenset({"succeeded", "failed", "denied"})


@dataclass(frozen=True)
class Call:
    """A call of a tool. `arguments`: those to call it with; what the model asked for is in `asked`."""

    asked: ToolCall
    status: CallStatus
    arguments: Json
    edited: bool = False
    number: int = 0
    """How often it was started."""
    result: Json = None
    message: str | None = None
    """Of one that was denied or failed: what the model is told."""
    denied: DenialReason | None = None
    request_id: UUID | None = None
    child_id: UUID | None = None
    reserved: tuple[Reservation, ...] = ()
    elicited: tuple[Json, ...] = ()
    """{question, form}: what people filled in for the tool, which asked for it, and is called again with that; a digest of what
    it asked."""

    @property
    def id(self) -> UUID:
        return self.asked.id

    @property
    def settled(self) -> bool:
        return self.status in SETTLED


@dataclass(frozen=True)
class Turn:
    """What the model said, what came of the calls that it asked for, and what it was told after that (`feedback`)."""

    number: int
    text: str | None
    output: Json
    calls: tuple[Call, ...] = ()
    feedback: str | None = None

    @property
    def settled(self) -> bool:
        return all(call.settled for call in self.calls)


@dataclass(frozen=True)
class Question:
    """A request for approval that the task waits for."""

    request_id: UUID
    purpose: Purpose
    call_id: UUID | None = None
    output: Json = None
    budget_id: UUID | None = None


@dataclass(frozen=True)
class Faulty:
    """The last answer, which did not fit, and what was wrong with it."""

    answered: str
    fault: str


@dataclass(frozen=True)
class AiTask:
    """`attempt_id`: the attempt that runs. `totals`: of the attempts that ended; `number`: of those that started."""

    status: Literal["absent", "pending", "running", "waiting", "completed", "failed", "cancelled"] = "absent"
    """pending: for a worker, or for the next attempt. running: an attempt or a tool's call is under way. waiting: for people, or
    for the workflow that a tool is."""
    requested: AiTaskRequested | None = None
    attempt_id: UUID | None = None
    number: int = 0
    totals: Totals = field(default_factory=Totals)
    reserved: tuple[Reservation, ...] = ()
    """By the attempt that runs."""
    turns: tuple[Turn, ...] = ()
    failures: int = 0
    """Attempts in a row that failed, within the turn to come, other than by what they said."""
    link: int = 0
    """The place, in the chain of models that its name stands for, of the one to be asked next."""
    faulty: Faulty | None = None
    repairs: int = 0
    """Answers in a row that did not fit."""
    rejections: int = 0
    questions: tuple[Question, ...] = ()
    output: Json = None
    """What it comes to, as far as that is known: the last answer's, or what a reviewer made of it."""
    answered: bool = False
    """Whether there is an output."""
    beyond: tuple[UUID, ...] = ()
    """Budgets that somebody allowed it to go beyond."""
    parked: int = 0
    """How often it went on after it had waited for people or a child: so often its job was given again."""
    seen: dict[str, int] = field(default_factory=dict)
    """How often each call, with its arguments, was asked for: by a digest of both."""
    error: Failure | None = None
    judged: tuple[str, ...] = ()
    """The guards that are models which let pass what goes in, and the present output: their places."""
    judging: str | None = None
    """The guard whose attempt runs."""
    latency_ms: int = 0
    """How long its calls of models took, together."""

    @property
    def closed(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def turn(self) -> int:
        """The number of the turn to come."""
        return len(self.turns) + 1

    @property
    def calls(self) -> tuple[Call, ...]:
        """Of the last turn."""
        return self.turns[-1].calls if self.turns else ()

    def call(self, call_id: UUID) -> Call | None:
        """One of the last turn's."""
        return next((call for call in self.calls if call.id == call_id), None)

    @property
    def children(self) -> tuple[UUID, ...]:
        """Executions that are its tools and have not ended, as far as it was told."""
        return tuple(call.child_id for call in self.calls if call.status == "running" and call.child_id is not None)

    @property
    def waits_for(self) -> tuple[UUID, ...]:
        """The executions that it waits for."""
        return () if self.closed else self.children

    def question(self, request_id: UUID) -> Question | None:
        return next((each for each in self.questions if each.request_id == request_id), None)
