"""Events that somebody decided to leave out of the tables: recorded in runtime.projection_skips, and named wherever it matters.

To skip is to move the tenant's checkpoint over the one event that holds it up; the projector goes on behind it. No table shows
the event, the audit log neither. Replay and verify fold without it too, so that everything else is still compared, and say so.
What relied on the event may not be applicable either: it is then skipped in its own right, or stands.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from projections import faults, freshness
from projections.freshness import LostRace
from runtime.errors import OperatorError
from store.notifications.channels import PROJECTED
from store.notifications.sending import notify

SELECT = """
SELECT position, reason, error, skipped_at FROM runtime.projection_skips WHERE tenant_id = %(tenant)s ORDER BY position
"""

EVENT = "SELECT position, recorded_at FROM ledger.events WHERE tenant_id = %(tenant)s AND position = %(position)s"

RECORD = """
INSERT INTO runtime.projection_skips (tenant_id, position, reason, error)
VALUES (%(tenant)s, %(position)s, %(reason)s, %(error)s)
"""


class Skip(NamedTuple):
    """A row of runtime.projection_skips."""

    position: int
    reason: str
    error: str
    skipped_at: datetime

    def __str__(self) -> str:
        return f"event {self.position} was skipped at {self.skipped_at:%Y-%m-%d %H:%M:%S%z}: {self.reason} ({self.error})"


class Passed(NamedTuple):
    """The place of an event that is passed over unread."""

    position: int
    recorded_at: datetime


async def skips(conn: AsyncConnection[Any], tenant_id: UUID) -> list[Skip]:
    """A tenant's skipped events, in their order."""
    cursor = await conn.execute(SELECT, {"tenant": tenant_id})
    return [Skip(*row) for row in await cursor.fetchall()]


async def skip(conn: AsyncConnection[Any], tenant_id: UUID, position: int, reason: str) -> None:
    """Leave out the event that holds a tenant up, and wake the projector. `conn` is in autocommit, as gesta_system.

    Raises OperatorError where another event, or none, holds the tenant up.
    """
    async with conn.transaction():
        fault = (await faults.faults(conn)).get(tenant_id)
        if fault is None or fault.position != position:
            held = "nothing holds it up" if fault is None else f"event {fault.position} holds it up"
            raise OperatorError(f"Event {position} cannot be skipped: {held}.")
        try:
            await freshness.lock(conn, {tenant_id: position - 1})
        except LostRace:
            raise OperatorError(f"Event {position} cannot be skipped: the tables have moved on.") from None
        cursor = await conn.execute(EVENT, {"tenant": tenant_id, "position": position})
        row = await cursor.fetchone()
        if row is None:
            raise OperatorError(f"There is no event {position}.")
        named = {"tenant": tenant_id, "position": position, "reason": reason, "error": fault.error}
        await conn.execute(RECORD, named)
        await freshness.advance(conn, {tenant_id: position - 1}, {tenant_id: Passed(*row)})
        await faults.clear(conn, [tenant_id])
        await faults.hint(conn)
        await notify(conn, PROJECTED, str(tenant_id))
