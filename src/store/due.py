"""What is due: timers whose moment has come, and leases that have expired.

All tenants are served in turn, so that a backlog of one, failing or not, does not delay what another has due. What failed is
not due before its `retry_at` (`store.failures`); what is a suspended tenant's is not due until it is reactivated. All moments
are the database's. Connections are in autocommit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import tuple_row

from store.jobs import Connection, Lease

WINDOW = 1_000
"""How many due timers are looked at, in the order of their moments, before tenants are gone through one by one."""

# The oldest of all tenants. The moment is asked for once, so that the index is read no further than to it.
SELECT_DUE_TIMERS = """
WITH due AS (
    SELECT tenant_id, id, due_at, kind, owner_kind, owner_id, execution_id, activation_id, moved,
           greatest(due_at, retry_at) AS moment
      FROM runtime.timers
     WHERE remaining IS NULL AND greatest(due_at, retry_at) <= (SELECT clock_timestamp()) AND owner_kind = ANY (%(owners)s)
       AND tenant_id <> ALL (ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s))
     ORDER BY greatest(due_at, retry_at)
     LIMIT %(window)s
), in_turn AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY moment, id) AS turn, count(*) OVER () AS found FROM due
)
SELECT found, tenant_id, id, due_at, kind, owner_kind, owner_id, activation_id, moved,
       coalesce((SELECT bool_and(j.state <> 'leased') FROM runtime.jobs j
                  WHERE j.tenant_id = in_turn.tenant_id AND j.execution_id = in_turn.execution_id
                    AND j.activation_id = in_turn.activation_id), false)
  FROM in_turn ORDER BY turn, moment LIMIT %(limit)s
"""

# The same where more is due than the window shows: from tenant to tenant, by one look-up each.
SELECT_DUE_TIMERS_OF_EACH_TENANT = """
WITH RECURSIVE tenants AS (
    (SELECT tenant_id FROM runtime.timers WHERE remaining IS NULL ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT t.tenant_id FROM runtime.timers t
             WHERE t.remaining IS NULL AND t.tenant_id > tenants.tenant_id ORDER BY t.tenant_id LIMIT 1)
      FROM tenants WHERE tenants.tenant_id IS NOT NULL
), served AS (
    SELECT tenant_id FROM tenants WHERE tenant_id <> ALL (ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s))
), now AS MATERIALIZED (SELECT clock_timestamp() AS moment), in_turn AS (
    SELECT due.*, row_number() OVER (PARTITION BY due.tenant_id ORDER BY due.moment, due.id) AS turn
      FROM served CROSS JOIN now CROSS JOIN LATERAL (
           SELECT t.tenant_id, t.id, t.due_at, t.kind, t.owner_kind, t.owner_id, t.execution_id, t.activation_id, t.moved,
                  greatest(t.due_at, t.retry_at) AS moment
             FROM runtime.timers t
            WHERE t.tenant_id = served.tenant_id AND t.remaining IS NULL
              AND greatest(t.due_at, t.retry_at) <= now.moment AND t.owner_kind = ANY (%(owners)s)
            ORDER BY greatest(t.due_at, t.retry_at)
            LIMIT %(limit)s) due
)
SELECT 0, tenant_id, id, due_at, kind, owner_kind, owner_id, activation_id, moved,
       coalesce((SELECT bool_and(j.state <> 'leased') FROM runtime.jobs j
                  WHERE j.tenant_id = in_turn.tenant_id AND j.execution_id = in_turn.execution_id
                    AND j.activation_id = in_turn.activation_id), false)
  FROM in_turn ORDER BY turn, moment LIMIT %(limit)s
"""

SECONDS_TO_TIMER = """
SELECT extract(epoch FROM greatest(due_at, retry_at) - clock_timestamp())::float8
  FROM runtime.timers
 WHERE remaining IS NULL AND owner_kind = ANY (%s)
   AND tenant_id <> ALL (ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s))
 ORDER BY greatest(due_at, retry_at)
 LIMIT 1
"""

SELECT_EXPIRED_LEASES = """
WITH expired AS (
    SELECT tenant_id, id, j.fence, j.type, j.execution_id, j.activation_id, j.task_id, q.expires_at AS moment
      FROM runtime.job_queue q JOIN runtime.jobs j USING (tenant_id, id)
     WHERE q.state = 'leased' AND q.expires_at <= (SELECT clock_timestamp())
       AND tenant_id <> ALL (ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s))
     ORDER BY q.expires_at
     LIMIT %(window)s
), in_turn AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY moment, id) AS turn FROM expired
)
SELECT tenant_id, id, fence, type, execution_id, activation_id, task_id FROM in_turn ORDER BY turn, moment LIMIT %(limit)s
"""

SECONDS_TO_EXPIRY = """
SELECT extract(epoch FROM expires_at - clock_timestamp())::float8
  FROM runtime.job_queue
 WHERE state = 'leased' AND tenant_id <> ALL (ARRAY(SELECT s.tenant_id FROM runtime.suspended_tenants s))
 ORDER BY expires_at
 LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose moment has come. `moved`: how often by a pause; `between_attempts`: nobody has the job of its visit."""

    tenant_id: UUID
    id: UUID
    due_at: datetime
    purpose: str
    owner: str
    owner_id: UUID | None
    activation_id: UUID | None
    moved: int
    between_attempts: bool


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A job whose worker was not heard of in time; an `engine.jobs.HeldJob`."""

    tenant_id: UUID
    id: UUID
    fence: int
    type: str
    execution_id: UUID | None
    activation_id: UUID | None
    task_id: UUID | None

    @property
    def lease(self) -> Lease:
        return Lease(self.tenant_id, self.id, self.fence)


async def due_timers(conn: Connection, owners: Sequence[str], limit: int, *, window: int = WINDOW) -> list[DueTimer]:
    """Timers of such owners that are due, of all tenants in turn. One is gone when the command that it fires drops it."""
    given = {"owners": list(owners), "limit": limit, "window": window}
    rows = await _rows(conn, SELECT_DUE_TIMERS, given)
    if rows and rows[0][0] == window:
        rows = await _rows(conn, SELECT_DUE_TIMERS_OF_EACH_TENANT, given)
    return [DueTimer(*timer) for _, *timer in rows]


async def expired_leases(conn: Connection, limit: int) -> list[ExpiredLease]:
    """Jobs whose lease has expired, of all tenants in turn."""
    return [ExpiredLease(*row) for row in await _rows(conn, SELECT_EXPIRED_LEASES, {"limit": limit, "window": WINDOW})]


async def seconds_to_timer(conn: Connection, owners: Sequence[str]) -> float | None:
    """Until the next timer of these kinds of owners is due. None: none is set."""
    return await _seconds(conn, SECONDS_TO_TIMER, list(owners))


async def seconds_to_expiry(conn: Connection) -> float | None:
    """Until the next lease expires. None: nothing is leased."""
    return await _seconds(conn, SECONDS_TO_EXPIRY)


async def _rows(conn: Connection, statement: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(statement, given, prepare=True)
        return await cursor.fetchall()


async def _seconds(conn: Connection, statement: str, *given: Any) -> float | None:
    row = await (await conn.execute(statement, given, prepare=True)).fetchone()
    return None if row is None else row[0]
