"""Attempts at AI tasks: one call for each that is on record, whatever becomes of the worker."""

import asyncio
from typing import Any
from uuid import UUID

from domain.ai_task import AI_TASK, AiTask
from engine.engine import cancel
from runtime.errors import OperatorError
from store.command import Command
from tests.conftest import Database
from tests.worker.house import (
    ENGINE,
    LONG_RETRY,
    RETRY,
    WHO,
    FakeModel,
    House,
    ScriptedProvider,
    asking,
    at_work,
    house,
    worker_of,
)
from worker.ai.provider import AiCall, AiError, Provider
from worker.leases import Leasing


async def task_of(home: House) -> AiTask:
    (stream,) = {event.stream_id for event in await home.events() if event.topic == "ai_task.requested.v1"}
    return (await home.handler.read(home.tenant_id, AI_TASK, stream))[0]


async def test_an_ai_task_is_done_and_its_answer_goes_on(database: Database) -> None:
    provider = ScriptedProvider(["Hello."])
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        execution = await home.start(asking())
        assert (await home.ended(execution)).status == "completed"
        task = await task_of(home)
        assert (task.status, task.totals.attempts, task.totals.input_tokens) == ("completed", 1, 3)
        assert [(call.prompt, call.timeout) for call in provider.calls] == [("Say it", FakeModel.timeout)]
        assert await home.topics("ai_task") == [
            "ai_task.requested.v1",
            "ai_task.attempt_started.v1",
            "ai_task.attempt_succeeded.v1",
            "ai_task.completed.v1",
        ]
        assert home.jobs() == []


async def test_the_attempt_is_on_record_before_the_call_and_no_connection_is_held_during_it(database: Database) -> None:
    seen: list[list[str]] = []
    async with house(database) as home:

        async def all_are_free() -> bool:
            stats = worker.context.pool.get_stats()
            return stats["pool_available"] == stats["pool_size"]

        async def look(_call: AiCall) -> None:
            await home.until(all_are_free)  # others hold one for a moment; the attempt would hold it until we return
            seen.append(await home.topics("ai_task.attempt"))

        provider = ScriptedProvider(before=look)
        async with worker_of(database, provider=provider) as worker, at_work(worker):
            await home.ended(await home.start(asking()))
    assert seen == [["ai_task.attempt_started.v1"]]


async def test_a_failed_call_is_followed_by_another_attempt_on_record(database: Database) -> None:
    provider = ScriptedProvider([AiError("rate_limit", "Slowly."), AiError("unavailable", "Down."), "At last."])
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        assert (await home.ended(await home.start(asking(retry=RETRY)))).status == "completed"
        started, failed = await home.topics("ai_task.attempt_started"), await home.topics("ai_task.attempt_failed")
        assert (len(started), len(failed), len(provider.calls)) == (3, 2, 3)


async def test_an_error_that_is_final_fails_the_task_and_its_execution(database: Database) -> None:
    provider = ScriptedProvider([AiError("auth", "No.")])
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        assert (await home.ended(await home.start(asking(retry=RETRY)))).status == "failed"
        assert len(provider.calls) == 1
        assert (await task_of(home)).status == "failed"


async def test_a_model_that_nobody_calls_fails_on_record(database: Database) -> None:
    provider = ScriptedProvider()
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        assert (await home.ended(await home.start(asking(model="nobody/knows")))).status == "failed"
        assert provider.calls == []
        assert "ai_task.attempt_failed.v2" in await home.topics("ai_task")


async def test_a_worker_that_is_not_set_up_leaves_the_task_to_others(database: Database) -> None:
    class NotSetUp(ScriptedProvider):
        async def provider(self, _named: Any) -> Provider:
            raise OperatorError("no key")

    async with house(database) as home, worker_of(database, provider=NotSetUp()) as worker, at_work(worker):
        await home.start(asking())

        async def handed_back() -> bool:
            return home.jobs() == [("gesta.ai", "waiting", 1)]

        await home.until(handed_back)
        assert await home.topics("ai_task.attempt") == []


async def test_two_hundred_calls_are_under_way_at_once(database: Database) -> None:
    together = asyncio.Barrier(200)

    async def meet(_call: AiCall) -> None:
        async with asyncio.timeout(60):
            await together.wait()

    provider = ScriptedProvider(before=meet)
    leasing = Leasing(concurrency=256)
    async with house(database) as home, worker_of(database, provider=provider, leasing=leasing) as worker, at_work(worker):
        executions = await asyncio.gather(*(home.start(asking()) for _ in range(200)))
        for execution in executions:
            assert (await home.ended(execution)).status == "completed"
    assert len(provider.calls) == 200


async def test_what_a_cancelled_tasks_attempt_used_is_recorded(database: Database) -> None:
    async with house(database) as home:
        execution: list[UUID] = []

        async def cancel_it(_call: AiCall) -> None:
            command = Command(home.tenant_id, "execution.cancel", WHO)
            await home.handler.handle(command, lambda view: cancel(view, ENGINE, execution[0], "enough"))
            await worker.leases.beat()

        provider = ScriptedProvider(before=cancel_it)
        async with worker_of(database, provider=provider) as worker:
            execution.append(await home.start(asking()))
            async with at_work(worker):

                async def recorded() -> bool:
                    return (await task_of(home)).totals.attempts == 1

                await home.until(recorded)
        assert (await home.state(execution[0])).status == "cancelled"
        assert (await task_of(home)).status == "cancelled"
        assert home.jobs() == []


async def test_a_call_whose_lease_was_lost_changes_nothing(database: Database) -> None:
    async with house(database) as home:
        first = asyncio.Event()

        async def taken_away(_call: AiCall) -> None:
            if first.is_set():
                return
            first.set()
            home.lapse_all()
            async with worker_of(database, provider=quick) as other, at_work(other):
                await home.ended(execution)

        slow, quick = ScriptedProvider(["late"], before=taken_away), ScriptedProvider(["in time"])
        async with worker_of(database, provider=slow) as worker, at_work(worker) as stop:
            execution = await home.start(asking(retry=RETRY))
            await first.wait()
            stop.set()
        state = await home.state(execution)
        assert state.status == "completed"
        assert (len(slow.calls), len(quick.calls)) == (1, 1)
        assert len(await home.topics("ai_task.attempt_started")) == 2
        assert await home.topics("ai_task.attempt_succeeded") == ["ai_task.attempt_succeeded.v1"]
        assert len(await home.topics("execution.completed")) == 1


async def test_a_retry_of_an_ai_task_waits_for_its_pause(database: Database) -> None:
    provider = ScriptedProvider([AiError("unavailable", "Down."), "Up."])
    async with house(database) as home, worker_of(database, provider=provider) as worker, at_work(worker):
        execution = await home.start(asking(retry=LONG_RETRY))

        async def waiting() -> bool:
            return home.jobs() == [("gesta.ai", "waiting", 1)]

        await home.until(waiting)
        home.sql("UPDATE runtime.jobs SET run_at = clock_timestamp()")
        home.sql("SELECT pg_notify('gesta_jobs', '')")
        assert (await home.ended(execution)).status == "completed"
