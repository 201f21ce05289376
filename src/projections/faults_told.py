"""What is told of the events that hold up a ledger's tables, or were left out of them, to who reads the audit log.

Without the traceback: it is of the release and the machine, and for whoever mends them (`gesta projections show`).
"""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from projections import freshness
from projections.events_told import actor, event_item
from projections.poison_events import PoisonEvent
from store.reading import read_at

MOST_BYTES = 16_384
"""Of an event's data; larger ones are told by reference."""

SELECT_FAULT = """
SELECT tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at, topic
  FROM runtime.projection_faults WHERE tenant_id = %(tenant)s
"""

# A gap is left out at once: a row for each of its positions, recorded by one event.
SELECT_SKIPS = """
SELECT k.*, (SELECT e.topic FROM ledger.events e WHERE e.tenant_id = %(tenant)s AND e.position = k.position) AS topic
  FROM (SELECT min(position) AS position, max(position) AS up_to, min(error) AS error, min(reason) AS reason,
               min(skipped_at) AS skipped_at, min(recorded_by) AS recorded_position
          FROM runtime.projection_skips
         WHERE tenant_id = %(tenant)s AND position > %(after)s
         GROUP BY coalesce(recorded_by, -position)
         ORDER BY 1
         LIMIT %(limit)s) k
 ORDER BY k.position
"""


async def told(conn: AsyncConnection[Any], tenant_id: UUID, after: int, limit: int) -> dict[str, Any]:
    """What holds the tables up, and a page of what was left out behind a position. `conn`: as gesta_system."""
    fault = await (await conn.execute(SELECT_FAULT, {"tenant": tenant_id})).fetchone()
    skipped = await skips_told(conn, tenant_id, after, limit + 1)
    return {
        "position": await freshness.position(conn, tenant_id),
        "held_up": None if fault is None else await _held_up(conn, PoisonEvent(*fault)),
        "items": skipped[:limit],
        "next_cursor": str(skipped[limit - 1]["up_to"]) if len(skipped) > limit else None,
    }


async def skips_told(conn: AsyncConnection[Any], tenant_id: UUID, after: int, limit: int) -> list[dict[str, Any]]:
    """In their order, with who did it: None where a release skipped it that kept no record."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(SELECT_SKIPS, {"tenant": tenant_id, "after": after, "limit": limit})
        found = await cursor.fetchall()
    recorded = [row["recorded_position"] for row in found if row["recorded_position"] is not None]
    by = {record.position: actor(record) for record in await read_at(conn, tenant_id, recorded)}
    return [{**row, "actor": by.get(row["recorded_position"])} for row in found]


async def _held_up(conn: AsyncConnection[Any], fault: PoisonEvent) -> dict[str, Any]:
    events = await read_at(conn, fault.tenant_id, [fault.position])
    return {
        "position": fault.position,
        "event": event_item(events[0], MOST_BYTES) if events else None,
        "error": fault.error,
        "attempts": fault.attempts,
        "first_failed_at": fault.first_failed_at,
        "failed_at": fault.failed_at,
        "needs_release": fault.topic is not None,
        "retry_at": fault.retry_at if fault.topic is None else None,
    }
