"""A tenant's backlog of timers, due, failing or suspended, holds up nobody else's; what is passed over is not read; and what one
process has claimed, no other fires."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any
from unittest.mock import ANY
from uuid import UUID, uuid4

import psycopg
import pytest

from engine.timers import OWNERS
from store import due
from store.due import DueTimer
from tests.conftest import Database
from tests.worker.house import at_work, house, steps, worker_of
from worker.context import WorkerContext
from worker.maintenance import fire_timers
from worker.timers import OF_A_TENANT, Firing
from worker.worker import WorkerProcess

BACKLOG = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id)
SELECT %s, gen_random_uuid(), clock_timestamp() - interval '1 day', 'wait', 'execution', gen_random_uuid()
  FROM generate_series(1, %s)
"""
PENDING = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id)
SELECT tenant, gen_random_uuid(), clock_timestamp() + interval '1 day', 'wait', 'execution', gen_random_uuid()
  FROM (SELECT gen_random_uuid() AS tenant FROM generate_series(1, 20)), generate_series(1, %s / 20)
"""
SUSPEND = "INSERT INTO runtime.suspended_tenants VALUES (%s, now())"
CLAIM = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM runtime.claim_timers(%s, 100, 200, 32, '{}', 5)"
NEXT = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT runtime.seconds_to_timer(%s)"
WAITING = "SELECT FROM pg_locks WHERE relation = 'runtime.timers'::regclass AND NOT granted"
FAILING = "UPDATE runtime.timers SET activation_id = NULL WHERE tenant_id = %s"


def run(database: Database, statement: str, *given: object) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(statement.encode(), given)


async def blocks(conn: psycopg.AsyncConnection[Any], statement: str) -> int:
    """How many a statement reads."""
    row = await (await conn.execute(statement.encode(), [list(OWNERS)])).fetchone()
    assert row is not None
    (plan,) = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


async def claimed(conn: psycopg.AsyncConnection[Any], most: int, **how: Any) -> list[DueTimer]:
    return await due.claim_timers(conn, tuple(OWNERS), most, **how)


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
        for statement in (CLAIM, NEXT):
            assert await blocks(conn, statement) < 1_500
        assert await due.seconds_to_timer(conn, tuple(OWNERS)) is None


@pytest.mark.parametrize("is_analysed", [False, True], ids=["a young table", "an analysed one"])
async def test_a_claim_reads_little_of_a_backlog(database: Database, is_analysed: bool) -> None:
    run(database, BACKLOG, uuid4(), 20_000)
    run(database, PENDING, 20_000)
    if is_analysed:
        run(database, "ANALYZE runtime.timers")
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        assert await blocks(conn, CLAIM) < 2_500


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


async def test_processes_claim_disjoint_parts_in_turns_of_tenants(database: Database) -> None:
    many, few = uuid4(), uuid4()
    run(database, BACKLOG, many, 3_000)
    run(database, BACKLOG, few, 3)
    async with (
        await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as one,
        await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as other,
    ):
        first, second = await claimed(one, 40, part=8), await claimed(other, 40, part=8)
        assert Counter(timer.tenant_id for timer in first) == {many: 8, few: 3}
        assert {timer.tenant_id for timer in first[:2]} == {many, few}, "in turns"
        assert Counter(timer.tenant_id for timer in second) == {many: 8}
        assert {timer.id for timer in first}.isdisjoint({timer.id for timer in second})
        third = await claimed(one, 40, part=8, under_way=[many] * 5)
        assert Counter(timer.tenant_id for timer in third) == {many: 3}, "what is under way of it counts"
        assert await claimed(one, 40, part=8, under_way=[many] * 8) == []


async def test_claiming_at_the_same_time_waits_for_nobody(database: Database) -> None:
    run(database, BACKLOG, uuid4(), 3)
    async with (
        await psycopg.AsyncConnection.connect(database.system_url) as one,
        await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as other,
    ):
        assert len(await claimed(one, 2)) == 2
        await other.execute("SET lock_timeout = '1ms'")
        assert len(await claimed(other, 9)) == 1
        await one.rollback()


async def test_what_a_dead_process_has_claimed_is_found_when_the_claim_ends(database: Database) -> None:
    run(database, BACKLOG, uuid4(), 2)
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        (first,) = await claimed(conn, 1, seconds=300)
        (second,) = await claimed(conn, 1, seconds=600)
        assert await claimed(conn, 1) == []
        assert 290 < (await due.seconds_to_timer(conn, tuple(OWNERS)) or 0) <= 300
        await due.give_back(conn, second, 0)
        assert (await claimed(conn, 9, seconds=0)) == [replace(second, found_at=ANY)]
        run(database, "UPDATE runtime.timers SET claimed_until = clock_timestamp() WHERE id = %s", first.id)
        assert {timer.id for timer in await claimed(conn, 9)} == {first.id, second.id}


async def test_what_was_moved_is_not_given_back(database: Database) -> None:
    run(database, BACKLOG, uuid4(), 1)
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        (timer,) = await claimed(conn, 1, seconds=0)
        run(database, "UPDATE runtime.timers SET moved = 1, claimed_until = NULL")
        await due.give_back(conn, timer, 60)
        assert len(await claimed(conn, 1)) == 1


async def test_a_backlog_is_passed_over_without_being_read(database: Database) -> None:
    """By none of those who have a timer beside it."""
    run(database, BACKLOG, many := uuid4(), 20_000)
    for few in (tenants := [uuid4() for _ in range(20)]):
        run(database, BACKLOG, few, 1)
    run(database, "VACUUM (ANALYZE) runtime.timers")
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        first = await claimed(conn, 100, seconds=0)  # and the session learns what the catalogues say
        assert Counter(timer.tenant_id for timer in first) == {many: due.PART, **dict.fromkeys(tenants, 1)}
        assert await blocks(conn, CLAIM) < 2_000


async def test_two_processes_fire_each_timer_once_between_them(database: Database) -> None:
    fired = Counter[UUID]()

    async def fire(context: WorkerContext, timer: DueTimer) -> bool:
        fired[timer.id] += 1
        await asyncio.sleep(0)
        async with context.pool.connection() as connection:
            await connection.execute("DELETE FROM runtime.timers WHERE id = %s", [timer.id])
        return True

    async def all_of_them(worker: WorkerProcess, firing: Firing) -> None:
        while await firing.fire_timers(worker.context) == 0:
            pass
        await firing.finish()

    run(database, BACKLOG, uuid4(), 400)
    run(database, BACKLOG, uuid4(), 20)
    async with worker_of(database) as one, worker_of(database) as other:
        await asyncio.gather(all_of_them(one, Firing(fire)), all_of_them(other, Firing(fire)))
    assert set(fired.values()) == {1}
    assert len(fired) == 420


async def test_a_hundred_that_fail_take_no_turn_of_another_tenant(database: Database) -> None:
    """Each is put off by itself, and nobody's turn is a second time theirs before that."""
    async with house(database) as home, worker_of(database) as worker:
        other = uuid4()
        home.sql("SELECT ledger.open(%s)", other)
        run(database, BACKLOG, other, 100)
        run(database, FAILING, other)
        async with at_work(worker):
            execution = await home.start(steps(timeout="PT0.1S"))
            assert (await home.ended(execution)).status == "failed"

            async def all_put_off() -> bool:
                return home.sql("SELECT count(*) FROM runtime.timers WHERE failures > 0 AND claimed_until IS NULL") == [(100,)]

            await home.until(all_put_off)
        await home.until(all_put_off)
        home.sql("UPDATE runtime.timers SET retry_at = clock_timestamp() + interval '1 hour'")
        assert 3_500 < (await fire_timers(worker.context) or 0) <= 3_600


async def test_what_ends_while_it_is_looked_makes_room(database: Database) -> None:
    """So it is looked again at once: there may be more of its tenant."""
    may_end = asyncio.Event()

    async def fire(_context: WorkerContext, _timer: DueTimer) -> bool:
        await may_end.wait()
        return True

    run(database, BACKLOG, uuid4(), 1)
    firing = Firing(fire)
    async with (
        worker_of(database) as worker,
        await psycopg.AsyncConnection.connect(database.superuser_url) as holder,
        await psycopg.AsyncConnection.connect(database.superuser_url, autocommit=True) as watcher,
    ):
        assert await firing.fire_timers(worker.context) == 0
        await holder.execute("LOCK TABLE runtime.timers")
        looking = asyncio.create_task(firing.fire_timers(worker.context))
        async with asyncio.timeout(30):
            while await (await watcher.execute(WAITING)).fetchone() is None:  # noqa: ASYNC110 - it is told by nobody
                await asyncio.sleep(0.01)
        may_end.set()
        await firing.finish()
        await holder.rollback()
        assert await looking == 0
