"""Which finished executions are to be archived by now, by the tables and the database's clock. The ledger decides.

And who does it: the worker that has the lease, a row of runtime.leases.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

# By workflow, the longest over first, so that an index leads to those and to no others. Tenants take turns: one with many leaves
# room for the others. Where the tables are behind, or an event holds them up, they would show what is archived already, again and
# again.
FIND = """
SELECT turns.tenant_id, turns.id, turns.ended_at
  FROM (SELECT found.*, row_number() OVER (PARTITION BY found.tenant_id ORDER BY found.ended_at, found.id) AS turn
          FROM projections.retention_policies p
          JOIN projections.workflows w ON w.tenant_id = p.tenant_id AND w.key = coalesce(p.workflow_key, w.key)
         CROSS JOIN LATERAL (
               SELECT e.tenant_id, e.id, coalesce(e.completed_at, e.cancelled_at) AS ended_at
                 FROM projections.workflow_executions e
                WHERE e.tenant_id = w.tenant_id AND e.workflow_key = w.key AND e.status IN ('completed', 'failed', 'cancelled')
                  AND coalesce(e.completed_at, e.cancelled_at) <= clock_timestamp() - make_interval(days => p.days)
                  AND e.id <> ALL (%(without)s::uuid[])
                  AND NOT EXISTS (  -- items of a foreach that was given up have events to come: a job ends them
                      SELECT FROM projections.execution_items i
                       WHERE i.tenant_id = e.tenant_id AND i.execution_id = e.id AND i.status = 'running')
                ORDER BY coalesce(e.completed_at, e.cancelled_at)
                LIMIT %(count)s) found
         WHERE (p.workflow_key IS NOT NULL
                OR NOT EXISTS (
                   SELECT FROM projections.retention_policies own WHERE own.tenant_id = w.tenant_id AND own.workflow_key = w.key))
           AND p.tenant_id <> ALL (%(behind)s::uuid[])
           AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = p.tenant_id)
           AND NOT EXISTS (SELECT FROM runtime.projection_faults f WHERE f.tenant_id = p.tenant_id)) turns
 ORDER BY turns.turn, turns.ended_at
 LIMIT %(count)s
"""


BEHIND = """
SELECT r.tenant_id, r.position
  FROM unnest(%(tenants)s::uuid[], %(positions)s::bigint[]) AS r (tenant_id, position)
  JOIN projections.freshness f ON f.tenant_id = r.tenant_id
 WHERE f.position < r.position
"""

LEASE_SECONDS = 15.0
"""How long nothing is archived after a worker was killed that did it."""
# how long somebody else has it; nobody waits for the disk
HOLD = """
WITH unhurried AS MATERIALIZED (
       SELECT set_config('synchronous_commit', 'off', true)
), ours AS (
       UPDATE runtime.leases
          SET fence = fence + (holder IS DISTINCT FROM %(holder)s)::int, holder = %(holder)s,
              lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
         FROM unhurried
        WHERE name = 'archiving' AND (holder = %(holder)s OR lease_until <= clock_timestamp())
       RETURNING 1)
SELECT CASE WHEN NOT EXISTS (SELECT FROM ours) THEN extract(epoch FROM lease_until - clock_timestamp())::float8 END
  FROM runtime.leases WHERE name = 'archiving'
"""
LET_GO = """
UPDATE runtime.leases SET holder = NULL, lease_until = '-infinity' WHERE name = 'archiving' AND holder = %(holder)s
"""


class Finished(NamedTuple):
    tenant_id: UUID
    id: UUID
    ended_at: datetime


async def hold(conn: AsyncConnection[Any], holder: UUID) -> float | None:
    """Take the lease, or keep it. None: it is ours; else how many seconds somebody else's lasts."""
    row = await (await conn.execute(HOLD, {"holder": holder, "seconds": LEASE_SECONDS})).fetchone()
    return None if row is None or row[0] is None else max(row[0], 0.0)


async def let_go(conn: AsyncConnection[Any], holder: UUID) -> None:
    """Others may look."""
    await conn.execute(LET_GO, {"holder": holder})


async def behind(conn: AsyncConnection[Any], reached: Mapping[UUID, int]) -> dict[UUID, int]:
    """Of these positions, by tenant, those that the tables do not show yet."""
    if not reached:
        return {}
    return dict(await (await conn.execute(BEHIND, {"tenants": [*reached], "positions": [*reached.values()]})).fetchall())


async def find(
    conn: AsyncConnection[Any], count: int, behind: Collection[UUID] = (), without: Collection[UUID] = ()
) -> Sequence[Finished]:
    """So many at most, of all tenants in turn, but for those whose tables are behind. `without`: these executions."""
    async with conn.cursor(row_factory=class_row(Finished)) as cursor:
        await cursor.execute(FIND, {"count": count, "behind": [*behind], "without": [*without]})
        return await cursor.fetchall()
