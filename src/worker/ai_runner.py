"""Attempts at AI tasks: on record before the provider is called, called once, and its end on record after it.

Nothing of the database is held during the call. Who dies in between leaves an attempt without an end; when the lease has run
out that is recorded as lost, and the next attempt is another one, with a call of its own.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from domain.ai_task import AI_TASK, AiTaskClosed, AiTaskRequested
from domain.facts import Decided, Refusal, View
from domain.usage_report import NOT_KNOWN
from engine.ai_tasks import fail_attempt, start_attempt, succeed_attempt
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from runtime.ids import new_id
from store.errors import StoreError
from store.jobs import LeasedJob
from worker.ai.provider import AiAnswer, AiCall, AiError, Provider
from worker.context import OUT_OF_REACH, WorkerContext
from worker.leases import LeftToLease, Runner
from worker.not_set_up import hand_back

UNKNOWN = "unknown"
"""The provider of a model that none calls."""


class ModelRef(Protocol):
    """A model, as attempts record it; see `worker.ai.registry`."""

    @property
    def full(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def timeout(self) -> timedelta: ...


class ProvidersOf(Protocol):
    """Who calls which model: `worker.ai.registry.Providers`."""

    def name(self, model: str) -> Any: ...
    async def provider(self, named: Any) -> Provider: ...


def ai_runner(context: WorkerContext, providers: ProvidersOf) -> Runner:
    """It is not stopped when its lease is lost: what an attempt used is recorded even where its task was cancelled."""
    return Runner(lambda job: Attempt(context, providers, job).run(), abandons=False)


class Attempt:
    """One attempt at one AI task."""

    def __init__(self, context: WorkerContext, providers: ProvidersOf, job: LeasedJob) -> None:
        self._context = context
        self._providers = providers
        self._job = job
        self._attempt_id = new_id()

    async def run(self) -> None:
        requested = await self._requested()
        try:
            named = self._providers.name(requested.model)
            provider = await self._providers.provider(named)
        except OperatorError as error:
            await hand_back(
                self._context, self._job, str(error), "An AI task is not done, because this worker is not set up for it: %s"
            )
            return
        except AiError as error:
            await self._start(UNKNOWN, requested.model)
            await self._failed(error)
            return
        await self._start(named.provider, named.model)
        failpoint("worker.attempt_started")
        try:
            await self._call(provider, requested, named)
        except (Refusal, StoreError, *OUT_OF_REACH):
            raise
        except Exception as error:  # the attempt is on record, and must end there before there is another one
            raise LeftToLease from error

    async def _call(self, provider: Provider, requested: AiTaskRequested, named: ModelRef) -> None:
        try:
            answer = await provider.call(AiCall.of(requested, named.full, named.timeout))
        except AiError as error:
            failpoint("worker.attempt_called")
            await self._failed(error)
        else:
            failpoint("worker.attempt_called")
            await self._succeeded(answer)
        failpoint("worker.attempt_ended")

    async def _requested(self) -> AiTaskRequested:
        job = self._job
        assert job.task_id is not None, "a job of an AI task names it"
        task = await self._context.handler.recall(job.tenant_id, AI_TASK, job.task_id)
        if task.requested is None or task.closed:
            raise AiTaskClosed
        return task.requested

    async def _start(self, provider: str, model: str) -> None:
        worker_id = self._context.worker_id
        await self._do(
            "ai_task.start_attempt",
            lambda view: start_attempt(
                view, self._context.engine, self._job, self._attempt_id, provider=provider, model=model, worker_id=worker_id
            ),
        )

    async def _succeeded(self, answer: AiAnswer) -> None:
        jitter = random.random()
        await self._do(
            "ai_task.succeed_attempt",
            lambda view: succeed_attempt(
                view,
                self._context.engine,
                self._job,
                self._attempt_id,
                answer.output,
                jitter=jitter,
                latency_ms=answer.report.latency_ms,
                provider=answer.provider,
                model=answer.model,
                report=answer.report.recorded(),
            ),
        )

    async def _failed(self, error: AiError) -> None:
        jitter, report = random.random(), error.report
        await self._do(
            "ai_task.fail_attempt",
            lambda view: fail_attempt(
                view,
                self._context.engine,
                self._job,
                self._attempt_id,
                error.failure,
                jitter=jitter,
                retry_after=error.retry_after,
                latency_ms=None if report is None else report.latency_ms,
                report=NOT_KNOWN if report is None else report.recorded(),
            ),
        )

    async def _do(self, name: str, decide: Callable[[View], Decided]) -> None:
        task_id: UUID | None = self._job.task_id
        await self._context.do(self._job.tenant_id, name, decide, resource="ai_task", resource_id=str(task_id))
