"""Doubles of tools: their answer is in the task's own record, so nothing is called."""

from domain.ai_task import AiTask, Call
from domain.facts import Json
from domain.retry import Failure
from engine.ai_doubles import NO_ANSWER, answer_of
from store.jobs import LeasedJob
from worker.ai.tools.runner import Answered, Broken, ToolOutcome
from worker.context import WorkerContext


class DoubleToolRunner:
    """A `ToolRunner`."""

    async def run(self, context: WorkerContext, job: LeasedJob, task: AiTask, call: Call, tool: Json) -> ToolOutcome:  # noqa: ARG002 - as `ToolRunner` has it
        found = answer_of(tool, call.arguments)
        if found is None:  # to what a person wrote in the place of the model's arguments
            return Broken(Failure("no_answer", NO_ANSWER, retryable=False))
        if "error" in found:
            error = found["error"]
            return Broken(Failure(error["type"], error.get("message", "The double fails."), retryable=False))
        return Answered(found["returns"])
