"""What people do to work that is under way, beside the execution that it belongs to."""

from uuid import UUID

from domain import ai_task
from domain.ai_task import AI_TASK, AiTask, AiTaskClosed, AttemptRunning, NoSuchAiTask
from domain.facts import Decided, View
from engine.context import Engine
from engine.executions import answer, asking_run
from engine.happenings import ChildEnded


def cancel_ai_task(view: View, engine: Engine, task_id: UUID, reason: str | None = None) -> Decided:
    """Nothing more is asked for this task; the node fails, and its error goes where errors go.

    result {ai_task: {id, status, version}, execution: {id, status, version, open}}.
    """
    requested = _open(view, task_id).requested
    assert requested is not None
    assert requested.execution_id is not None
    assert requested.activation_id is not None
    ended = ai_task.cancel(view, task_id, reason)
    run = asking_run(view, engine, requested.execution_id, requested.item_id)
    run.facts.extend(ended.facts)
    run.wake(requested.activation_id, ChildEnded(task_id, tuple(fact.event for fact in ended.facts)))
    run.advance()
    task = {name: ended.result[name] for name in ("id", "status", "version")}
    return run.decided({"ai_task": task, "execution": answer(run)})


def waiting_attempt(view: View, task_id: UUID) -> UUID:
    """The job of the attempt that an AI task waits for. Refused while one runs, and when the task is over."""
    state = _open(view, task_id)
    if state.attempt_id is not None:
        raise AttemptRunning
    assert state.requested is not None
    assert state.requested.activation_id is not None
    return state.requested.activation_id


def _open(view: View, task_id: UUID) -> AiTask:
    state = view.read(AI_TASK, task_id)
    if state.status == "absent":
        raise NoSuchAiTask
    if state.closed:
        raise AiTaskClosed(f"The AI task is {state.status}.")
    return state
