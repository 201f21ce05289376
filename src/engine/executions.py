"""Decisions about executions: start, cancel, terminate, pause, resume, signal, continue."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from domain.execution import (
    EXECUTION,
    FIRST_TOKEN,
    Execution,
    ExecutionChanged,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    TriggerType,
    Wait,
    WaitKind,
    evolve,
)
from domain.facts import Claim, Decided, Fact, Invalid, Json, NotFound, RuleViolation, View
from domain.workflow import WORKFLOW
from engine.context import Engine
from engine.enclosing import execution_of, is_wanted
from engine.expressions import Budgeted
from engine.family import Family
from engine.happenings import MessageArrived
from engine.nodes.task import OWN
from engine.run import Run, business_claim, business_scope, plan_of
from engine.starting import accept_input, version_of, with_attributes
from engine.time_limit import with_timeout

OnConflict = Literal["reject", "return", "replace"]
"""What a start does where an execution of the workflow with its business key runs: it is refused, answers how that one stands,
or cancels it and starts another one."""
REPLACED = "Another execution of its business key was started in its place."
UNDOING = (
    "The execution that has this business key must undo what it has done before another one can take its place: cancel it first."
)
SIGNAL = "signal"
"""The source of the event that a signal is to those who wait for it."""


class NoSuchExecution(NotFound):
    """There is no such execution."""


class AlreadyStarted(RuleViolation):
    """An execution with this id exists already."""

    code = "execution_exists"


class BusinessKeyTaken(RuleViolation):
    """Another running execution of this workflow has this business key."""

    code = "name_taken"


class ExecutionClosed(RuleViolation):
    """The execution is over."""

    code = "execution_closed"


class ItemClosed(RuleViolation):
    """The item of a foreach that asks is over, or nobody waits for it any more."""

    code = "item_closed"


class ExecutionIsPaused(RuleViolation):
    """The execution is paused."""

    code = "execution_paused"


class ExecutionIsCompensating(RuleViolation):
    """What the execution has done is being undone; it can be terminated."""

    code = "execution_compensating"


class NotPaused(RuleViolation):
    """The execution is not paused."""

    code = "execution_not_paused"


def start(
    view: View,
    engine: Engine,
    *,
    workflow_id: UUID,
    input: Json,
    execution_id: UUID | None = None,
    version: int | None = None,
    business_key: str | None = None,
    priority: int = 0,
    created_by: UUID | None = None,
    correlation_id: UUID | None = None,
    trigger_type: TriggerType = "manual",
    trigger_data: Json = None,
    parent_execution_id: UUID | None = None,
    behind: tuple[UUID, ...] = (),
    on_conflict: OnConflict = "reject",
    trigger_id: UUID | None = None,
    scheduled_at: datetime | None = None,
    labels: Mapping[str, str] | None = None,
    event_depth: int | None = None,
    callback: Json = None,
) -> Decided:
    """Start the published version, or an earlier one, and run until it waits or is over.

    `behind`: who acts on behalf of `created_by`. `labels`: as `engine.labels` has checked them.
    An `execution_id` is given only by callers that must know it before; result {id, status, version, open}, with `existing` where
    `on_conflict` is "return" and another one with this business key runs.
    """
    workflow = view.read(WORKFLOW, workflow_id)
    number = version_of(workflow, version)
    plan = engine.plan(view, workflow_id, number)
    accept_input(view, plan.definition, input)
    running = None if on_conflict == "reject" else _running(view, workflow_id, business_key)
    if running is not None and on_conflict == "return":
        return Decided(result={**summary(running, view.read(EXECUTION, running), view.version(running)), "existing": True})
    if execution_id is None:
        execution_id = view.new_id()
    elif view.read(EXECUTION, execution_id) != EXECUTION.initial:
        raise AlreadyStarted
    started = ExecutionStarted(
        workflow_id,
        workflow.key,
        number,
        plan.start,
        input,
        business_key,
        priority,
        trigger_type,
        trigger_data,
        parent_execution_id,
        correlation_id,
        created_by,
        behind=behind or None,
        trigger_id=trigger_id,
        scheduled_at=scheduled_at,
        labels=dict(labels) if labels else None,
        event_depth=event_depth,
        callback=callback,
    )
    started = with_attributes(view, Budgeted(engine.evaluator, view.effort), plan.definition, execution_id, started)
    started = with_timeout(plan.definition, execution_id, started)
    facts, family = list[Fact](), Family()
    if running is not None:
        old = load_run(view, engine, running, view.read(EXECUTION, running), facts, family)
        if old.state.compensable or old.state.compensation is not None:
            raise BusinessKeyTaken(UNDOING, "/business_key")
        old.cancel(REPLACED, created_by)
    facts.append(Fact(execution_id, started))
    run = Run(view, engine, plan, execution_id, evolve(EXECUTION.initial, started), facts, family=family, new=True)
    run.pending.append(FIRST_TOKEN)
    run.advance()
    result = summary(execution_id, run.state, sum(fact.stream_id == execution_id for fact in run.facts))
    return run.decided(result, claims_of(view, execution_id, run.state, running))


def cancel(view: View, engine: Engine, execution_id: UUID, reason: str | None = None, by: UUID | None = None) -> Decided:
    """What runs is given up, and what is done is undone; then it is cancelled. While it is paused, the undoing waits.

    Refused where it is being undone already.
    """
    state = read_live(view, execution_id)
    if state.compensation is not None:
        raise ExecutionIsCompensating
    run = load_run(view, engine, execution_id, state)
    run.cancel(reason, by)
    run.advance()
    return run.decided(answer(run))


def terminate(view: View, engine: Engine, execution_id: UUID, reason: str | None = None, by: UUID | None = None) -> Decided:
    """End it at once, whatever is left to undo."""
    run = load_run(view, engine, execution_id, read_live(view, execution_id))
    run.terminate(reason, by)
    return run.decided(answer(run))


def pause(view: View, _engine: Engine, execution_id: UUID, reason: str | None = None) -> Decided:
    """No token moves while it is paused, and its approval requests cannot be decided. The ledger holds its jobs and timers.

    Work that was handed out goes on: what comes of it is recorded, and what follows from it waits.
    """
    state = read_live(view, execution_id)
    if state.status == "paused":
        raise ExecutionIsPaused
    paused = record(view, execution_id, state, ExecutionPaused(reason))
    return replace(paused, dropped_jobs=() if state.continuation is None else (state.continuation,))


def resume(view: View, engine: Engine, execution_id: UUID, reason: str | None = None) -> Decided:
    state = read_live(view, execution_id)
    if state.status != "paused":
        raise NotPaused
    run = load_run(view, engine, execution_id, state)
    turn = state.resumes + 1
    for activation in state.in_order:
        for foreach_id in activation.waits_for("foreach"):
            run.family.fan_out.resume_later(run, foreach_id, turn)
    run.resume(ExecutionResumed(reason, None if state.paused_at is None else view.now))
    return run.decided(answer(run))


def signal(view: View, engine: Engine, execution_id: UUID, name: str, payload: Json = None) -> Decided:
    """Record a message to the execution, running or paused; to its visits that wait for one, it is an event of its name."""
    state, signalled = read_live(view, execution_id), ExecutionSignalled(name, payload)
    waits = [(each.id, wait.id) for each in state.in_order for wait in each.waits if _is_event(wait, name)]
    if not waits:
        return record(view, execution_id, state, signalled)
    run = load_run(view, engine, execution_id, state)
    run.facts.append(Fact(execution_id, signalled))
    event = {"id": None, "source": SIGNAL, "type": name, "subject": None, "time": None, "data": payload}
    for activation_id, wait_id in waits:
        if activation_id in run.state.activations:
            run.wake(activation_id, MessageArrived(wait_id, event))
    run.advance()
    return run.decided(answer(run))


def _is_event(wait: Wait, type: str) -> bool:
    return (wait.kind, wait.about) == ("event", type)


def read_live(view: View, execution_id: UUID) -> Execution:
    """An execution that is running or paused."""
    state = view.read(EXECUTION, execution_id)
    if state.started is None:
        raise NoSuchExecution
    if not state.live:
        raise ExecutionClosed(f"The execution is {state.status}.")
    return state


def load_run(
    view: View,
    engine: Engine,
    execution_id: UUID,
    state: Execution,
    facts: list[Fact] | None = None,
    family: Family | None = None,
) -> Run:
    """A run that goes on from where the execution stands, or the item of a foreach.

    `facts`, `family`: of a command that has moved others before.
    """
    plan = plan_of(view, engine, state)
    return Run(view, engine, plan, execution_id, state, [] if facts is None else facts, family=family or Family())


def asking_run(view: View, engine: Engine, execution_id: UUID, item_id: UUID | None) -> Run:
    """A run from where that stands which asks somebody: an execution, or an item in it whose foreach still waits for it."""
    state = read_live(view, execution_id)
    if item_id is None:
        return load_run(view, engine, execution_id, state)
    run = load_run(view, engine, item_id, view.read(EXECUTION, item_id))
    if not is_wanted(run):
        raise ItemClosed
    return run


def answer(run: Run) -> Json:
    """The execution as a command's result names it, after the run, which may be of an item within it."""
    run.family.settle(run)
    execution = execution_of(run)
    execution_id = execution.execution_id
    version = run.view.version(execution_id) + sum(fact.stream_id == execution_id for fact in run.facts)
    return summary(execution_id, execution.state, version)


def summary(execution_id: UUID, state: Execution, version: int) -> Json:
    return {"id": str(execution_id), "status": state.status, "version": version, "open": open_items(state)}


def open_items(state: Execution) -> list[dict[str, str]]:
    """What waits for the world, in the order in which it was asked: {kind, id, node_id, activation_id}.

    kind approval, ai_task and others that open a stream: `id` is that stream's; kind task: the job's. Timers and jobs of our own
    are nobody's to act on.
    """
    waiting = state.in_order
    return [
        {"kind": shown, "id": str(wait.id), "node_id": each.node_id, "activation_id": str(each.id)}
        for each in waiting
        for wait in each.waits
        if (shown := _shown(wait)) is not None
    ]


OPEN_KINDS = ("task", *(kind for kind in get_args(WaitKind) if kind not in ("job", "timer", "foreach")))
"""Of open items."""


def _shown(wait: Wait) -> str | None:
    """As what kind of open item something stands that is waited for."""
    match wait.kind:
        case "timer" | "foreach":
            return None
        case "job":
            return None if wait.about.startswith(OWN) else "task"
        case _:
            return wait.kind


def record(
    view: View, execution_id: UUID, state: Execution, event: ExecutionPaused | ExecutionSignalled | ExecutionChanged
) -> Decided:
    """One event of an execution, after which nothing moves."""
    after = evolve(state, event)
    correlation_id = None if state.started is None else state.started.correlation_id
    result = summary(execution_id, after, view.version(execution_id) + 1)
    return Decided((Fact(execution_id, event),), result=result, correlation_id=correlation_id, left={execution_id: after})


def _running(view: View, workflow_id: UUID, business_key: str | None) -> UUID | None:
    """The execution of the workflow that holds the business key."""
    if business_key is None:
        raise Invalid("on_conflict is for a start with a business_key.", "/on_conflict")
    found = view.owner(business_scope(workflow_id), business_key)
    return found if found is not None and view.read(EXECUTION, found).live else None


def claims_of(view: View, execution_id: UUID, state: Execution, replaced: UUID | None = None) -> tuple[Claim, ...]:
    """The business key, held while it runs. One that is over already holds nothing, but may not take another's name either."""
    claim = business_claim(execution_id, state)
    if claim is None:
        return ()
    if state.live:
        return (claim,)
    if replaced is None and view.owner(claim.scope, claim.name) is not None:
        raise BusinessKeyTaken(path="/business_key")
    return ()
