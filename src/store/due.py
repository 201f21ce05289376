"""What is due: timers whose moment has come, and leases that have expired.

A timer is claimed for some seconds by the process that finds it, so that several fire disjoint parts of what is due; whoever dies
meanwhile leaves it to another then. All tenants are served in turn, so that a backlog of one, failing or not, does not delay what
another has due. What failed is not due before its `retry_at` (`store.failures`); what is a suspended tenant's is not due until it
is reactivated. All moments are the database's. Connections are in autocommit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import tuple_row

from store.jobs import Connection, Lease

WINDOW = 200
LEASES_WINDOW = 1_000
"""How many due timers are looked at, in the order of their moments, before tenants are gone through one by one."""

CLAIM_SECONDS = 5.0
PART = 32
"""Of a tenant, at a time."""

CLAIM_TIMERS = """
SELECT tenant_id, id, due_at, kind, owner_kind, owner_id, activation_id, moved, between_attempts, clock_timestamp()
  FROM runtime.claim_timers(%b::text[], %b::int, %b::int, %b::int, %b::uuid[], %b::float8)
"""
# What was moved or claimed by another since is let alone.
GIVE_BACK = """
UPDATE runtime.timers SET claimed_until = clock_timestamp() + %(seconds)s * interval '1 second'
 WHERE tenant_id = %(tenant_id)s AND id = %(id)s AND due_at = %(due_at)s AND moved = %(moved)s
"""
SECONDS_TO_TIMER = "SELECT runtime.seconds_to_timer(%s::text[])"
SELECT_EXPIRED_LEASES = """
SELECT tenant_id, id, fence, type, execution_id, activation_id, task_id FROM runtime.expired_leases(%b::int, %b::int)
"""
SECONDS_TO_EXPIRY = "SELECT runtime.seconds_to_next('expiry')"


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose moment has come. `moved`: how often by a pause; `between_attempts`: nobody has the job of its visit;
    `found_at`: the database's time when it was found."""

    tenant_id: UUID
    id: UUID
    due_at: datetime
    purpose: str
    owner: str
    owner_id: UUID | None
    activation_id: UUID | None
    moved: int
    between_attempts: bool
    found_at: datetime


@dataclass(frozen=True, slots=True)
class ExpiredLease:
    """A job whose lease expired; an `engine.jobs.HeldJob`."""

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


async def claim_timers(
    conn: Connection,
    owners: Sequence[str],
    limit: int,
    *,
    part: int = PART,
    under_way: Sequence[UUID] = (),
    window: int = WINDOW,
    seconds: float = CLAIM_SECONDS,
) -> list[DueTimer]:
    """Timers of such owners that are due, of all tenants in turn. Nobody else is given them for so many seconds.

    `part`: so many of a tenant at most, less what is under way of it already: `under_way` names the tenant of each of those. A
    timer is gone when the command that it fires drops it.
    """
    given = (list(owners), limit, window, part, list(under_way), seconds)
    return [DueTimer(*row) for row in await _rows(conn, CLAIM_TIMERS, *given)]


async def give_back(conn: Connection, timer: DueTimer, seconds: float) -> None:
    """Nothing came of it: whoever looks after so many seconds is given it."""
    given = {"tenant_id": timer.tenant_id, "id": timer.id, "due_at": timer.due_at, "moved": timer.moved, "seconds": seconds}
    await conn.execute(GIVE_BACK, given)


async def expired_leases(conn: Connection, limit: int) -> list[ExpiredLease]:
    """Jobs whose lease has expired, of all tenants in turn."""
    return [ExpiredLease(*row) for row in await _rows(conn, SELECT_EXPIRED_LEASES, limit, LEASES_WINDOW)]


async def seconds_to_timer(conn: Connection, owners: Sequence[str]) -> float | None:
    """Until there may be a timer of these owners to claim. None: none is set."""
    return await _seconds(conn, SECONDS_TO_TIMER, list(owners))


async def seconds_to_expiry(conn: Connection) -> float | None:
    """Until the next lease expires. None: nothing is leased."""
    return await _seconds(conn, SECONDS_TO_EXPIRY)


async def _rows(conn: Connection, statement: LiteralString, *given: Any) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(statement, given, prepare=True)
        return await cursor.fetchall()


async def _seconds(conn: Connection, statement: LiteralString, *given: Any) -> float | None:
    row = await (await conn.execute(statement, given, prepare=True)).fetchone()
    return None if row is None else row[0]
