"""runtime.job_queue: says of every job what runtime.jobs says, and stays small while somebody holds an old snapshot."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from domain.facts import Fence, Job
from runtime import functions, migrations
from store import due, jobs
from store.append import Entry, read_outcomes, send_append
from store.arrays import teach_columns
from store.jobs import LeasedJob
from store.side_rows import learn_side_rows
from tests.conftest import Database
from tests.store.ledgers import connected, entry, open_ledger, verdicts

DIFFERENT = """
SELECT * FROM (
    SELECT tenant_id, id, type, state, priority, run_at, CASE WHEN state = 'leased' THEN greatest(lease_until, retry_at) END
      FROM runtime.jobs WHERE state IN ('waiting', 'ready', 'leased')) j
FULL JOIN (SELECT tenant_id, id, type, state, priority, run_at, expires_at FROM runtime.job_queue) q ON j.* = q.*
 WHERE j IS NULL OR q IS NULL
"""
PAUSE = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
SELECT %s, coalesce(max(position), 0) + 1, %s, %s, %s, now(), now(), gen_random_uuid(), '{}', '{}'
  FROM ledger.events WHERE tenant_id = %s
"""
FILL = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, lease_until, created_at, updated_at)
SELECT %s, gen_random_uuid(), 'resize', state, now(), 0, 1, CASE WHEN state = 'leased' THEN now() END, now(), now()
  FROM unnest(ARRAY['waiting', 'ready', 'leased', 'dead']) state
"""
COME_AND_GO = "UPDATE runtime.jobs SET run_at = run_at + interval '1 microsecond' WHERE type = 'resize'"
PAGES = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM runtime.lease_jobs('{resize}', 1, 60, 'w', NULL, %s)"


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as connection:
        teach_columns(connection)
        await learn_side_rows(connection)
        yield connection


@pytest.fixture
def superuser(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tenant(database: Database) -> UUID:
    with connected(database.system_url) as connection:
        return open_ledger(connection)


@contextmanager
def an_old_snapshot(database: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    with psycopg.connect(database.owner_url, autocommit=True) as analyst:
        analyst.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM projections.tenants")
        yield analyst
        analyst.execute("ROLLBACK")


def size(superuser: psycopg.Connection[TupleRow]) -> int:
    row = superuser.execute("SELECT pg_relation_size('runtime.job_queue')").fetchone()
    assert row is not None
    return int(row[0])


async def commit(conn: AsyncConnection[Any], tenant: UUID, *entries: Entry) -> None:
    assert set(verdicts(await read_outcomes(await send_append(conn, tenant, entries)))) == {"appended"}


async def lease(conn: AsyncConnection[Any], most: int = 1) -> list[LeasedJob]:
    return await jobs.lease(conn, ["resize"], most, 60, "worker")


def report(job: LeasedJob, then: Any, **given: Any) -> Entry:
    return entry(uuid4(), fences=[Fence(job.id, job.fence, then, **given)])


async def test_it_agrees_with_the_jobs_wherever_they_go(
    conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], tenant: UUID
) -> None:
    def agrees() -> None:
        assert superuser.execute(DIFFERENT).fetchall() == []

    execution = uuid4()
    made = [Job(uuid4(), "resize", execution_id=execution, delay=timedelta(hours=n // 8), priority=n) for n in range(9)]
    await commit(conn, tenant, entry(uuid4(), jobs=made))
    agrees()
    one, two, three, four, five = await lease(conn, 5)
    agrees()
    await jobs.heartbeats(conn, [one.lease], 90)
    await jobs.give_back(conn, [two.lease])
    await jobs.expire_now(conn, [three.lease])
    agrees()
    assert [expired.id for expired in await due.expired_leases(conn, 9)] == [three.id]
    await commit(conn, tenant, report(one, "done"), report(four, "retry", delay=timedelta(hours=1)), report(five, "dead"))
    agrees()
    await jobs.retry_dead(conn, tenant, five.id)
    await jobs.run_now(conn, tenant, four.id)
    agrees()
    for version, topic in enumerate(("execution.paused.v1", "execution.resumed.v1"), 1):
        superuser.execute(PAUSE, [tenant, execution, version, topic, tenant])
        agrees()
        states = {row[0] for row in superuser.execute("SELECT state FROM runtime.job_queue").fetchall()}
        assert ("ready" in states) == (version == 2)
    await commit(conn, tenant, entry(uuid4(), dropped_jobs=[job.id for job in made]))
    agrees()
    assert superuser.execute("SELECT count(*) FROM runtime.job_queue").fetchone() == (0,)


async def test_it_is_rewritten_while_somebody_holds_an_old_snapshot(
    database: Database, conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], tenant: UUID
) -> None:
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize") for _ in range(300)]))
    with an_old_snapshot(database):
        while size(superuser) < 600_000:
            superuser.execute(COME_AND_GO)
        await conn.execute("SELECT runtime.rewrite_job_queue()")
        assert size(superuser) < 100_000
        assert superuser.execute(DIFFERENT).fetchall() == []
        assert len(await lease(conn, 500)) == 300


async def test_leasing_reads_as_little_as_before_whatever_has_died(
    database: Database, conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], tenant: UUID
) -> None:
    """By itself: leases see to it that the queue is rewritten. What died since then, up to a megabyte, is read."""
    with an_old_snapshot(database):
        while size(superuser) <= 1 << 20:
            await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize") for _ in range(500)]))
            await commit(conn, tenant, *[report(job, "done") for job in await lease(conn, 500)])
        for _ in range(1000):  # one in five of them sees to it, by chance
            await lease(conn, 0)
            if size(superuser) < 100_000:
                break
        await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize") for _ in range(2)]))
        assert len(await lease(conn)) == 1  # so that the next one has its plans: making them reads the catalogue
        cursor = await conn.execute(PAGES, [jobs.NOBODY])
        row = await cursor.fetchone()
        assert row is not None
        assert row[0][0]["Plan"]["Actual Rows"] == 1
        assert row[0][0]["Plan"]["Shared Hit Blocks"] < 1_000


async def test_a_rewrite_gives_way_to_who_is_at_it_for_long(
    database: Database, conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], tenant: UUID
) -> None:
    """As a backup is."""
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize") for _ in range(100)]))
    for _ in range(20):
        superuser.execute(COME_AND_GO)
    with psycopg.connect(database.superuser_url) as dumping:
        dumping.execute("LOCK TABLE runtime.job_queue IN ACCESS SHARE MODE")
        assert await (await conn.execute("SELECT runtime.rewrite_job_queue()")).fetchone() == (False,)
        assert len(await lease(conn, 500)) == 100
    assert await (await conn.execute("SELECT runtime.rewrite_job_queue()")).fetchone() == (True,)


async def test_who_does_not_see_every_row_does_not_rewrite_it(
    database: Database, conn: AsyncConnection[Any], superuser: psycopg.Connection[TupleRow], tenant: UUID
) -> None:
    await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize")]))
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        for one in (owner, superuser):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only a login that may append"):
                one.execute("SELECT runtime.rewrite_job_queue()")
    assert len(await lease(conn, 9)) == 1


async def test_jobs_of_before_the_migration_are_in_it(empty_database: Database) -> None:
    known = migrations.load()
    before = known[: next(n for n, one in enumerate(known) if one.name == "job_queue")]
    with (
        psycopg.connect(empty_database.owner_url, autocommit=True) as owner,
        psycopg.connect(empty_database.superuser_url, autocommit=True) as superuser,
    ):
        migrations.migrate(owner, before)
        superuser.execute(FILL, [uuid4()])
        migrations.migrate(owner, known, functions.load())
        assert superuser.execute(DIFFERENT).fetchall() == []
        assert superuser.execute("SELECT count(*) FROM runtime.job_queue").fetchone() == (3,)
        migrations.rollback(owner, known, to=len(before))
        assert superuser.execute("SELECT count(*) FROM runtime.jobs").fetchone() == (4,)
