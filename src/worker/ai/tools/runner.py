"""What it is to call a tool once. Neither the retries nor the record of the call are its business."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

from domain.ai_task import AiTask, Call
from domain.facts import Json
from domain.retry import Failure
from store.jobs import LeasedJob
from worker.context import WorkerContext


@dataclass(frozen=True)
class Answered:
    """What the tool answered, without secrets."""

    result: Json


@dataclass(frozen=True)
class Broken:
    """Why it did not: without secrets. One that may have acted is not `retryable` unless its tool says that it may be."""

    failure: Failure
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class Asks:
    """The tool asks for what a form takes. It is called again with what people fill in (`Call.elicited`), from the beginning."""

    message: str
    form: Json


ToolOutcome: TypeAlias = Answered | Broken | Asks


class ToolRunner(Protocol):
    async def run(self, context: WorkerContext, job: LeasedJob, task: AiTask, call: Call, tool: Json) -> ToolOutcome:
        """Call the tool, once. `call` is on record as started, with the idempotency key `domain.ai_task.idempotency_key(call)`.

        Raises `store.vault.NotSetUp` before anything was sent, where this process is not set up for it; whatever else it
        raises leaves the call without an end, which is recorded as lost.
        """
        ...
