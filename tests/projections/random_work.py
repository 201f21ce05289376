"""A log of work drawn at random: executions of two workflows side by side, with everything that the views of work count."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple
from uuid import UUID

from domain.ai_task import (
    AiTaskAttemptStarted,
    AiTaskAttemptSucceeded,
    AiTaskCompleted,
    AiTaskRequested,
    AiTaskToolCallDenied,
    AiTaskToolCallStarted,
    AiTaskToolCallSucceeded,
    Configuration,
    DenialReason,
    ToolCall,
    Totals,
)
from domain.approval import (
    ApprovalClaimed,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalRecalled,
    ApprovalRequested,
    ApprovalResolved,
    ApprovalResubmitted,
    Asked,
    Content,
    Outcome,
)
from domain.execution import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ExecutionCancelled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionStarted,
    NodeError,
    Wait,
)
from domain.facts import Due, Event
from domain.retry import RetryPolicy
from domain.workflow import WorkflowDrafted, WorkflowPublished
from tests.projections.story import ACME, ANN, BOB, Ledgers, Step, an_id

WORKFLOWS = ("orders", "claims")
OUTCOMES = (Outcome("yes", "approve", (BOB,), ("approver", "clerk")), Outcome("no", "reject", (BOB,)))
NODES = {"check": "task", "review": "approval", "classify": "ai_agent", "call": "http", "cool": "wait"}
DENIALS: tuple[DenialReason, ...] = ("not_allowed", "policy", "budget", "too_many", "rejected", "cancelled")


class Told(NamedTuple):
    at: datetime
    stream: UUID
    event: Event


async def tell(ledgers: Ledgers, random: Random, executions: int) -> list[Told]:
    """Append the log to Acme's ledger; what it says, in order."""
    told: list[Told] = []
    for step in walks(random, executions):
        ledgers.now += timedelta(milliseconds=random.choice((0, 1, 40, 5_000, 3_600_000)))
        await ledgers.append(ACME, step)
        told.append(Told(ledgers.now, *step))
    return told


def walks(random: Random, executions: int) -> Iterator[Step]:
    """The log: some executions are under way at a time."""
    for workflow in WORKFLOWS:
        definition = {"key": workflow, "name": workflow}
        yield an_id(workflow), WorkflowDrafted(workflow, workflow, definition)
        yield an_id(workflow), WorkflowPublished(1, definition)
    waiting = [execution(random, number) for number in range(executions)]
    going: list[Iterator[Step]] = []
    while waiting or going:
        if waiting and len(going) < 6:
            going.append(waiting.pop())
        one = random.choice(going)
        step = next(one, None)
        if step is None:
            going.remove(one)
        else:
            yield step


def workflow_of(execution: UUID) -> str:
    return WORKFLOWS[execution.int % 2]


def execution(random: Random, number: int) -> Iterator[Step]:
    """A walk of some visits that ends in one of the ways there are, or not yet."""
    id = an_id(f"random execution {number}")
    workflow = workflow_of(id)
    yield id, ExecutionStarted(an_id(workflow), workflow, 1, "start", {})
    visits: dict[str, int] = {}
    for _ in range(random.randrange(4)):
        node = random.choice(tuple(NODES))
        visits[node] = visits.get(node, 0) + 1
        yield from visit(random, id, node, visits[node])
    match random.choice(("completed", "completed", "failed", "cancelled", "open", "paused")):
        case "completed":
            yield id, ExecutionCompleted(None)
        case "failed":
            code = random.choice(("timeout", "closed"))
            yield id, ExecutionFailed(code, f"It is {code}: {number}.", random.choice(("check", None)))
        case "cancelled":
            yield from left_open(random, id, visits)
            yield id, ActivationCancelled(an_id(f"{id} open"), "check", "not needed")
            yield id, ExecutionCancelled("not needed", ANN)
        case "paused":
            yield from left_open(random, id, visits)
            yield id, ExecutionPaused("lunch")
        case _:
            yield from left_open(random, id, visits)
            if random.random() < 0.5:
                yield from request(random, id, "review", an_id(f"{id} left"), visits.get("review", 0) + 1, ends=False)


def left_open(random: Random, id: UUID, visits: dict[str, int]) -> Iterator[Step]:
    wait = random.choice(
        (
            Wait("job", an_id(f"{id} job"), "ship"),
            Wait("event", an_id(f"{id} event"), "paid"),
            Wait("timer", an_id(f"{id} timer"), "wait", Due(after=timedelta(days=1))),
            Wait("timer", an_id(f"{id} limit"), "timeout", Due(after=timedelta(days=1))),
        )
    )
    yield id, ActivationStarted(an_id(f"{id} open"), "check", "task", visits.get("check", 0) + 1, (1,), waits=(wait,))


def visit(random: Random, id: UUID, node: str, number: int) -> Iterator[Step]:
    activation, kind = an_id(f"{id} {node} {number}"), NODES[node]
    if kind == "approval":
        yield from request(random, id, node, activation, number, ends=True)
    elif kind == "ai_agent":
        yield from agent(random, id, node, activation, number)
    else:
        yield id, ActivationStarted(activation, node, kind, number, (1,))
        if kind == "http" and random.random() < 0.5:
            yield id, ActivationRetried(activation, node, NodeError("busy", "Later.", 1), 1, 1000)
            yield id, ActivationFailed(activation, node, NodeError("busy", "Never.", 2), "error")
            return
    yield id, ActivationCompleted(activation, node, "success", None)


def request(random: Random, id: UUID, node: str, activation: UUID, number: int, *, ends: bool) -> Iterator[Step]:
    stream = an_id(f"{activation} request")
    yield id, ActivationStarted(activation, node, "approval", number, (1,), waits=(Wait("approval", stream),))
    due = random.choice((None, Due(after=timedelta(seconds=random.choice((1, 10_000))))))
    expires = Due(after=timedelta(days=2))
    yield (
        stream,
        ApprovalRequested(
            id, activation, node, "May it be?", {"type": "single"}, OUTCOMES, requested_by=ANN, due=due, expires=expires
        ),
    )
    if random.random() < 0.3:
        yield stream, ApprovalRecalled(ANN)
        if not ends:
            return
        asked = Asked({"type": "single"}, OUTCOMES)
        yield stream, ApprovalResubmitted(2, Content("May it?"), asked=asked, due=due)
    elif random.random() < 0.3:
        yield stream, ApprovalClaimed(BOB)
    if not ends:
        return
    if random.random() < 0.2:
        yield stream, ApprovalExpired()
        return
    outcome = random.choice(OUTCOMES)
    yield stream, ApprovalDecided(an_id(f"{stream} decision"), BOB, outcome.name, outcome.kind, 1, "clerk")
    yield stream, ApprovalResolved(outcome.name, outcome.kind, (BOB,))


def agent(random: Random, id: UUID, node: str, activation: UUID, number: int) -> Iterator[Step]:
    task = an_id(f"{activation} task")
    yield id, ActivationStarted(activation, node, "ai_agent", number, (1,), waits=(Wait("ai_task", task),))
    asked = ("Classify", "fast", "Which?", Configuration(), RetryPolicy())
    yield task, AiTaskRequested(id, activation, node, *asked, workflow_key=workflow_of(id))
    calls = tuple(
        ToolCall(an_id(f"{task} call {place}"), random.choice(("pay", "look")), {}, f"c{place}")
        for place in range(random.randrange(4))
    )
    attempt = an_id(f"{task} attempt")
    yield task, AiTaskAttemptStarted(attempt, 1, "offline", "echo", "worker-1", 1)
    took = random.choice((1, 700, 10_000_000))
    yield (
        task,
        AiTaskAttemptSucceeded(attempt, 1, None, took, "offline", "echo", cost=Decimal(1), currency="EUR", turn=1, calls=calls),
    )
    for call in calls:
        if random.random() < 0.6:
            reason = random.choice(DENIALS)
            yield task, AiTaskToolCallDenied(call.id, call.tool, reason, f"No: {reason}.")
        else:
            yield task, AiTaskToolCallStarted(call.id, call.tool, 1, {}, "once")
            yield task, AiTaskToolCallSucceeded(call.id, call.tool, 1, {}, random.choice((2, 900)))
    yield task, AiTaskCompleted(None, Totals(1, 0, 0, Decimal(1), "EUR"))
