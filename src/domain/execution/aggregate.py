"""How each event moves an execution on, and what is known of each kind of event."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never
from uuid import UUID

from domain.changes import changed
from domain.execution.compensation import begin_compensating, begin_undoing, end_undoing, remember, without_tokens
from domain.execution.events import (
    ActivationCancelled,
    ActivationCompleted,
    ActivationFailed,
    ActivationRetried,
    ActivationStarted,
    ActivationWaiting,
    ExecutionArchived,
    ExecutionCancelled,
    ExecutionChanged,
    ExecutionCompensating,
    ExecutionCompleted,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionForked,
    ExecutionHeld,
    ExecutionMigrated,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionSignalled,
    ExecutionStarted,
    ItemCancelled,
    ItemCompleted,
    ItemFailed,
    ItemHeld,
    ItemStarted,
    Wait,
    problem_json,
)
from domain.execution.migration import migrate
from domain.execution.moves import begin, end, with_lineage
from domain.execution.state import FIRST_TOKEN, Activation, Execution, Status
from domain.execution.upkeep import counted
from domain.facts import Aggregate, Due, EventType, Json, Subject
from domain.tokens import Token
from domain.wording import because, listed, plural


def evolve(state: Execution, event: ExecutionEvent) -> Execution:
    match event:
        case ExecutionStarted():
            first = Token(FIRST_TOKEN, None, event.start_node)
            return Execution(
                "running",
                event,
                tokens=state.tokens.insert(first.id, first),
                next_token=first.id + 1,
                timeout=event.timeout,
            )
        case ExecutionForked():
            return with_lineage(state, event)
        case ActivationStarted(compensates=UUID()):
            return begin_undoing(state, event)
        case ActivationStarted():
            return begin(state, event)
        case ActivationWaiting():
            activation = state.activations[event.activation_id]
            kept = tuple(wait for wait in activation.waits if wait.id not in event.ended)
            waiting = changed(activation, waits=(*kept, *event.added), turns=activation.turns + 1)
            return changed(state, activations=state.activations.insert(activation.id, waiting))
        case ActivationRetried():
            activation = state.activations[event.activation_id]
            retried = changed(activation, retries=activation.retries + 1)
            return changed(state, activations=state.activations.insert(activation.id, retried))
        case ActivationCompleted():
            return _complete(state, event, state.activations[event.activation_id])
        case ActivationFailed():
            activation = state.activations[event.activation_id]
            if activation.compensates is not None:
                return end_undoing(state, activation, event.error)
            return end(state, event.activation_id, {"error": problem_json(event.error)}, event.moves)
        case ActivationCancelled():
            return _cancel(state, event)
        case ExecutionCompleted():
            return _close(state, "completed", event)
        case ExecutionFailed():
            return _close(state, "failed", event)
        case ExecutionCancelled():
            return _close(state, "cancelled", event)
        case ExecutionCompensating():
            return begin_compensating(state, event)
        case ExecutionPaused():
            return changed(state, status="paused", paused_at=event.at, continuation=None)
        case ExecutionResumed():
            return _resume(state, event)
        case ItemStarted():
            return changed(evolve(state, _as_started(event)), item=event)
        case ItemCompleted():
            return _close(changed(state, output=event.output), "completed")
        case ItemFailed():
            return _close(state, "failed")
        case ItemCancelled():
            return _close(state, "cancelled")
        case ExecutionHeld() | ItemHeld():
            return changed(state, held=event.tokens, continuation=event.job_id)
        case ExecutionSignalled():
            return state
        case ExecutionChanged():
            assert state.started is not None
            labels = state.started.labels if event.labels is None else event.labels
            priority = state.started.priority if event.priority is None else event.priority
            return changed(state, started=changed(state.started, labels=labels, priority=priority))
        case ExecutionMigrated():
            return migrate(state, event)
        case ExecutionArchived():
            return changed(state, archived=True)
        case _:
            assert_never(event)


def _cancel(state: Execution, event: ActivationCancelled) -> Execution:
    activation = state.activations.get(event.activation_id)
    if activation is None:
        return state
    return counted(changed(state, activations=state.activations.remove(activation.id)), (activation.path,), ())


def _complete(state: Execution, event: ActivationCompleted, activation: Activation) -> Execution:
    if activation.compensates is not None:
        return end_undoing(state, activation, None)
    ended = end(state, event.activation_id, {"output": event.output}, event.moves)
    if not event.moves:
        ended = changed(ended, last_end=event.node_id, output=event.output)
    if event.interrupted:
        ended = without_tokens(ended, event)
    return ended if activation.compensate is None else remember(ended, activation)


def _as_started(event: ItemStarted) -> ExecutionStarted:
    """What an item has of its execution. Its input is the execution's, and not repeated."""
    return ExecutionStarted(
        event.workflow_id,
        event.workflow_key,
        event.workflow_version,
        event.start_node,
        None,
        priority=event.priority,
        parent_execution_id=None,
        correlation_id=event.correlation_id,
        created_by=event.created_by,
        behind=event.behind,
        depth=event.depth,
        event_depth=event.event_depth,
    )


def _resume(state: Execution, event: ExecutionResumed) -> Execution:
    """Timeouts keep what was left of them: the timer knows what that is, by the database's clock.

    `at` and `paused_at` are of events of older releases, which dropped the timers at a pause and set them again.
    """
    activations = state.activations
    for activation in state.activations.values():
        if activation.waits_for("timer"):
            activations = activations.insert(activation.id, _with_timers_moved(state, activation, event))
    moved = state.timeout_moved + (state.timeout is not None)
    return changed(
        state, status="running", paused_at=None, activations=activations, resumes=state.resumes + 1, timeout_moved=moved
    )


def _with_timers_moved(state: Execution, activation: Activation, event: ExecutionResumed) -> Activation:
    if state.paused_at is None:
        moved = activation.moved
        for timer in activation.waits_for("timer"):
            moved = moved.insert(timer, moved.get(timer, 0) + 1)
        return changed(activation, moved=moved)
    paused_for = timedelta(0) if event.at is None else event.at - state.paused_at
    return changed(activation, waits=tuple(_later(wait, paused_for) for wait in activation.waits))


def _later(wait: Wait, span: timedelta) -> Wait:
    """Older releases named the moments of timers."""
    return wait if wait.due is None or wait.due.at is None else replace(wait, due=Due(at=wait.due.at + span))


def _close(
    state: Execution, status: Status, event: ExecutionCompleted | ExecutionFailed | ExecutionCancelled | None = None
) -> Execution:
    """What is over lets go of all that no decision asks for any more: results and the input may be large."""
    assert state.started is not None
    return Execution(
        status,
        changed(state.started, input=None, trigger_data=None),
        steps=state.steps,
        next_token=state.next_token,
        item=None if state.item is None else changed(state.item, item=None),
        resumes=state.resumes,
        ended=None if state.started.parent_activation_id is None else event,
    )


def _ends(event: ExecutionCompensating) -> str:
    return f"failed: {event.message}" if event.ends == "failed" else f"is cancelled{because(event.reason)}"


def _columns_changed(event: ExecutionChanged) -> dict[str, Json]:
    given: dict[str, Json] = {"labels": event.labels, "priority": event.priority}
    return {name: value for name, value in given.items() if value is not None}


def _what_changed(event: ExecutionChanged) -> str:
    labels = "" if event.labels is None else f"the labels {listed(event.labels)}"
    priority = "" if event.priority is None else f"the priority {event.priority}"
    return " and ".join(part for part in (labels, priority) if part)


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
            ExecutionForked,
            "execution.forked.v1",
            lambda e, execution: f"{execution.name} goes on from {e.node_id} with {plural(len(e.visits), 'visit')} behind it.",
            severity="debug",
            note="`visits`: of the execution `origin_id`, up to its last visit of `node_id`.",
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
            note="`code`: a fail node's, an error's type, or one of `no_route`, `stuck`, `step_limit`, `expression_error`, "
            "`timeout`. `compensation`: how many visits were undone, and which could not be; null where nothing had to be.",
        ),
        EventType(
            ExecutionCancelled,
            "execution.cancelled.v1",
            lambda e, execution: f"{execution.name} was cancelled{because(e.reason)}.",
            changes=lambda _: {"status": "cancelled"},
            note="`compensation` as in `execution.failed`; `left`: visits that were not undone because it was terminated.",
        ),
        EventType(
            ExecutionCompensating,
            "execution.compensating.v1",
            lambda e, execution: f"{execution.name} {_ends(e)}; {plural(e.visits, 'visit')} will be undone first.",
            severity="warning",
            changes=lambda _: {"compensation": "running"},
            note="Nothing of it goes on any more. Completed visits are undone, the last one first, each by an activation that "
            "says which one it `compensates`; then it ends.",
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
            ExecutionChanged,
            "execution.changed.v1",
            lambda e, execution: f"{execution.name} has {_what_changed(e)}.",
            changes=_columns_changed,
            note="`labels`: all that it has from now on; `priority`: of what it hands out from now on. null: as it was.",
        ),
        EventType(
            ExecutionMigrated,
            "execution.migrated.v1",
            lambda e, execution: (
                f"{execution.name} was migrated from version {e.from_version} to version {e.to_version}{because(e.reason)}."
            ),
            changes=lambda e: {"workflow_version": e.to_version},
            note="`mapping`: as it was asked for. `nodes`: what nodes are called from now on, null: they have no counterpart. "
            "`branches`, `arrivals`: the indices of edges, as `{edge, to}`, of the splits that tokens are in, and by which "
            "they have come. `visits`: those that run, as `{activation_id, node_id, to}`. What is not named is called the same.",
        ),
        EventType(
            ExecutionArchived,
            "execution.archived.v1",
            lambda e, execution: f"{execution.name} had been over for {plural(e.days, 'day')}, and was archived.",
            severity="debug",
            note="`days`: of the policy. Its rows leave the tables, with those of what it asked for, for archived_rows.",
        ),
        EventType(
            ItemStarted,
            "item.started.v1",
            lambda e, execution: f"{execution.name} began with item {e.index} of {e.path[-1]}.",
            severity="debug",
            tags=lambda e, execution: (execution.tag, e.path[-1]),
            note="An item of a foreach, in a stream of its own: events of activations follow in it as in an execution's.",
        ),
        EventType(
            ItemCompleted,
            "item.completed.v1",
            lambda _, execution: f"{execution.name} completed.",
            severity="debug",
        ),
        EventType(
            ItemFailed,
            "item.failed.v1",
            lambda e, execution: f"{execution.name} failed: {e.message}",
            severity="warning",
            note="`code`: as of `execution.failed`.",
        ),
        EventType(
            ItemCancelled,
            "item.cancelled.v1",
            lambda e, execution: f"{execution.name} was cancelled{because(e.reason)}.",
        ),
        EventType(
            ItemHeld,
            "item.held.v1",
            lambda e, execution: f"{execution.name} holds {plural(len(e.tokens), 'token')} back until it goes on.",
            severity="debug",
        ),
        EventType(
            ActivationStarted,
            "activation.started.v3",
            lambda e, execution: f"{execution.name} entered {e.node_id}.",
            severity="debug",
            tags=_at_node,
            note="A node begins a visit and takes `tokens`. `waits`: what it waits for, as `{kind, id, about, due}`; of timers, "
            "its timeout among them, `due` is `{after}`, a duration from the recorded time of the event, or `{at}`, a moment. "
            "`compensate`: the node that undoes it; `compensates`: the completed visit that it undoes itself. "
            "v1 named at most one `child`, v2 its timeout as `timeout_at`; both stay readable.",
        ),
        EventType(
            ActivationWaiting,
            "activation.waiting.v2",
            lambda e, execution: f"{execution.name} waits on at {e.node_id}.",
            severity="debug",
            tags=_at_node,
            note="Something came to a visit, which goes on: it waits for what is `added`, and no longer for what is `ended`. "
            "v1 knew no timers and stays readable.",
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
            note="`moves`: which token went along which edge. `interrupted`: tokens that the outcome took out of the execution.",
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
