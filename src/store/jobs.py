"""Jobs as workers see them: leasing, keeping and giving back leases, what was given up. Timers and expired leases: `store.due`.

All moments are the database's, so that the clocks of workers do not matter. What ends a job's attempt is none of this: that
is a command, with a fence (`domain.facts.Fence`). Connections are in autocommit.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row, tuple_row
from pydantic_core import from_json

from domain.facts import Json, NotFound
from store.notifications.channels import JOBS, job_name
from store.notifications.sending import notify, notify_lease

Connection: TypeAlias = AsyncConnection[Any]

NOBODY = UUID(int=0)
"""The cursor that begins with the first tenant."""

LEASE = """
SELECT tenant_id, id, fence, type, input, attempt, max_attempts, lease_until, execution_id, activation_id, task_id, %b::uuid
  FROM runtime.lease_jobs(%b::text[], %b::int, %b::double precision, %b::text, %b::uuid, %b::uuid,
                          %b::int, %b::uuid[], %b::uuid)
"""

HEARTBEAT = """
SELECT tenant_id, id, fence, lease_until, is_shortened
  FROM runtime.prolong_leases(%b::uuid[], %b::uuid[], %b::bigint[], %b::double precision)
"""
END_LEASES = "SELECT tenant_id, type FROM runtime.end_leases(%b::uuid[], %b::uuid[], %b::bigint[], %b::boolean)"

SELECT_LEASED = """
SELECT tenant_id, id, fence, type, input, attempt, max_attempts, lease_until, execution_id, activation_id, task_id, leased_by
  FROM runtime.jobs
 WHERE tenant_id = %s AND id = %s AND state = 'leased'
"""

SECONDS_TO_JOB = "SELECT runtime.seconds_to_next('job', %s::text[], %s::uuid)"
SELECT_DEAD = """
SELECT tenant_id, id, type, attempt, max_attempts, execution_id, activation_id, task_id, input, error, created_at, updated_at
  FROM runtime.jobs
 WHERE tenant_id = %s AND state = 'dead' AND (%s::timestamptz IS NULL OR (updated_at, id) > (%s, %s))
 ORDER BY updated_at, id
 LIMIT %s
"""

SELECT_ONE = """
SELECT j.id, j.type, j.state, j.priority, j.attempt, j.max_attempts, j.run_at, j.lease_until, j.execution_id, j.activation_id,
       j.task_id, j.created_at, j.updated_at, s.place, s.held_back_by
  FROM runtime.jobs j CROSS JOIN LATERAL runtime.job_standing(j.tenant_id, j.id) s
 WHERE j.tenant_id = %s AND j.id = %s
"""

RETRY_DEAD = """
UPDATE runtime.jobs
   SET state = 'ready', attempt = 0, failures = 0, run_at = clock_timestamp(), updated_at = clock_timestamp()
 WHERE tenant_id = %s AND id = %s AND state = 'dead'
RETURNING type
"""

IS_PAUSED = "SELECT paused FROM runtime.jobs WHERE tenant_id = %s AND id = %s"

RUN_NOW = """
UPDATE runtime.jobs
   SET state = 'ready', run_at = clock_timestamp(), updated_at = clock_timestamp()
 WHERE tenant_id = %s AND id = %s AND state = 'waiting'
RETURNING type
"""

COUNT = "SELECT type, state, count(*) FROM runtime.jobs GROUP BY type, state"

COMMANDS_KEPT = timedelta(hours=24)
"""For so long a repeated command is recognised. No command that is younger is forgotten."""

# By one process at a time. A row, which only gesta_system can lock: an advisory lock any login could take.
DELETE_OLD_COMMANDS = """
DELETE FROM runtime.commands
 WHERE (SELECT true FROM runtime.leases WHERE name = 'housekeeping' FOR UPDATE SKIP LOCKED)
   AND (tenant_id, command_id) IN (
       SELECT tenant_id, command_id FROM runtime.commands
        WHERE created_at < clock_timestamp() - %s::interval
        ORDER BY created_at LIMIT %s)
"""


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job that was handed out. `attempt` counts its leases, this one included."""

    tenant_id: UUID
    id: UUID
    fence: int
    """The fencing token: what is done for this lease shows it."""
    type: str
    input: Json
    attempt: int
    max_attempts: int
    lease_until: datetime
    execution_id: UUID | None
    activation_id: UUID | None
    task_id: UUID | None
    leased_by: UUID | None = None
    """The API key that leased it, and alone may report on it; None: a worker of this product's own."""

    @property
    def lease(self) -> "Lease":
        return Lease(self.tenant_id, self.id, self.fence)


class Lease(NamedTuple):
    """Which lease: of which job, by which fencing token."""

    tenant_id: UUID
    job_id: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that was given up, with the error of its last attempt."""

    tenant_id: UUID
    id: UUID
    type: str
    attempt: int
    max_attempts: int
    execution_id: UUID | None
    activation_id: UUID | None
    task_id: UUID | None
    input: Json
    error: Json
    created_at: datetime
    updated_at: datetime


class NoSuchDeadJob(NotFound):
    """There is no such job among the dead ones."""


# Leases


async def lease(
    conn: Connection,
    types: Sequence[str],
    most: int,
    lease_seconds: float,
    worker_id: str,
    *,
    tenant_id: UUID | None = None,
    after_tenant: UUID = NOBODY,
    reserved: int = 0,
    held_by: Collection[UUID] = (),
    for_key: UUID | None = None,
    unreadable: Callable[[Connection, "Lease", Exception], Awaitable[object]] | None = None,
) -> list[LeasedJob]:
    """At most so many ready jobs. Of all tenants in turn, beginning after `after_tenant`, or of one. Each goes to one worker.

    `unreadable` takes a job whose input cannot be read: all others are leased by then, and would be lost with it.

    The last `reserved` of them go to tenants that are given nothing else and are not in `held_by`, to each one of a type.
    """
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        turns = (tenant_id, after_tenant, reserved, list(held_by), for_key)
        await cursor.execute(LEASE, (for_key, list(types), most, lease_seconds, worker_id, *turns), prepare=True)
        rows = await cursor.fetchall()
    found = []
    for row in rows:
        try:
            found.append(_leased(row))
        except ValueError as error:
            if unreadable is None:
                raise
            await unreadable(conn, Lease(*row[:3]), error)
    return found


async def heartbeat(conn: Connection, one: Lease, seconds: float | None = None) -> datetime | None:
    """Prolong a lease from now on, by what it was leased for or by `seconds`. None: it is lost. Returns until when it lasts."""
    return (await heartbeats(conn, [one], seconds)).get(one)


async def heartbeats(conn: Connection, leases: Sequence[Lease], seconds: float | None = None) -> dict[Lease, datetime]:
    """Prolong many. Those that are not in the answer are lost."""
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(HEARTBEAT, (*_columns(leases), seconds), prepare=True)
        kept = await cursor.fetchall()
    if seconds is not None and any(shortened for *_, shortened in kept):
        await notify_lease(conn, seconds)
    return {Lease(*row[:3]): row[3] for row in kept}


async def give_back(conn: Connection, leases: Sequence[Lease]) -> None:
    """Leave jobs that were not begun to others. Leases that are lost are passed over."""
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(END_LEASES, (*_columns(leases), False))
        names = {job_name(tenant_id, type) for tenant_id, type in await cursor.fetchall()}
    for name in names:
        await notify(conn, JOBS, name)


async def is_paused(conn: Connection, tenant_id: UUID, job_id: UUID) -> bool:
    """Whether a job's execution is paused by now."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(IS_PAUSED, (tenant_id, job_id), prepare=True)
        row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def expire_now(conn: Connection, leases: Sequence[Lease]) -> None:
    """Let leases of jobs that were begun run out now. Leases that are lost are passed over."""
    await conn.execute(END_LEASES, (*_columns(leases), True), binary=True)
    await notify_lease(conn, 0)


async def leased(conn: Connection, tenant_id: UUID, job_id: UUID) -> LeasedJob | None:
    """A job that is out on lease, run out or not."""
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(SELECT_LEASED, (tenant_id, job_id))
        row = await cursor.fetchone()
        return None if row is None else _leased(row)


# When to look again


async def seconds_to_job(conn: Connection, types: Sequence[str], tenant_id: UUID | None = None) -> float | None:
    """Until the next job that waits for its moment is ready. None: none waits."""
    return await _seconds(conn, SECONDS_TO_JOB, list(types), tenant_id)


# What was given up, and housekeeping


async def dead(conn: Connection, tenant_id: UUID, limit: int, after: tuple[datetime, UUID] | None = None) -> list[DeadJob]:
    """The jobs of a tenant that were given up, in that order, after (`updated_at`, `id`)."""
    since, last = after or (None, None)
    async with conn.cursor(row_factory=class_row(DeadJob)) as cursor:
        await cursor.execute(SELECT_DEAD, (tenant_id, since, since, last, limit))
        return [replace(job, input=_json(job.input), error=_json(job.error)) for job in await cursor.fetchall()]


async def one(conn: Connection, tenant_id: UUID, job_id: UUID) -> dict[str, Any] | None:
    """A job as it stands, with how many are before it and what limit holds it back. None: it is over, or never was."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SELECT_ONE, (tenant_id, job_id))
        return await cursor.fetchone()


async def retry_dead(conn: Connection, tenant_id: UUID, job_id: UUID) -> None:
    """Make a job that was given up ready again, with all its attempts. Raises NoSuchDeadJob."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(RETRY_DEAD, (tenant_id, job_id))
        row = await cursor.fetchone()
    if row is None:
        raise NoSuchDeadJob
    await notify(conn, JOBS, job_name(tenant_id, row[0]))


async def run_now(conn: Connection, tenant_id: UUID, job_id: UUID) -> None:
    """Make a job that waits for its moment ready now. One that does not wait stays as it is."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(RUN_NOW, (tenant_id, job_id))
        row = await cursor.fetchone()
    if row is not None:
        await notify(conn, JOBS, job_name(tenant_id, row[0]))


async def counts(conn: Connection) -> dict[tuple[str, str], int]:
    """How many jobs there are, by type and state. Reads them all: for metrics, not for every request."""
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(COUNT)
        return {(type, state): count for type, state, count in await cursor.fetchall()}


async def delete_old_commands(conn: Connection, older_than: timedelta, most: int) -> int:
    """Forget commands whose repetition need not be recognised any more. Returns how many."""
    async with conn.cursor() as cursor:
        await cursor.execute(DELETE_OLD_COMMANDS, (older_than, most))
        return cursor.rowcount


def _columns(leases: Sequence[Lease]) -> tuple[list[UUID], list[UUID], list[int]]:
    return [one.tenant_id for one in leases], [one.job_id for one in leases], [one.fence for one in leases]


def _leased(row: tuple[Any, ...]) -> LeasedJob:
    tenant_id, job_id, fence, type, data, *rest = row
    return LeasedJob(tenant_id, job_id, fence, type, _json(data), *rest)


def _json(data: bytes | None) -> Json:
    return None if data is None else from_json(data)


async def _seconds(conn: Connection, statement: str, *given: Any) -> float | None:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, given, prepare=True)
        row = await cursor.fetchone()
    return None if row is None else row[0]
