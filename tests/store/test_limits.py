"""Limits of concurrency and of rate, and weights: exact whoever leases at the same time, and nothing to those who have none."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from domain.facts import Concurrency, Fence, Job, JobLimits, Rate
from domain.limit import limit_id_of
from store import due, jobs
from store.append import Entry, NewEvent, read_outcomes, send_append
from store.arrays import teach_columns
from store.jobs import LeasedJob
from store.side_rows import learn_side_rows
from tests.conftest import Database
from tests.store.ledgers import connected, entry, open_ledger, verdicts

STREAM_VERSION = "SELECT count(*) FROM ledger.events WHERE tenant_id = %s AND stream_id = %s"
DEADLINE = 60.0


async def connect(url: str) -> AsyncConnection[Any]:
    connection = await AsyncConnection.connect(url, autocommit=True)
    teach_columns(connection)
    await learn_side_rows(connection)
    return connection


@pytest.fixture
async def conn(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await connect(database.system_url) as connection:
        yield connection


@pytest.fixture
def tenant(database: Database) -> UUID:
    with connected(database.system_url) as connection:
        return open_ledger(connection)


async def commit(conn: AsyncConnection[Any], tenant: UUID, *entries: Entry) -> None:
    assert set(verdicts(await read_outcomes(await send_append(conn, tenant, entries)))) == {"appended"}


async def said(conn: AsyncConnection[Any], ledger: UUID, stream: UUID, topic: str, **data: Any) -> None:
    row = await (await conn.execute(STREAM_VERSION, [ledger, stream])).fetchone()
    event = NewEvent(stream, topic, datetime.now(UTC), json.dumps(data).encode())
    assert row is not None
    await commit(conn, ledger, Entry(uuid4(), b"{}", events=[event], expectations=[(stream, row[0])]))


async def limit(conn: AsyncConnection[Any], tenant: UUID, scope: str, name: str = "", **given: Any) -> None:
    await said(conn, tenant, limit_id_of(tenant, scope, name), "limit.set.v1", scope=scope, name=name, **given)


async def add(conn: AsyncConnection[Any], tenant: UUID, how_many: int, type: str = "resize", **given: Any) -> list[UUID]:
    made = [Job(uuid4(), type, **given) for _ in range(how_many)]
    await commit(conn, tenant, *[entry(uuid4(), jobs=[job]) for job in made])
    return [job.id for job in made]


async def lease(conn: AsyncConnection[Any], most: int = 100, tenant: UUID | None = None, *types: str) -> list[LeasedJob]:
    return await jobs.lease(conn, types or ["resize"], most, 60, "worker", tenant_id=tenant)


async def done(conn: AsyncConnection[Any], *leased: LeasedJob) -> None:
    for job in leased:
        await commit(conn, job.tenant_id, entry(uuid4(), fences=[Fence(job.id, job.fence, "done")]))


def of_node(node: str = "n", **given: Any) -> JobLimits:
    return JobLimits("flow", node, **given)


SCOPES: dict[str, tuple[str, dict[str, Any]]] = {
    "tenant": ("", {}),
    "job_type": ("resize", {}),
    "workflow": ("flow", {"limits": of_node()}),
    "node": ("flow/n", {"limits": of_node()}),
    "key": ("k", {"limits": of_node(concurrency=Concurrency(50, "k"))}),
}


@pytest.mark.parametrize("scope", SCOPES)
async def test_no_more_than_the_limit_are_leased_at_a_time_and_ends_make_room(
    conn: AsyncConnection[Any], tenant: UUID, scope: str
) -> None:
    name, given = SCOPES[scope]
    await limit(conn, tenant, scope, name, concurrency=3)
    await add(conn, tenant, 8, **given)
    first = await lease(conn)
    assert (len(first), await lease(conn)) == (3, [])
    await done(conn, first[0])
    (second,) = await lease(conn)
    await jobs.give_back(conn, [second.lease])
    await jobs.expire_now(conn, [first[1].lease])
    assert len(await lease(conn)) == 1  # a lease that expired counts until it is taken
    (expired,) = await due.expired_leases(conn, 9)
    await commit(conn, tenant, entry(uuid4(), fences=[Fence(expired.id, expired.fence, "done", expired=True)]))
    await commit(conn, tenant, entry(uuid4(), dropped_jobs=[first[2].id]))
    assert len(await lease(conn)) == 2


async def test_a_limit_counts_what_is_leased_when_it_is_set_and_lowered_it_waits(
    conn: AsyncConnection[Any], tenant: UUID
) -> None:
    await add(conn, tenant, 10)
    running = await lease(conn, 4)
    await limit(conn, tenant, "job_type", "resize", concurrency=5)
    more = await lease(conn)
    assert len(more) == 1
    await limit(conn, tenant, "job_type", "resize", concurrency=2)
    await done(conn, *running[:3])
    assert await lease(conn) == []
    await done(conn, *more)
    assert len(await lease(conn)) == 1
    await said(conn, tenant, limit_id_of(tenant, "job_type", "resize"), "limit.removed.v1")
    assert len(await lease(conn)) == 4


async def test_jobs_that_are_held_back_let_others_by(conn: AsyncConnection[Any], tenant: UUID) -> None:
    of = {key: of_node(concurrency=Concurrency(1, key)) for key in "abc"}
    await add(conn, tenant, 300, limits=of["a"], priority=9)
    await add(conn, tenant, 2, limits=of["b"])
    await add(conn, tenant, 1)
    assert len(await lease(conn)) == 3
    ids = [job for job, _ in await standings(conn, tenant)]
    row = await jobs.one(conn, tenant, ids[-1])
    assert row is not None
    assert (row["state"], row["held_back_by"]) == ("ready", "key:a")
    assert max(place or 0 for _, place in await standings(conn, tenant)) == 298
    await limit(conn, tenant, "key", "a", concurrency=0)
    assert await lease(conn) == []


async def standings(conn: AsyncConnection[Any], tenant: UUID) -> list[tuple[UUID, int | None]]:
    asked = """SELECT q.id, s.place FROM runtime.job_queue q, runtime.job_standing(q.tenant_id, q.id) s
                WHERE q.tenant_id = %s AND q.state = 'limited' AND q.bucket = 'key:a' ORDER BY q.priority DESC, q.run_at, q.id"""
    return await (await conn.execute(asked, [tenant])).fetchall()


async def test_a_paused_job_that_was_held_back_is_judged_anew(conn: AsyncConnection[Any], tenant: UUID) -> None:
    execution = uuid4()
    own = of_node(concurrency=Concurrency(1, "k"))
    await add(conn, tenant, 1, limits=own)
    held = await add(conn, tenant, 1, limits=own, execution_id=execution)
    (running,) = await lease(conn)
    await said(conn, tenant, execution, "execution.paused.v1")
    await done(conn, running)
    assert await lease(conn) == []
    await said(conn, tenant, execution, "execution.resumed.v1")
    assert [job.id for job in await lease(conn)] == held


async def work(url: str, tenant: UUID, left: set[UUID], spans: list[tuple[UUID, datetime, datetime]], seed: int) -> None:
    """As a process with a worker does, until nothing is left.

    Notes for each job a moment after it was leased, and one before its end: between them it is surely under way. Its lease is
    reckoned from before its limits are looked at, and until then others may end.
    """
    chance = random.Random(seed)
    async with await connect(url) as conn:
        while left:
            found = await lease(conn, chance.choice((1, 3, 20)), tenant if chance.random() < 0.5 else None)
            begun = await now_of(conn)
            for job in found:
                if chance.random() < 0.2:
                    await jobs.give_back(conn, [job.lease])
                    continue
                spans.append((job.id, begun, await now_of(conn)))
                await done(conn, job)
                left.discard(job.id)
            if not found:
                await asyncio.sleep(0.01)


async def now_of(conn: AsyncConnection[Any]) -> datetime:
    row = await (await conn.execute("SELECT clock_timestamp()")).fetchone()
    assert row is not None
    return cast("datetime", row[0])


async def test_two_who_lease_at_once_never_exceed_it_and_all_is_done(
    conn: AsyncConnection[Any], database: Database, tenant: UUID
) -> None:
    keys: dict[UUID, str] = {}
    for key, most in (("a", 1), ("b", 2), ("c", 3)):
        for id in await add(conn, tenant, 40, limits=of_node(concurrency=Concurrency(most, key))):
            keys[id] = key
    await limit(conn, tenant, "job_type", "resize", concurrency=4)
    left, spans = set(keys), list[tuple[UUID, datetime, datetime]]()
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        for seed in range(3):
            group.create_task(work(database.system_url, tenant, left, spans, seed))
    assert len(spans) == 120
    for begun in [span[1] for span in spans]:
        at_once = [keys[id] for id, since, until in spans if since <= begun < until]
        assert len(at_once) <= 4
        counted = Counter(at_once)
        assert (counted["a"] <= 1, counted["b"] <= 2, counted["c"] <= 3) == (True, True, True)


async def test_a_rate_is_not_exceeded_in_any_window_and_used(
    conn: AsyncConnection[Any], database: Database, tenant: UUID
) -> None:
    per = timedelta(milliseconds=400)
    own = of_node(rate=Rate(10, per, "mail"))
    left = set(await add(conn, tenant, 45, limits=own))
    starts: list[datetime] = []

    async def take() -> None:
        async with await connect(database.system_url) as mine:
            while left:
                for job in await lease(mine, 7):
                    starts.append(job.lease_until - timedelta(seconds=60))
                    await done(mine, job)
                    left.discard(job.id)
                await asyncio.sleep(min(await jobs.seconds_to_job(mine, ["resize"]) or 0.01, 0.05))

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(take())
    starts.sort()
    assert len(starts) == 45
    for first, eleventh in zip(starts, starts[10:], strict=False):
        assert eleventh - first >= per
    assert starts[-1] - starts[0] < 10 * per


async def test_leases_come_by_weight_also_one_at_a_time(conn: AsyncConnection[Any], database: Database) -> None:
    with connected(database.system_url) as connection:
        heavy, light = open_ledger(connection), open_ledger(connection)
        if connection.execute("SELECT 1 FROM ledger.heads WHERE tenant_id = %s", [PLATFORM]).fetchone() is None:
            connection.execute("SELECT ledger.open(%s)", [PLATFORM])
    await said(conn, PLATFORM, heavy, "tenant.created.v1", slug="heavy", name="Heavy", settings={"weight": 3})
    for tenant in (heavy, light):
        await add(conn, tenant, 300)
    assert Counter(job.tenant_id for job in await lease(conn, 200)) == {heavy: 150, light: 50}
    after, ones = jobs.NOBODY, Counter[UUID]()
    for _ in range(200):
        (job,) = await jobs.lease(conn, ["resize"], 1, 60, "worker", after_tenant=after)
        ones[job.tenant_id] += 1
        after = job.tenant_id
    assert 120 <= ones[heavy] <= 150  # it has 150 left
    await said(conn, PLATFORM, heavy, "tenant.changed.v1", changes={"settings": {}})
    row = await (await conn.execute("SELECT count(*) FROM runtime.tenant_weights")).fetchone()
    assert row == (0,)


async def test_a_hundred_thousand_held_back_slow_nobody_down(
    conn: AsyncConnection[Any], database: Database, tenant: UUID
) -> None:
    """By what is read, since time is not a test's affair."""
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(MANY, [tenant])
        await commit(conn, tenant, entry(uuid4(), jobs=[Job(uuid4(), "resize", limits=of_node(concurrency=Concurrency(1, "k")))]))
        with connected(database.system_url) as connection:
            other = open_ledger(connection)
        await lease(conn)
        read = []
        for _ in range(3):
            await add(conn, other, 5)
            cursor = await conn.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM runtime.lease_jobs('{resize}', 5, 60, 'w', NULL, %s)",
                [jobs.NOBODY],
            )
            row = await cursor.fetchone()
            assert row is not None
            assert row[0][0]["Plan"]["Actual Rows"] == 5
            read.append(row[0][0]["Plan"]["Shared Hit Blocks"])
        assert min(read) < 1_500, "the others also read of the catalog what another session has made it forget"


MANY = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, limits, held_back_by,
                          created_at, updated_at)
SELECT %s, gen_random_uuid(), 'resize', 'ready', now(), 0, 1,
       '{"workflow": "flow", "node": "n", "concurrency": {"key": "k", "limit": 1}}', 'key:k', now(), now()
  FROM generate_series(1, 100000)
"""
