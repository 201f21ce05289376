"""Events that the projector cannot apply: recorded in runtime.projection_faults, retried with growing intervals.

The tenant's tables stand still before such an event, until it can be applied or somebody skips it (`projections.skipped_events`);
the other tenants go on. That somebody had it tried again is an event, `projection.retried`.
"""

import traceback
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

from domain.envelope import Envelope
from domain.projection_faults import ProjectionRetried, projection_faults_id_of
from domain.storable import storable_text
from store.beside import append_beside
from store.notifications.channels import EVENTS
from store.notifications.sending import notify
from store.topics import UnknownTopic, is_known

FIRST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(minutes=5)
LONGEST_TEXT = 2000
LONGEST_TRACE = 8192
"""Of a traceback the end is kept: there it says what happened, and where."""

SELECT = """
SELECT tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at, topic
  FROM runtime.projection_faults
 ORDER BY tenant_id
"""

RECORD = """
INSERT INTO runtime.projection_faults AS known
       (tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at, topic, trace)
VALUES (%(tenant)s, %(position)s, %(error)s, %(attempts)s, %(now)s, %(now)s, %(retry_at)s, %(topic)s, %(trace)s)
    ON CONFLICT (tenant_id) DO UPDATE
   SET position = excluded.position, error = excluded.error, attempts = excluded.attempts, failed_at = excluded.failed_at,
       retry_at = excluded.retry_at, topic = excluded.topic, trace = excluded.trace,
       first_failed_at = CASE WHEN known.position = excluded.position THEN known.first_failed_at ELSE excluded.first_failed_at END
"""

CLEAR = "DELETE FROM runtime.projection_faults WHERE tenant_id = ANY(%(tenants)s)"

HELD_UP = (
    "SELECT tenant_id FROM runtime.projection_faults WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s ORDER BY tenant_id"
)

RETRY = """
UPDATE runtime.projection_faults f SET retry_at = %(now)s
 WHERE f.tenant_id = %(tenant)s
RETURNING f.position, f.error,
          (SELECT e.topic FROM ledger.events e WHERE e.tenant_id = f.tenant_id AND e.position = f.position)
"""

MAKE_DUE = """
UPDATE runtime.projection_faults SET retry_at = %(now)s WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s RETURNING 1
"""

TRACE = "SELECT trace FROM runtime.projection_faults WHERE tenant_id = %(tenant)s AND position = %(position)s"
"""Apart: nobody but a person reads it, and the projector reads the rest each round."""


class PoisonEvent(NamedTuple):
    """A row of runtime.projection_faults."""

    tenant_id: UUID
    position: int
    error: str
    attempts: int
    first_failed_at: datetime
    failed_at: datetime
    retry_at: datetime
    topic: str | None = None
    """Of an event whose topic was not known to the release that met it: it is no poison, its tables wait for another release."""

    def is_due(self, now: datetime) -> bool:
        """Whether to try now. What waits for another release is due once this is one that knows the topic."""
        return self.retry_at <= now if self.topic is None else is_known(self.topic)

    @property
    def words(self) -> str:
        if self.topic is not None:
            return f"needs a release that knows the topic {self.topic}"
        return f"cannot be applied ({self.attempts} attempts): {self.error}"


class Missing(Exception):
    """An event is not there, and later ones are: append leaves no gap, so somebody else wrote or deleted here."""


async def read_poison_events(conn: AsyncConnection[Any]) -> dict[UUID, PoisonEvent]:
    return await read_faults(await conn.execute(SELECT))


async def read_faults(cursor: AsyncCursor[Any]) -> dict[UUID, PoisonEvent]:
    """What `SELECT` found, also in a pipeline once that has ended."""
    return {row[0]: PoisonEvent(*row) for row in await cursor.fetchall()}


async def record(
    conn: AsyncConnection[Any], known: PoisonEvent | None, tenant_id: UUID, position: int, error: Exception, now: datetime
) -> PoisonEvent:
    """Write down that a tenant's event could not be applied (again), and when to try next."""
    again = known is not None and known.position == position
    attempts = known.attempts + 1 if known is not None and again else 1
    first = known.first_failed_at if known is not None and again else now
    text = storable_text(f"{type(error).__name__}: {error}")[:LONGEST_TEXT]
    topic = error.topic if isinstance(error, UnknownTopic) else None
    fault = PoisonEvent(tenant_id, position, text, attempts, first, now, now + interval(attempts), topic)
    values = {"tenant": tenant_id, "position": position, "error": text, "attempts": attempts, "now": now}
    await conn.execute(RECORD, {**values, "retry_at": fault.retry_at, "topic": topic, "trace": trace_of(error)})
    return fault


def trace_of(error: Exception) -> str:
    return storable_text("".join(traceback.format_exception(error)))[-LONGEST_TRACE:]


async def read_trace(conn: AsyncConnection[Any], fault: PoisonEvent) -> str | None:
    """None where a release that kept none recorded the fault, or it is over."""
    row = await (await conn.execute(TRACE, {"tenant": fault.tenant_id, "position": fault.position})).fetchone()
    return None if row is None else row[0]


def interval(attempts: int) -> timedelta:
    """How long to wait after so many attempts: it doubles, up to five minutes."""
    doubled: timedelta = FIRST_INTERVAL * 2 ** min(attempts - 1, 16)
    return min(doubled, LONGEST_INTERVAL)


async def clear(conn: AsyncConnection[Any], tenant_ids: Collection[UUID]) -> None:
    await conn.execute(CLEAR, {"tenants": list(tenant_ids)})


async def retry(conn: AsyncConnection[Any], now: datetime, tenant_id: UUID | None = None, by: str | None = None) -> list[UUID]:
    """Make a tenant's fault, or every fault, due now, with an event that says so, and wake the projector.

    `by`: the operator. `conn` is in autocommit. Returns the tenants that had one.
    """
    cursor = await conn.execute(HELD_UP, {"tenant": tenant_id})
    woken = [row[0] for row in await cursor.fetchall() if await _retry(conn, now, row[0], by)]
    if woken:
        await hint(conn)
    return woken


async def make_due(conn: AsyncConnection[Any], now: datetime, tenant_id: UUID | None = None) -> None:
    """As `retry`, where the tables were made anew: nobody asked for it, and there is no event."""
    if await (await conn.execute(MAKE_DUE, {"now": now, "tenant": tenant_id})).fetchone():
        await hint(conn)


async def _retry(conn: AsyncConnection[Any], now: datetime, tenant_id: UUID, by: str | None) -> bool:
    """A transaction for each: nobody holds the heads of two ledgers."""
    async with conn.transaction():
        row = await (await conn.execute(RETRY, {"now": now, "tenant": tenant_id})).fetchone()
        if row is None:
            return False  # it was overcome meanwhile
        position, error, topic = row
        event = ProjectionRetried(position, error, topic)
        await append_beside(conn, tenant_id, projection_faults_id_of(tenant_id), event, Envelope("system", by), now)
        return True


async def hint(conn: AsyncConnection[Any]) -> None:
    """Have the projector look at everything."""
    await notify(conn, EVENTS)
