"""Which finished executions are to be archived by now, by the tables and the database's clock. The ledger decides."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

# By workflow, the longest over first, so that an index leads to those and to no others. Tenants take turns: one with many leaves
# room for the others. Where an event holds the tables up, they would show what is archived already, again and again.
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
                  AND NOT EXISTS (  -- items of a foreach that was given up have events to come: a job ends them
                      SELECT FROM projections.execution_items i
                       WHERE i.tenant_id = e.tenant_id AND i.execution_id = e.id AND i.status = 'running')
                ORDER BY coalesce(e.completed_at, e.cancelled_at)
                LIMIT %(count)s) found
         WHERE (p.workflow_key IS NOT NULL
                OR NOT EXISTS (
                   SELECT FROM projections.retention_policies own WHERE own.tenant_id = w.tenant_id AND own.workflow_key = w.key))
           AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = p.tenant_id)
           AND NOT EXISTS (SELECT FROM runtime.projection_faults f WHERE f.tenant_id = p.tenant_id)) turns
 ORDER BY turns.turn, turns.ended_at
 LIMIT %(count)s
"""


class Finished(NamedTuple):
    tenant_id: UUID
    id: UUID
    ended_at: datetime


async def find(conn: AsyncConnection[Any], count: int) -> Sequence[Finished]:
    """So many at most, of all tenants in turn."""
    async with conn.cursor(row_factory=class_row(Finished)) as cursor:
        await cursor.execute(FIND, {"count": count})
        return await cursor.fetchall()
