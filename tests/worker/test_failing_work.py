"""One bad thing does not stop the others: what fails is recorded and put off by itself, and tried again."""

from uuid import UUID, uuid4

import psycopg

from domain.facts import Json
from domain.workflow import WorkflowDrafted, WorkflowPublished
from store import failures
from store.codec import JSON
from store.due import claim_timers
from store.failures import WorkItem
from store.jobs import LeasedJob
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.store.ledgers import connected, open_ledger
from tests.worker.house import ENGINE, RETRY, House, ScriptedProvider, asking, at_work, house, steps, worker_of
from tests.worker.test_maintenance import overdue
from worker.maintenance import fire_timers, take_expired_leases

NEWER = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
SELECT tenant_id, (SELECT max(position) + 1 FROM ledger.events WHERE tenant_id = e.tenant_id), stream_id, version + 1, %s,
       occurred_at, recorded_at, gen_random_uuid(), meta, %s
  FROM ledger.events e WHERE stream_id = %s ORDER BY version DESC LIMIT 1
"""
"""An event on a stream: as of a release to come, or broken."""
TIMERS = "SELECT failures, failure_type, retry_at > clock_timestamp() FROM runtime.timers WHERE execution_id = %s"
JOBS = "SELECT state, attempt, failures, failure_type FROM runtime.jobs"
TOPICS = "SELECT topic FROM ledger.events WHERE topic LIKE %s ORDER BY position"
NOW = "UPDATE runtime.timers SET retry_at = clock_timestamp() WHERE failures > 0"
HOLD = "SELECT FROM runtime.lease_jobs('{step}', 9, 60, 'gone', NULL, '00000000-0000-0000-0000-000000000000')"
MANY_TIMERS = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind)
SELECT %s, gen_random_uuid(), clock_timestamp() - interval '1 hour' + n * interval '1 ms', 'timeout' FROM generate_series(1, %s) n
"""


def spoil(home: House, stream: UUID, topic: str = "execution.transcended.v1", data: bytes = b"{}") -> None:
    home.sql(NEWER, topic, data, stream)


async def troubles(database: Database) -> list[WorkItem]:
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection:
        return await failures.work_items(connection, "troubled", 100)


async def test_a_timer_whose_decision_fails_is_put_off_and_the_others_fire(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        newer, broken, good = [await overdue(home) for _ in range(3)]
        spoil(home, newer)
        spoil(home, broken, "activation.retried.v1", b"{not JSON")
        assert await fire_timers(worker.context) == 0
        assert (await home.state(good)).status == "failed"
        assert home.sql(TIMERS, newer) == [(1, "UnknownTopic", True)]
        assert home.sql(TIMERS, broken) == [(1, "Undecodable", True)]
        assert (await fire_timers(worker.context) or 0) > 0, "nothing is due before its next try"
        assert {item.execution_id for item in await troubles(database)} == {newer, broken}


async def test_a_timer_that_fails_again_is_put_off_for_longer_and_goes_when_it_can(database: Database) -> None:
    until = "SELECT extract(epoch FROM retry_at - failed_at)::int, failures FROM runtime.timers"
    async with house(database) as home, worker_of(database) as worker:
        execution = await overdue(home)
        spoil(home, execution)
        pauses = []
        for _ in range(4):
            await fire_timers(worker.context)
            pauses += home.sql(until)
            home.sql(NOW)
        assert pauses == [(1, 1), (2, 2), (4, 3), (8, 4)]
        home.sql("UPDATE runtime.timers SET failures = 1000")
        await fire_timers(worker.context)
        assert home.sql(until) == [(300, 1001)]
        home.sql("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
        home.sql("DELETE FROM ledger.events WHERE topic = 'execution.transcended.v1'")
        home.sql(NOW)
        await fire_timers(worker.context)
        assert (await home.state(execution)).status == "failed"
        assert await troubles(database) == []


async def test_a_worker_with_poison_timers_goes_on(database: Database) -> None:
    async def done(_job: LeasedJob) -> Json:
        return 1

    async with house(database) as home, worker_of(database, {"step": done}) as worker:
        for _ in range(3):
            spoil(home, await overdue(home))
        home.sql("DELETE FROM runtime.jobs")
        async with at_work(worker):

            async def all_put_off() -> bool:
                return home.sql("SELECT count(*) FROM runtime.timers WHERE failures > 0") == [(3,)]

            await home.until(all_put_off)
            execution = await home.start(steps())
            assert (await home.ended(execution)).status == "completed"


async def test_an_expired_lease_that_cannot_be_taken_is_put_off_and_the_others_are_taken(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        newer, good = [await home.start(steps(retry=RETRY)) for _ in range(2)]
        home.sql(HOLD)
        home.lapse_all()
        spoil(home, newer)
        assert await take_expired_leases(worker.context) == 0
        assert (await home.state(good)).status == "running"
        assert home.sql(TOPICS, "activation.retried%") == [("activation.retried.v1",)]
        assert sorted(home.sql(JOBS)) == [("leased", 1, 1, "UnknownTopic"), ("waiting", 1, 0, None)]
        assert 0 < (await take_expired_leases(worker.context) or 0) <= 1
        (item,) = await troubles(database)
        assert (item.execution_id, item.is_failing, item.attempt) == (newer, True, 1)


async def test_a_job_that_is_not_for_this_release_is_handed_back_and_keeps_its_attempts(database: Database) -> None:
    async def done(_job: LeasedJob) -> Json:
        return 1

    async with house(database) as home, worker_of(database, {"step": done}) as worker:
        execution = await home.start(steps())
        spoil(home, execution)
        async with at_work(worker):

            async def handed_back() -> bool:
                return home.sql("SELECT count(*) FROM runtime.jobs WHERE failures > 1") == [(1,)]

            await home.until(handed_back)
        ((state, attempt, _, error),) = home.sql(JOBS)
        assert (state, attempt, error) == ("waiting", 0, "UnknownTopic")
        assert home.sql(TOPICS, "activation.%")[-1][0].startswith("activation.started."), "the task was begun, and has not ended"
        (item,) = await troubles(database)
        assert item.trouble == "UnknownTopic: unknown topic: 'execution.transcended.v1'"


async def test_a_job_whose_input_cannot_be_read_is_handed_back_and_the_others_are_done(database: Database) -> None:
    """They are leased together: what it raises must not take them with it, to wait for the end of their leases."""

    async def done(_job: LeasedJob) -> Json:
        return 1

    async with house(database) as home, worker_of(database, {"step": done}) as worker:
        broken, good = [await home.start(steps()) for _ in range(2)]
        home.sql("UPDATE runtime.jobs SET input = %s, priority = 9 WHERE execution_id = %s", b'{"not": "whole', broken)
        async with at_work(worker):
            assert (await home.ended(good)).status == "completed"

            async def handed_back() -> bool:
                return home.sql("SELECT count(*) FROM runtime.jobs WHERE failures > 0") == [(1,)]

            await home.until(handed_back)
        assert [row[:2] for row in home.sql(JOBS)] == [("waiting", 0)]
        assert home.sql(TOPICS, "activation.retried%") == [], "no attempt was lost"
        (item,) = await troubles(database)
        assert (item.execution_id, item.failure_type) == (broken, "ValueError")


async def test_a_definition_with_a_node_of_a_newer_release_waits_for_that_release(database: Database) -> None:
    """It was published by a newer release, and its execution started there."""
    async with house(database) as home, worker_of(database) as worker:
        execution = await overdue(home)
        state = await home.state(execution)
        assert state.started is not None
        workflow_id = state.started.workflow_id
        definition = drawing({"s": "start", "n": ("of_tomorrow", {}), "e": "end"}, "s > n", "n > e")
        definition["key"] = state.started.workflow_key
        home.sql("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
        home.sql("DELETE FROM ledger.events WHERE stream_id = %s", workflow_id)
        for version, event in enumerate((WorkflowDrafted("k", "n", definition), WorkflowPublished(1, definition)), 1):
            home.sql(
                "INSERT INTO ledger.events SELECT tenant_id, %s, %s, %s, %s, occurred_at, recorded_at, command_id, meta, %s"
                " FROM ledger.events WHERE stream_id = %s LIMIT 1",
                100 + version,
                workflow_id,
                version,
                "workflow.drafted.v1" if version == 1 else "workflow.published.v1",
                JSON.encode(event),
                execution,
            )
        ENGINE._plans.clear()
        await fire_timers(worker.context)
        assert home.sql(TIMERS, execution) == [(1, "UnknownNodeType", True)]


async def test_an_attempt_whose_end_cannot_be_recorded_is_left_to_its_lease(database: Database) -> None:
    """The provider was called. Handed out again as it is, the job would find an attempt that runs, for good."""

    async def spoiled(_call: object) -> None:
        spoil(home, execution)

    provider = ScriptedProvider(before=spoiled)
    async with house(database) as home, worker_of(database, provider=provider) as worker:
        execution = await home.start(asking(retry=RETRY))
        async with at_work(worker):

            async def left() -> bool:
                return home.sql("SELECT count(*) FROM runtime.jobs WHERE failures > 0 AND state = 'leased'") == [(1,)]

            await home.until(left)
        assert len(provider.calls) == 1
        home.sql("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
        home.sql("DELETE FROM ledger.events WHERE topic = 'execution.transcended.v1'")
        home.sql("UPDATE runtime.jobs SET retry_at = NULL")
        provider.before = None
        async with worker_of(database, provider=provider) as newer, at_work(newer):
            assert (await home.ended(execution)).status == "completed"
        assert len(provider.calls) == 2
        assert await home.topics("ai_task.attempt_failed") == ["ai_task.attempt_failed.v2"], "the first is on record as lost"


async def test_a_backlog_of_one_tenant_does_not_delay_what_others_have_due(database: Database) -> None:
    with connected(database.system_url) as connection:
        busy, other, third = (open_ledger(connection) for _ in range(3))
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        await conn.execute(MANY_TIMERS, (busy, 300))
        for tenant in (other, third):
            await conn.execute(MANY_TIMERS, (tenant, 2))
        for window in (1_000, 100):
            found = [one.tenant_id for one in await claim_timers(conn, ["execution"], 10, window=window, seconds=0)]
            assert (found.count(other), found.count(third), len(found)) == (2, 2, 10)


async def test_what_is_in_trouble_is_tried_again_at_once_when_told(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        execution = await overdue(home)
        spoil(home, execution)
        await fire_timers(worker.context)
        home.sql("ALTER TABLE ledger.events DISABLE TRIGGER ALL")
        home.sql("DELETE FROM ledger.events WHERE topic = 'execution.transcended.v1'")
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            assert await failures.retry_now(conn, id=uuid4()) == []
            assert await failures.retry_now(conn, tenant_id=uuid4()) == []
            assert len(await failures.retry_now(conn, tenant_id=home.tenant_id)) == 1
        await fire_timers(worker.context)
        assert (await home.state(execution)).status == "failed"
