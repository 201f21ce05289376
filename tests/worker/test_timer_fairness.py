"""A tenant's backlog of timers, due or suspended, holds up nobody else's, and what is passed over is not read."""

import asyncio
import json
from uuid import UUID, uuid4

import psycopg

from engine.timers import OWNERS
from store import due
from store.due import DueTimer
from tests.conftest import Database
from tests.worker.house import at_work, house, steps, worker_of
from worker.context import WorkerContext
from worker.timers import OF_A_TENANT, Firing

BACKLOG = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id)
SELECT %s, gen_random_uuid(), clock_timestamp() - interval '1 day', 'wait', 'execution', gen_random_uuid()
  FROM generate_series(1, %s)
"""
SUSPEND = "INSERT INTO runtime.suspended_tenants VALUES (%s, now())"
READ = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM runtime.due_timers(%s, 100, 200)"
NEXT = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT runtime.seconds_to_next('timer', %s)"


def run(database: Database, statement: str, *given: object) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(statement.encode(), given)


async def test_a_timer_fires_while_another_tenant_has_a_backlog(database: Database) -> None:
    """Well before that is worked off."""
    async with house(database) as home, worker_of(database) as worker:
        other = uuid4()
        home.sql("SELECT ledger.open(%s)", other)
        run(database, BACKLOG, other, 3_000)
        async with at_work(worker):
            execution = await home.start(steps(timeout="PT0.5S"))
            assert (await home.ended(execution)).status == "failed"
            ((left,),) = home.sql("SELECT count(*) FROM runtime.timers WHERE tenant_id = %s", other)
            assert left > 0


async def test_what_is_a_suspended_tenants_is_not_read(database: Database) -> None:
    run(database, BACKLOG, suspended := uuid4(), 50_000)
    run(database, SUSPEND, suspended)
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        for statement in (READ, NEXT):
            row = await (await conn.execute(statement.encode(), [list(OWNERS)])).fetchone()
            assert row is not None
            plan = row[0] if isinstance(row[0], list) else json.loads(row[0])
            assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 1_500
        assert await due.seconds_to_timer(conn, tuple(OWNERS)) is None


async def test_no_tenant_has_more_than_its_part_under_way(database: Database) -> None:
    tenants, at_once, most = [uuid4() for _ in range(2)], dict[UUID, int](), dict[UUID, int]()

    async def fire(_context: WorkerContext, timer: DueTimer) -> bool:
        at_once[timer.tenant_id] = at_once.get(timer.tenant_id, 0) + 1
        most[timer.tenant_id] = max(most.get(timer.tenant_id, 0), at_once[timer.tenant_id])
        await may_end.wait()
        at_once[timer.tenant_id] -= 1
        return True

    run(database, BACKLOG, tenants[0], 500)
    may_end, firing = asyncio.Event(), Firing(fire)
    async with worker_of(database) as worker:
        assert await firing.fire_timers(worker.context) == 0
        assert most == {tenants[0]: OF_A_TENANT}
        run(database, BACKLOG, tenants[1], 3)
        assert await firing.fire_timers(worker.context) == 0
        assert most == {tenants[0]: OF_A_TENANT, tenants[1]: 3}
        may_end.set()
        await firing.finish()
