"""AI tasks: models are called, and the tools that they ask for, step by step, as the task's state has it (`next_step`).

Everything is on record before it is called, is called once, and its end is on record after it. Nothing of the database is held
meanwhile. Who dies in between leaves an attempt, or a call of a tool, without an end; when the lease has run out that is recorded
as lost, and whoever goes on begins behind the last end on record.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask, AiTaskClosed, AiTaskRequested, Call
from domain.ai_task.steps import CallModel, CallTool, Conclude, Judge, Over, Pause, next_step
from domain.budget import Amounts
from domain.facts import Decided, Fence, Json, Refusal, View
from domain.retry import Failure
from domain.usage_report import NOT_KNOWN
from engine.ai_eliciting import elicit_call
from engine.ai_guards import question_of
from engine.ai_policies import tool_of
from engine.ai_tasks import conclude, fail_attempt, fail_call, start_attempt, start_call, succeed_attempt, succeed_call
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from runtime.ids import new_id
from store.ai_providers import Wait
from store.errors import StoreError
from store.jobs import LeasedJob
from store.vault import NotSetUp
from worker.ai import sensitive
from worker.ai.choosing import Choosing, ModelCall, ProvidersOf, Wanted
from worker.ai.provider import AiAnswer, AiCall, AiError
from worker.ai.streaming import is_streamed
from worker.ai.tools import RUNNERS
from worker.ai.tools.runner import Answered, Asks, ToolOutcome
from worker.context import OUT_OF_REACH, WorkerContext
from worker.leases import LeftToLease, Runner
from worker.not_set_up import PAUSE, hand_back

log = logging.getLogger(__name__)

MOST_CONTINUED = 20
"""Tasks of a conversation that a model is told of beside its own."""
UNKNOWN = "unknown"
"""The provider of a model that none calls."""


def ai_runner(context: WorkerContext, providers: ProvidersOf) -> Runner:
    """It is not stopped when its lease is lost: what was used is recorded even where its task was cancelled."""
    choosing = Choosing(context, providers)
    return Runner(lambda job: Loop(context, choosing, job).run(), abandons=False)


@dataclass(frozen=True)
class Standing:
    """How the task stands after a command. `leased`: whether the job is held on, because there is something to do."""

    leased: bool
    status: str
    attempt_id: str | None


class Loop:
    """One lease of one task's job: as many steps as can be taken now."""

    def __init__(self, context: WorkerContext, choosing: Choosing, job: LeasedJob) -> None:
        self._context = context
        self._choosing = choosing
        self._job = job
        self._trace = context.telemetry.lease(job)

    async def run(self) -> None:
        with self._trace:
            while await self._step():
                pass
        assert self._job.task_id is not None, "a job of an AI task names it"
        await sensitive.forget_if_over(self._context, self._job.tenant_id, self._job.task_id)

    async def _step(self) -> bool:
        """Whether there is something to do after it."""
        task = await self._task()
        match step := next_step(task):
            case CallModel():
                assert task.requested is not None
                return await self._model(task, self._turn(task, task.requested, await self._earlier(task)))
            case Judge(place):
                question = question_of(task, place)
                model, link = question.model, task.link
                return await self._model(task, Wanted(model, link, lambda full, timeout: AiCall.judging(question, full, timeout)))
            case CallTool():
                call = task.call(step.call_id)
                assert call is not None, "a step names a call of the last turn"
                return await self._tool(task, call)
            case Conclude():
                engine = self._context.engine
                return (await self._do("ai_task.conclude", lambda view: conclude(view, engine, self._job))).leased
            case Over():
                raise AiTaskClosed
            case Pause():
                raise LeftToLease(f"What is under way of the task, a step of {step.on}, is not this worker's.")

    def _turn(self, task: AiTask, requested: AiTaskRequested, earlier: tuple[AiTask, ...]) -> Wanted:
        def call(full: str, timeout: timedelta) -> AiCall:
            return AiCall.next(task, full, timeout, earlier)

        streams_to = self._job.task_id if is_streamed(requested) else None
        return Wanted(requested.model, task.link, call, bool(requested.cache), streams_to)

    async def _task(self) -> AiTask:
        assert self._job.task_id is not None, "a job of an AI task names it"
        state, _ = await self._context.handler.read(self._job.tenant_id, AI_TASK, self._job.task_id)
        return state

    async def _earlier(self, task: AiTask) -> tuple[AiTask, ...]:
        """The tasks that it continues, the first of them first; of a longer conversation, the last ones."""
        found: list[AiTask] = []
        while len(found) < MOST_CONTINUED and task.requested is not None and task.requested.continues is not None:
            task = await self._context.handler.recall(self._job.tenant_id, AI_TASK, task.requested.continues)
            found.append(task)
        return tuple(reversed(found))

    # Models

    async def _model(self, task: AiTask, wanted: Wanted) -> bool:
        attempt_id = new_id()
        try:
            chosen = await self._choosing.choose(self._job.tenant_id, attempt_id, wanted)
        except OperatorError as error:
            message = "An AI task is not done, because this worker is not set up for it: %s"
            await hand_back(self._context, self._job, str(error), message)
            return False
        except AiError as error:
            started = await self._start(attempt_id, UNKNOWN, wanted.model, Amounts(calls=1))
            return (await self._failed(attempt_id, error)).leased if started.attempt_id else started.leased
        if isinstance(chosen, Wait):
            await self._put_back(chosen)
            return False
        try:
            started = await self._start(attempt_id, chosen.provider, chosen.model, chosen.takes)
        except BaseException:  # a cancellation, too: its place would count until it must be over
            await chosen.forget()
            raise
        if started.attempt_id is None:
            await chosen.forget()
            return started.leased
        failpoint("worker.attempt_started")
        whole = sensitive.within(self._context.vault, self._job, task, chosen)
        return await self._recorded(lambda: self._call(attempt_id, whole))

    async def _put_back(self, wait: Wait) -> None:
        """There is no room at the provider: nothing was called, and no attempt is on record."""
        fence = Fence(self._job.id, self._job.fence, "retry", wait.after)
        await self._context.do(self._job.tenant_id, "job.put_back", lambda _: Decided(fences=(fence,)))

    async def _call(self, attempt_id: UUID, chosen: ModelCall) -> bool:
        task = await self._task()
        if task.reserved:
            chosen = chosen.within_budget()
        try:
            answer = await self._trace.chat(task, attempt_id, chosen)
        except AiError as error:
            failpoint("worker.attempt_called")
            standing = await self._failed(attempt_id, error, falls_back=chosen.falls_back(error))
        else:
            failpoint("worker.attempt_called")
            standing = await self._succeeded(attempt_id, answer)
        failpoint("worker.attempt_ended")
        return standing.leased

    async def _start(self, attempt_id: UUID, provider: str, model: str, takes: Amounts) -> Standing:
        engine, worker_id = self._context.engine, self._context.worker_id
        return await self._do(
            "ai_task.start_attempt",
            lambda view: start_attempt(
                view, engine, self._job, attempt_id, provider=provider, model=model, worker_id=worker_id, wanted=takes
            ),
        )

    async def _succeeded(self, attempt_id: UUID, answer: AiAnswer) -> Standing:
        jitter = random.random()
        return await self._do(
            "ai_task.succeed_attempt",
            lambda view: succeed_attempt(
                view,
                self._context.engine,
                self._job,
                attempt_id,
                answer.output,
                jitter=jitter,
                latency_ms=answer.report.latency_ms,
                provider=answer.provider,
                model=answer.model,
                report=answer.report.recorded(),
                calls=answer.calls,
                text=answer.text,
                stream_digest=answer.stream_digest,
                cached_from=answer.cached_from,
            ),
        )

    async def _failed(self, attempt_id: UUID, error: AiError, *, falls_back: bool = False) -> Standing:
        jitter, report = random.random(), error.report
        return await self._do(
            "ai_task.fail_attempt",
            lambda view: fail_attempt(
                view,
                self._context.engine,
                self._job,
                attempt_id,
                error.failure,
                jitter=jitter,
                retry_after=error.retry_after,
                latency_ms=None if report is None else report.latency_ms,
                report=NOT_KNOWN if report is None else report.recorded(),
                answered=error.answered,
                falls_back=falls_back,
            ),
        )

    # Tools

    async def _tool(self, task: AiTask, call: Call) -> bool:
        engine, worker_id = self._context.engine, self._context.worker_id
        started = await self._do(
            "ai_task.start_call", lambda view: start_call(view, engine, self._job, call.id, worker_id=worker_id)
        )
        task = await self._task()
        begun = task.call(call.id)
        if begun is None or begun.status != "running" or begun.child_id is not None:
            return started.leased
        failpoint("worker.tool_started")
        return await self._recorded(lambda: self._called(task, begun, tool_of(task, begun.asked.tool)))

    async def _called(self, task: AiTask, call: Call, tool: Json) -> bool:
        began = time.monotonic()
        runner = RUNNERS[tool["type"]]
        try:
            outcome = await self._trace.tool(task, call, tool, lambda: runner.run(self._context, self._job, task, call, tool))
        except NotSetUp as error:
            log.error("A tool is not called, because this worker is not set up for it: %s", error, extra={"action": "not_set_up"})
            failure = Failure("not_set_up", "The worker that was to call it is not set up for that.")
            return (await self._tool_failed(call, failure, again=PAUSE)).leased
        failpoint("worker.tool_called")
        took = round((time.monotonic() - began) * 1000)
        standing = await self._tool_ended(call, outcome, took)
        failpoint("worker.tool_ended")
        return standing.leased

    async def _tool_ended(self, call: Call, outcome: ToolOutcome, took: int) -> Standing:
        if isinstance(outcome, Asks):
            message, form = outcome.message, outcome.form
            return await self._do(
                "ai_task.elicit",
                lambda view: elicit_call(view, self._context.engine, self._job, call.id, call.number, message, form, took),
            )
        if not isinstance(outcome, Answered):
            return await self._tool_failed(call, outcome.failure, retry_after=outcome.retry_after, took=took)
        result = outcome.result
        return await self._do(
            "ai_task.succeed_call",
            lambda view: succeed_call(view, self._context.engine, self._job, call.id, call.number, result, latency_ms=took),
        )

    async def _tool_failed(
        self,
        call: Call,
        failure: Failure,
        *,
        retry_after: timedelta | None = None,
        took: int | None = None,
        again: timedelta | None = None,
    ) -> Standing:
        jitter = random.random()
        return await self._do(
            "ai_task.fail_call",
            lambda view: fail_call(
                view,
                self._context.engine,
                self._job,
                call.id,
                call.number,
                failure,
                jitter=jitter,
                retry_after=retry_after,
                latency_ms=took,
                again=again,
            ),
        )

    # Both

    async def _recorded(self, act: Callable[[], Awaitable[bool]]) -> bool:
        """What is on record as begun must end there before anything else begins."""
        try:
            return await act()
        except (Refusal, StoreError, *OUT_OF_REACH):
            raise
        except Exception as error:
            raise LeftToLease from error

    async def _do(self, name: str, decide: Callable[[View], Decided]) -> Standing:
        task_id: UUID | None = self._job.task_id
        done = await self._context.do(self._job.tenant_id, name, decide, resource="ai_task", resource_id=str(task_id))
        job, task = done.result["job"], done.result["task"]
        self._trace.stands(task["status"])
        return Standing(job is not None and job["state"] == "leased", task["status"], task["attempt_id"])
