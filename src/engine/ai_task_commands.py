"""What people do to work that is under way, beside the execution that it belongs to."""

from dataclasses import replace
from uuid import UUID

from domain import ai_task
from domain.ai_task import AI_TASK, AiTask, AiTaskClosed, AttemptRunning, NoSuchAiTask
from domain.facts import Decided, RuleViolation, View
from engine.ai_follow import follow
from engine.ai_job import dropped_at_end, job_id_of
from engine.context import Engine


class AiTaskWaits(RuleViolation):
    """The AI task waits for people, or for a workflow that is its tool: there is nothing to try."""

    code = "ai_task_waiting"


class AiTaskExternal(RuleViolation):
    """An agent elsewhere does this AI task: Gesta tries nothing for it."""

    code = "ai_task_external"


def cancel_ai_task(view: View, engine: Engine, task_id: UUID, reason: str | None = None) -> Decided:
    """Nothing more is asked for this task; where a node asks, it fails, and its error goes where errors go.

    result {ai_task: {id, status, version}, execution: {id, status, version, open}, or None where none asks}.
    """
    before = _open(view, task_id)
    ended = ai_task.cancel(view, task_id, reason)
    task = {name: ended.result[name] for name in ("id", "status", "version")}
    decided = replace(ended, result={"ai_task": task}, dropped_jobs=dropped_at_end(task_id, before))
    return follow(view, engine, task_id, decided, ended.facts)


def waiting_attempt(view: View, task_id: UUID) -> UUID:
    """The job of the attempt that an AI task waits for. Refused while one runs, and when the task is over."""
    state = _open(view, task_id)
    if state.requested is not None and state.requested.external:
        raise AiTaskExternal
    if state.attempt_id is not None:
        raise AttemptRunning
    if state.status == "waiting":
        raise AiTaskWaits
    return job_id_of(task_id, state)


def _open(view: View, task_id: UUID) -> AiTask:
    state = view.read(AI_TASK, task_id)
    if state.status == "absent":
        raise NoSuchAiTask
    if state.closed:
        raise AiTaskClosed(f"The AI task is {state.status}.")
    return state
