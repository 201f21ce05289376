"""What a worker tells OpenTelemetry of AI tasks: nothing, unless the environment says where to (`worker.ai.otel`).

Nothing of OpenTelemetry is imported here.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, Self
from uuid import UUID

from domain.ai_task import AiTask, Call
from domain.facts import Json
from runtime.errors import OperatorError
from runtime.settings import OtelSettings
from store.jobs import LeasedJob

if TYPE_CHECKING:
    from worker.ai.choosing import ModelCall
    from worker.ai.provider import AiAnswer
    from worker.ai.tools.runner import ToolOutcome

TRACEPARENT: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""As W3C Trace Context writes it: of the tool's call that is under way. Requests of tools have it."""


class LeaseTrace:
    """Of one lease of one task. This one tells nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: object) -> Literal[False]:
        return False

    def stands(self, status: str) -> None:
        """How the task stands after what was recorded last."""

    async def chat(
        self,
        task: AiTask,  # noqa: ARG002 - for those that tell
        attempt_id: UUID,  # noqa: ARG002 - for those that tell
        chosen: "ModelCall",
    ) -> "AiAnswer":
        """Calls the model. Raises what the call does."""
        return await chosen.call()

    async def tool(
        self,
        task: AiTask,  # noqa: ARG002 - for those that tell
        call: Call,  # noqa: ARG002 - for those that tell
        tool: Json,  # noqa: ARG002 - for those that tell
        run: Callable[[], Awaitable["ToolOutcome"]],
    ) -> "ToolOutcome":
        """Calls the tool. Raises what the call does."""
        return await run()


class Telemetry:
    """Of a process. This one tells nobody."""

    def lease(self, job: LeasedJob) -> LeaseTrace:  # noqa: ARG002 - for those that tell
        return UNTRACED

    async def aclose(self) -> None:
        """What is not yet told is."""


UNTRACED = LeaseTrace()


def telemetry_of(settings: OtelSettings) -> Telemetry:
    """Raises OperatorError where the environment names what is not installed."""
    if not settings.is_wanted:
        return Telemetry()
    try:
        from worker.ai.otel import telling
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"OTEL_*: telling OpenTelemetry needs the optional extra `otel` ({error.name} is missing): pip install 'gesta[otel]'"
        ) from error
    return telling(settings)
