"""A paused execution: nothing new of it is leased, retried or called; timers keep what was left, by the database's clock."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.execution import EXECUTION, ExecutionPaused, ExecutionResumed
from domain.facts import Decided, Due, Json, View
from domain.retry import Failure
from engine.cel import CelEvaluator
from engine.engine import Engine, fire, pause, resume
from engine.executions import ExecutionIsPaused
from engine.happenings import JobReport
from engine.jobs import complete_job, fail_job
from engine.nodes import BY_NAME
from engine.nodes.kind import Done, Handles, NodeType, Visit, Waiting, Woken, object_schema
from store import failures, jobs
from store.command import Command
from store.due import claim_timers
from store.jobs import LeasedJob
from store.topics import topic_of
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.house import ENGINE, LONG_RETRY, RETRY, WHO, House, ScriptedProvider, asking, at_work, house, steps, worker_of
from worker.ai.provider import Provider
from worker.http_runner import http_runner
from worker.maintenance import fire_timers, take_expired_leases
from worker.worker import WorkerProcess

JOB = "SELECT state, attempt FROM runtime.jobs"
LEFT = "SELECT extract(epoch FROM remaining)::int, extract(epoch FROM due_at - clock_timestamp())::int, moved FROM runtime.timers"


async def steer(home: House, action: Callable[..., Decided], execution: UUID) -> None:
    await home.handler.handle(Command(home.tenant_id, "steer", WHO), lambda view: action(view, ENGINE, execution))


async def leased(home: House) -> list[LeasedJob]:
    async with await psycopg.AsyncConnection.connect(home.database.system_url, autocommit=True) as conn:
        return await jobs.lease(conn, ["step"], 9, 60, "w")


async def done(_job: LeasedJob) -> Json:
    return 1


async def test_a_job_that_waits_for_a_worker_is_held_and_let_go(database: Database) -> None:
    async with house(database) as home:
        execution = await home.start(steps())
        await steer(home, pause, execution)
        assert await leased(home) == []
        assert home.jobs() == [("step", "held", 0)]
        async with worker_of(database, {"step": done}) as worker, at_work(worker):
            await steer(home, resume, execution)
            assert (await home.ended(execution)).status == "completed"


async def test_what_was_handed_out_may_fail_and_its_next_attempt_waits(database: Database) -> None:
    def failed(job: LeasedJob) -> Callable[[View], Decided]:
        return lambda view: fail_job(view, ENGINE, job, Failure("oops", "no"), jitter=0.5)

    async with house(database) as home:
        execution = await home.start(steps(retry=RETRY))
        (job,) = await leased(home)
        await steer(home, pause, execution)
        assert home.sql(JOB) == [("leased", 1)]
        await home.handler.handle(Command(home.tenant_id, "job.fail", WHO), failed(job))
        assert home.sql(JOB) == [("held", 1)]
        assert await leased(home) == []
        await steer(home, resume, execution)
        assert home.sql(JOB)[0][0] in ("waiting", "ready")


async def test_a_retry_that_was_due_later_is_so_after_a_pause(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(steps(retry=LONG_RETRY))
        await leased(home)
        home.lapse_all()
        await take_expired_leases(worker.context)
        assert home.sql(JOB) == [("waiting", 1)]
        await steer(home, pause, execution)
        assert home.sql(JOB) == [("held", 1)]
        await steer(home, resume, execution)
        assert home.sql(JOB) == [("waiting", 1)]


@pytest.mark.parametrize("way", ["given back", "lost", "handed back"])
async def test_however_a_job_comes_back_it_is_held(database: Database, way: str) -> None:
    async def come_back(worker: WorkerProcess, job: LeasedJob, conn: psycopg.AsyncConnection[Any]) -> None:
        if way == "given back":
            await jobs.give_back(conn, [job.lease])
        elif way == "handed back":
            await failures.hand_back(conn, job.lease, LookupError("newer"))
        else:
            home.lapse_all()
            await take_expired_leases(worker.context)

    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(steps(retry=RETRY))
        (job,) = await leased(home)
        await steer(home, pause, execution)
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            await come_back(worker, job, conn)
            assert home.sql("SELECT state FROM runtime.jobs") == [("held",)]
            assert await failures.retry_now(conn) == ([job.id] if way == "handed back" else [])
            assert home.sql("SELECT state FROM runtime.jobs") == [("held",)], "an operator's retry is no way round a pause"


async def test_no_model_is_called_while_paused(database: Database) -> None:
    provider = ScriptedProvider()
    async with house(database) as home:
        execution = await home.start(asking())
        await steer(home, pause, execution)
        other = await home.start(asking())
        async with worker_of(database, provider=provider) as worker, at_work(worker):
            await home.ended(other)
            assert len(provider.calls) == 1
            await steer(home, resume, execution)
            assert (await home.ended(execution)).status == "completed"


async def test_a_timer_keeps_what_was_left_by_the_databases_clock(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(steps(timeout="PT5M"))
        home.sql("UPDATE runtime.timers SET due_at = due_at - interval '1 minute'")
        await steer(home, pause, execution)
        ((left, _, moved),) = home.sql(LEFT)
        assert (235 <= left <= 240, moved) == (True, 0)
        home.sql("UPDATE runtime.timers SET due_at = due_at - interval '1 hour'")
        assert await fire_timers(worker.context) is None, "it is held, however long ago it would have been due"
        await steer(home, resume, execution)
        ((held, due, moved),) = home.sql(LEFT)
        assert (held, 230 <= due <= 240, moved) == (None, True, 1)
        home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
        assert await fire_timers(worker.context) == 0
        assert (await home.state(execution)).status == "failed"


async def test_a_timeout_between_two_attempts_counts_those_that_were_made(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(steps(retry=LONG_RETRY, timeout="PT5M"))
        await leased(home)
        home.lapse_all()
        await take_expired_leases(worker.context)
        home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
        assert await fire_timers(worker.context) == 0
        assert (await home.state(execution)).status == "failed"
        (failed,) = [each.event for each in await home.events() if each.topic == "activation.failed.v1"]
        assert failed.error.attempts == 1  # type: ignore[attr-defined]


async def test_pauses_one_after_another_leave_nothing_held(database: Database) -> None:
    async with house(database) as home:
        execution = await home.start(steps(timeout="PT5M"))
        for _ in range(2):
            await steer(home, pause, execution)
            await steer(home, resume, execution)
        assert home.jobs() == [("step", "ready", 0)]
        assert home.sql("SELECT remaining, moved FROM runtime.timers") == [(None, 2)]
        assert len(await leased(home)) == 1


async def test_the_trigger_knows_the_topics(database: Database) -> None:
    """A new version of either needs a migration."""
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'pauses'").fetchone()
    assert row is not None
    for event in (ExecutionPaused, ExecutionResumed):
        assert f"'{topic_of(event)}'" in row[0]


def again(visit: Visit, _report: JobReport) -> Woken:
    """The first report is followed by another job and by a timer."""
    return Waiting(jobs=(visit.job("step"),), timers=(visit.timer("later", Due(timedelta(hours=1))),))


TWICE = NodeType(
    "twice",
    object_schema({}),
    lambda _node: Handles(("success",), ("error", "timeout")),
    lambda visit: Waiting(jobs=(visit.job("step"),)),
    waits=True,
    on_job=again,
    on_timer=lambda _visit, _fired: Done("in time"),
)
KNOWS_TWICE = Engine(CelEvaluator(), node_types={**BY_NAME, "twice": TWICE})


async def test_what_a_visit_adds_in_a_pause_is_held(database: Database) -> None:
    async with house(database) as home:
        definition = drawing({"s": "start", "t": "twice", "e": "end"}, "s > t", "t > e")
        execution = await home.start(definition, engine=KNOWS_TWICE)
        (job,) = await leased(home)
        await steer(home, pause, execution)
        await home.handler.handle(
            Command(home.tenant_id, "job.complete", WHO), lambda view: complete_job(view, KNOWS_TWICE, job, None)
        )
        assert home.jobs() == [("step", "held", 0)]
        assert await leased(home) == []
        ((left, _, _),) = home.sql(LEFT)
        assert 3595 <= left <= 3600
        await home.handler.handle(Command(home.tenant_id, "resume", WHO), lambda view: resume(view, KNOWS_TWICE, execution))
        assert home.jobs() == [("step", "ready", 0)]
        assert len(await leased(home)) == 1
        ((held, due, moved),) = home.sql(LEFT)
        assert (held, 3590 <= due <= 3600, moved) == (None, True, 1)
        home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            (timer,) = await claim_timers(conn, [EXECUTION.name], 9)
        await home.handler.handle(Command(home.tenant_id, "fire", WHO), lambda view: fire(view, KNOWS_TWICE, timer))
        assert (await home.state(execution)).status == "completed", "the ledger counts its moves as the timer does"


async def test_a_call_that_was_not_begun_before_a_pause_begins_after_it(database: Database) -> None:
    """A worker has the job, and the pause comes before it says that it is about to call."""
    about_to_call, paused = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedProvider):
        async def provider(self, named: Any) -> Provider:
            about_to_call.set()
            await paused.wait()
            return await super().provider(named)

    provider = Slow()
    async with house(database) as home:
        execution = await home.start(asking())
        async with worker_of(database, provider=provider) as worker, at_work(worker):
            await about_to_call.wait()
            await steer(home, pause, execution)
            paused.set()

            async def given_back() -> bool:
                return home.jobs() == [("gesta.ai", "held", 0)]

            await home.until(given_back)
            assert provider.calls == []
            assert "ai_task.attempt_started.v1" not in await home.topics()
            await steer(home, resume, execution)
            assert (await home.ended(execution)).status == "completed"
        assert len(provider.calls) == 1


async def test_no_request_is_sent_in_a_pause(database: Database) -> None:
    """A worker has the job, and the pause comes before it sends anything."""
    calls = ("http", {"method": "GET", "url": "https://192.0.2.1/"}, {"timeout": "PT1H"})
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(drawing({"s": "start", "call": calls, "e": "end"}, "s > call", "call > e"))
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            (job,) = await jobs.lease(conn, ["gesta.http"], 9, 60, "w")
        await steer(home, pause, execution)
        with pytest.raises(ExecutionIsPaused):
            await http_runner(worker.context).run(job)
        assert home.jobs() == [("gesta.http", "leased", 1)], "who holds the lease gives it back"


async def test_the_time_of_an_execution_stands_still_in_a_pause(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start({**steps(), "timeout": "PT5M"})
        home.sql("UPDATE runtime.timers SET due_at = due_at - interval '1 minute'")
        await steer(home, pause, execution)
        home.sql("UPDATE runtime.timers SET due_at = due_at - interval '1 hour'")
        assert await fire_timers(worker.context) is None
        await steer(home, resume, execution)
        ((held, due, moved),) = home.sql(LEFT)
        assert (held, 230 <= due <= 240, moved) == (None, True, 1)
        home.sql("UPDATE runtime.timers SET due_at = clock_timestamp()")
        assert await fire_timers(worker.context) == 0
        assert (await home.state(execution)).status == "failed"
        (failed,) = [each.event for each in await home.events() if each.topic == "execution.failed.v1"]
        assert failed.code == "timeout"  # type: ignore[attr-defined]
        assert (home.sql("SELECT count(*) FROM runtime.timers"), home.jobs()) == ([(0,)], [])
