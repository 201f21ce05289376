"""People whom an AI task asks: whether a call may be made, and whether its output counts."""

from domain.ai_task import Call, Progress, deny_call
from domain.facts import Decided, Json, View
from engine.context import Engine


def ask_for_call(view: View, engine: Engine, task: Progress, call: Call, tool: Json) -> Decided:  # noqa: ARG001
    """The policy of the tool says that somebody decides. What is decided here is beside the task's own events."""
    deny_call(task, call, "policy", "Somebody would have to allow this call, and nobody can be asked.")
    return Decided()


def ask_for_review(view: View, engine: Engine, task: Progress) -> Decided | None:  # noqa: ARG001
    """None: nobody needs to look at its output."""
    return None
