"""People whom an AI task asks in the course of a decision: whether a call may be made, and whether its output counts."""

from dataclasses import replace

from domain.ai_task import Call, Progress, fail
from domain.facts import Decided, Json, View
from domain.retry import Failure
from engine.ai_asking import NobodyToAsk
from engine.ai_questions import ask_about_call, conclude
from engine.context import Engine

NOBODY = "nobody_to_ask"
"""The type of the failure of a task whose output nobody can review."""


def ask_for_call(view: View, engine: Engine, task: Progress, call: Call, tool: Json) -> Decided:  # noqa: ARG001
    """The policy of the tool says that somebody decides. What is decided here is beside the task's own events."""
    return beside(task, ask_about_call(view, engine, task.task_id, task.state, call.asked))


def ask_for_review(view: View, engine: Engine, task: Progress) -> Decided | None:
    """None: nobody needs to look at its output. Where nobody can, it fails."""
    try:
        asked = conclude(view, engine, task.task_id, task.state, task.state.output)
    except NobodyToAsk as error:
        fail(task, Failure(NOBODY, str(error), retryable=False))
        return Decided()
    return None if asked is None else beside(task, asked)


def beside(task: Progress, asked: Decided) -> Decided:
    """The task's own events of what is asked are recorded with the others; the rest of it."""
    for fact in asked.facts:
        if fact.stream_id == task.task_id:
            task.record(fact.event)  # type: ignore[arg-type]
    return replace(asked, facts=tuple(fact for fact in asked.facts if fact.stream_id != task.task_id))
