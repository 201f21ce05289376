"""HTTP tools: one request for each call, by the one way out, with secrets that are opened for that moment."""

from datetime import timedelta

from domain.ai_task import AiTask, Call, idempotency_key
from domain.effort import Effort
from domain.facts import Json
from domain.retry import Failure
from engine.ai_policies import variables
from engine.ai_tools.http import request_of, result_of
from engine.expressions import Budgeted, ExpressionError
from engine.invalid import InvalidValue
from engine.nodes.http import failure_of
from store.jobs import LeasedJob
from store.vault import SecretError
from worker.ai.tools.runner import Answered, Broken, ToolOutcome
from worker.context import WorkerContext
from worker.http_exchange import Exchange
from worker.outbound.client import OutboundError


class HttpToolRunner:
    """A `ToolRunner`."""

    async def run(self, context: WorkerContext, job: LeasedJob, task: AiTask, call: Call, tool: Json) -> ToolOutcome:
        seen, evaluator = variables(task, call.arguments), context.engine.evaluator
        try:
            asked = request_of(tool, seen, Budgeted(evaluator, Effort()), idempotency_key(call))
        except (ExpressionError, InvalidValue) as error:
            return Broken(Failure("invalid_value", f"The call cannot be made: {error}", retryable=False))
        exchange = Exchange(context, job.tenant_id, asked, call.number)
        try:
            said = await exchange.run()
        except SecretError as error:
            return Broken(Failure(error.type, str(error), error.retryable))
        except OutboundError as error:
            return Broken(exchange.failed(error))
        failure = failure_of(said, tool["request"], lambda: bool(tool["idempotent"]))
        if failure is not None:
            after = said["retry_after"]
            return Broken(failure, None if after is None else timedelta(seconds=after))
        try:
            return Answered(result_of(tool, said["response"], seen, Budgeted(evaluator, Effort())))
        except ExpressionError as error:
            return Broken(Failure(error.code, str(error), retryable=False))
