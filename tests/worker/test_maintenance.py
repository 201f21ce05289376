"""Timers and lapses: once, however many workers look."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from psycopg import OperationalError

from domain.facts import Json
from runtime import counters
from store.jobs import LeasedJob
from tests.conftest import Database
from tests.projections.analysing import admitted, session
from tests.worker.house import LONG_RETRY, RETRY, House, at_work, house, steps, worker_of
from worker.maintenance import ENDED, WATCH_SECONDS, end_analysts, fire_timers, forget_commands, take_expired_leases

NOT_EARLY = """
SELECT ended.recorded_at >= begun.recorded_at + interval '0.5 seconds'
  FROM ledger.events begun, ledger.events ended
 WHERE begun.topic LIKE 'activation.started.v_' AND ended.topic = 'execution.failed.v1'
 ORDER BY begun.position DESC LIMIT 1
"""


class LongAgo:
    """A process's clock that says what it likes; events of commands that are backdated occurred as long ago."""

    def now(self) -> datetime:
        return datetime(2024, 2, 29, 12, tzinfo=UTC)


def timed(**fields: Json) -> Json:
    return steps(timeout="PT5M", **fields)


async def overdue(home: House, **fields: Json) -> UUID:
    """An execution with a timeout that is due."""
    execution = await home.start(timed(**fields))
    home.sql("UPDATE runtime.timers SET due_at = clock_timestamp() WHERE execution_id = %s", execution)
    return execution


async def timers(home: House) -> int:
    ((count,),) = home.sql("SELECT count(*) FROM runtime.timers")
    return int(count)


async def test_a_timer_fires_once_with_two_workers(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        executions = [await overdue(home, retry=RETRY) for _ in range(5)]
        assert await timers(home) == 5
        await asyncio.gather(*(fire_timers(worker.context) for worker in (one, other, one, other)))
        assert {(await home.state(execution)).status for execution in executions} == {"failed"}
        assert len(await home.topics("execution.failed")) == 5
        assert await home.topics("command.refused") == []
        assert await timers(home) == 0
        assert home.jobs() == []


async def test_a_turn_ends_sessions_of_analysts_that_are_beyond_their_limits(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(database) as home, worker_of(database) as worker:
        login = await admitted(database, home.tenant_id)
        with session(database, login) as beyond, session(database, login) as within:
            beyond.execute("SELECT pg_advisory_lock(7)")
            before = counters.counted(ENDED)
            assert await end_analysts(worker.context) == WATCH_SECONDS, "as long as there are any, it looks often"
            with pytest.raises(OperationalError):
                beyond.execute("SELECT 1")
            assert within.execute("SELECT 1").fetchone() == (1,)
        assert counters.counted(ENDED) == before + 1
        assert f"A session of {login} was ended: advisory locks are not for analysts" in caplog.text


async def test_a_timer_that_is_not_due_is_waited_for(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(timed())
        due = await fire_timers(worker.context)
        assert due is not None
        assert 290 < due <= 300
        assert (await home.state(execution)).status == "running"


async def test_a_start_that_occurred_long_ago_does_not_time_out_at_once(database: Database) -> None:
    """By a process's clock, or backdated: a timeout is reckoned from the append, by the database's clock."""
    async with house(database, LongAgo()) as home, worker_of(database) as worker:
        execution = await home.start(timed())
        assert 290 < (await fire_timers(worker.context) or 0) <= 300
        assert (await home.state(execution)).status == "running"


async def test_a_worker_fires_timers_at_their_moment(database: Database) -> None:
    """It waits: the timer is set while it works, and due half a second later."""
    async with house(database) as home, worker_of(database) as worker, at_work(worker):
        execution = await home.start(steps(timeout="PT0.5S"))
        assert (await home.ended(execution)).status == "failed"
        assert home.sql(NOT_EARLY) == [(True,)]


async def test_what_was_done_in_time_leaves_no_timer(database: Database) -> None:
    async def done(_job: LeasedJob) -> Json:
        return 1

    async with house(database) as home, worker_of(database, {"step": done}) as worker, at_work(worker):
        execution = await home.start(timed())
        assert (await home.ended(execution)).status == "completed"
        assert await timers(home) == 0


async def test_timers_of_owners_that_are_not_known_wait_for_a_release_that_knows_them(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        await overdue(home)
        home.sql("UPDATE runtime.timers SET owner_kind = 'of tomorrow'")
        assert await fire_timers(worker.context) is None
        assert await timers(home) == 1


async def test_a_lease_lapses_once_with_two_workers(database: Database) -> None:
    async with house(database) as home, worker_of(database) as one, worker_of(database) as other:
        await home.start(steps(retry=LONG_RETRY))
        home.sql("SELECT FROM runtime.lease_jobs('{step}', 9, 60, 'gone', NULL, '00000000-0000-0000-0000-000000000000')")
        assert (await take_expired_leases(one.context) or 0) > 50
        home.lapse_all()
        await asyncio.gather(*(take_expired_leases(worker.context) for worker in (one, other, one)))
        assert await home.topics("activation.retried") == ["activation.retried.v1"]
        assert await home.topics("command.refused") == []
        assert home.jobs() == [("step", "waiting", 1)]
        assert await take_expired_leases(one.context) is None


async def test_the_last_lapse_fails_the_task(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await home.start(steps())
        home.sql("SELECT FROM runtime.lease_jobs('{step}', 9, 60, 'gone', NULL, '00000000-0000-0000-0000-000000000000')")
        home.lapse_all()
        assert await take_expired_leases(worker.context) == 0
        state = await home.state(execution)
        assert state.status == "failed"
        assert home.jobs() == []


async def test_commands_of_yesterday_are_forgotten(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        await home.start(steps())
        ((before,),) = home.sql("SELECT count(*) FROM runtime.commands")
        assert await forget_commands(worker.context) == 60.0
        assert home.sql("SELECT count(*) FROM runtime.commands") == [(before,)]
        home.sql("UPDATE runtime.commands SET created_at = created_at - interval '23 hours 50 minutes'")
        await forget_commands(worker.context)
        assert home.sql("SELECT count(*) FROM runtime.commands") == [(before,)], "keys are kept for 24 hours"
        home.sql("UPDATE runtime.commands SET created_at = created_at - interval '20 minutes'")
        await forget_commands(worker.context)
        assert home.sql("SELECT count(*) FROM runtime.commands") == [(0,)]
