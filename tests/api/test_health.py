"""What /readyz and /metrics say is right, also of thousands of tenants, and costs a bounded time whatever else is the matter."""

import asyncio
import re
import time
from uuid import UUID

import psycopg
import pytest

from api import backlog, health
from api.backlog import LagMonitor, TotalLag
from runtime.pools import connect
from tests.api.conftest import Client, Gesta, platform_key, serving
from tests.api.working import lease
from tests.conftest import Database

# Ledgers of `heads` events each, whose tables show `shown` of them; by the superuser, and older than what counts as stalled.
MANY = """
WITH made AS MATERIALIZED (
     INSERT INTO ledger.heads (tenant_id) SELECT gen_random_uuid() FROM generate_series(1, %(ledgers)s) RETURNING tenant_id),
     filled AS (
     INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
     SELECT tenant_id, n, tenant_id, n, 'x.y.v1', now() - %(age)s::interval, now() - %(age)s::interval, tenant_id, '{}', '{}'
       FROM made CROSS JOIN generate_series(1, %(heads)s) n)
INSERT INTO projections.freshness (tenant_id, position, recorded_at, projected_at, version, created_at, updated_at)
SELECT tenant_id, %(shown)s, now(), now() - %(age)s::interval, %(shown)s, now(), now() FROM made
"""
FAULT = """
INSERT INTO runtime.projection_faults
SELECT tenant_id, 3, 'no', 1, now(), now(), now() + interval '1 hour'
  FROM ledger.events WHERE position = 5 LIMIT 1
"""
LOCK = "LOCK TABLE runtime.failing_tasks IN ACCESS EXCLUSIVE MODE"  # which every look reads


def ledgers(database: Database, count: int, *, heads: int, shown: int, age: str = "0") -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute(MANY, {"ledgers": count, "heads": heads, "shown": shown, "age": age})


def run(database: Database, statement: str) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute(statement)


async def test_lag_is_told_of_thousands_of_ledgers(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """No projector runs here. Ledgers that somebody may be projecting are behind, those whose time has long come stand still."""
    monkeypatch.setattr(backlog, "BATCH", 700)
    await platform_key(database)
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        (own,) = conn.execute("SELECT count(*) FROM ledger.events").fetchone() or (0,)
    ledgers(database, 2_000, heads=2, shown=2)
    ledgers(database, 50, heads=5, shown=2)
    ledgers(database, 7, heads=3, shown=0, age="1 hour")
    run(database, FAULT)
    async with serving(database) as http:
        begun = time.perf_counter()
        told = (await http.get("/readyz")).json()["projections"]
        assert time.perf_counter() - begun < health.LOOK_SECONDS
        assert told == {"ledgers_behind": 58, "events_behind": 50 * 3 + 7 * 3 + own, "ledgers_stopped": 8}
        run(database, "UPDATE projections.freshness SET position = 3, version = 3 WHERE position = 0")
        again = (await http.get("/readyz")).json()["projections"]
        assert again == {"ledgers_behind": 51, "events_behind": 50 * 3 + own, "ledgers_stopped": 1}
        assert "\ngesta_ledgers_behind 51\n" in (await http.get("/metrics")).text


async def test_between_two_times_only_what_has_grown_is_looked_at(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "SHARE", 1e9)  # all are gone through once
    ledgers(database, 3, heads=2, shown=2)
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        told, untold, _ = [UUID(str(row[0])) for row in conn.execute("SELECT tenant_id FROM projections.freshness").fetchall()]
    async with connect(database.system_url, name="test") as connection:
        watched = LagMonitor()
        assert await watched.count(connection) == TotalLag(0, 0, 0)
        run(database, "UPDATE projections.freshness SET position = 1")
        assert await watched.count(connection) == TotalLag(0, 0, 0)
        watched.grown(told)
        assert await watched.count(connection) == TotalLag(1, 1, 0)
        watched.grown(untold)
        assert await watched.count(connection) == TotalLag(2, 2, 0)
        run(database, "UPDATE projections.freshness SET position = 2")
        assert await watched.count(connection) == TotalLag(0, 0, 0)
        run(database, "UPDATE projections.freshness SET position = 1")
        watched.any_grown()
        assert await watched.count(connection) == TotalLag(3, 3, 0)


async def test_what_takes_too_long_for_one_look_is_gone_on_with(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 10)
    monkeypatch.setattr(backlog, "MOST_SECONDS", 1e-9)  # one portion a look
    ledgers(database, 95, heads=2, shown=1)
    async with connect(database.system_url, name="test") as connection:
        watched = LagMonitor()
        counted = [(await watched.count(connection)).ledgers_behind for _ in range(10)]
    assert counted[-1] == 95
    assert counted == sorted(counted)


async def test_questions_are_answered_in_time_though_the_database_is_not(gesta: Gesta, worker: Client) -> None:
    """Somebody holds a lock on what they look at: all who ask are answered soon, and nobody else is held up."""
    assert (await gesta.http.get("/readyz")).status_code == 200
    with psycopg.connect(gesta.database.superuser_url) as locking:
        locking.execute(LOCK)
        begun = time.perf_counter()
        asked = [gesta.http.get(path) for path in ("/readyz", "/metrics") for _ in range(10)]
        waiting = asyncio.gather(*asked)
        assert (await lease(worker)).json() == {"items": []}
        assert time.perf_counter() - begun < health.LOOK_SECONDS, "nobody waits for their connections"
        found = await waiting
        assert time.perf_counter() - begun < health.LOOK_SECONDS + 2
        assert [answer.status_code for answer in found] == [503] * 10 + [200] * 10
        assert re.search(r"^gesta_database_up 0$", found[-1].text, re.MULTILINE)
    async with asyncio.timeout(60):
        while (await gesta.http.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - HTTP is asked
            await asyncio.sleep(0.05)
