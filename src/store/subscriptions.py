"""Who waits for events, and which events came before: rows beside the ledger, and the ledger itself.

    runtime.claims (tenant_id, scope, name, owner, position, PRIMARY KEY (tenant_id, scope, name))

A visit that waits for events of a type holds a name in `engine.deliveries.scope_of`: the id of what it waits for. A trigger that
they start holds one in `domain.trigger.scope_of`: its own id. `position`: of
the command by which it began to wait, so that it is known whether an event came before. Connections are in autocommit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import tuple_row

from domain.event import EventReceived
from domain.trigger import scope_of as of_triggers
from engine.deliveries import scope_of
from engine.events import EventSubscription
from store.codec import JSON, Undecodable
from store.jobs import Connection
from store.topics import UnknownTopic

PAGE = 100

SELECT_WAITING = """
SELECT name::uuid, owner
  FROM runtime.claims
 WHERE tenant_id = %(tenant)s AND scope = %(scope)s AND name > %(after)s
   AND position < (SELECT position FROM ledger.events WHERE tenant_id = %(tenant)s AND stream_id = %(event)s AND version = 1)
 ORDER BY name
 LIMIT %(limit)s
"""

SELECT_SINCE = """
SELECT c.position, e.recorded_at
  FROM runtime.claims c
  JOIN ledger.events e ON e.tenant_id = c.tenant_id AND e.position = c.position
 WHERE c.tenant_id = %(tenant)s AND c.scope = %(scope)s AND c.name = %(wait)s
"""

# The index is for this topic alone: `event.received.v1`.
SELECT_BEFORE = """
SELECT position, stream_id, recorded_at, topic, data
  FROM ledger.events
 WHERE tenant_id = %(tenant)s AND position < %(before)s AND topic = 'event.received.v1'
 ORDER BY position DESC
 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Before:
    """Events that came before a visit began to wait, the latest first. `next`: before which the next page ends; None: no more."""

    events: list[UUID]
    next: int | None


async def waiting(conn: Connection, tenant_id: UUID, event_id: UUID, type: str, after: str) -> list[EventSubscription]:
    """Those who waited for events of a type when one came, by their ids, a page's worth after one."""
    given = {"tenant": tenant_id, "scope": scope_of(type), "event": event_id, "after": after, "limit": PAGE}
    return [EventSubscription(*row) for row in await _rows(conn, SELECT_WAITING, given)]


async def triggers(conn: Connection, tenant_id: UUID, event_id: UUID, type: str, after: str) -> list[UUID]:
    """The triggers that such events start when one came, by their ids, a page's worth after one."""
    given = {"tenant": tenant_id, "scope": of_triggers(type), "event": event_id, "after": after, "limit": PAGE}
    return [owner for _, owner in await _rows(conn, SELECT_WAITING, given)]


async def since(conn: Connection, tenant_id: UUID, wait_id: UUID, type: str) -> tuple[int, datetime] | None:
    """At which position, and when, a visit began to wait; None: it waits no longer."""
    given = {"tenant": tenant_id, "scope": scope_of(type), "wait": str(wait_id)}
    rows = await _rows(conn, SELECT_SINCE, given)
    return (rows[0][0], rows[0][1]) if rows else None


async def before(conn: Connection, tenant_id: UUID, type: str, position: int, moment: datetime, back: timedelta) -> Before:
    """Of this type, before a position and not earlier than so long before a moment."""
    rows = await _rows(conn, SELECT_BEFORE, {"tenant": tenant_id, "before": position, "limit": PAGE})
    young = [row for row in rows if row[2] >= moment - back]
    events = [stream_id for _, stream_id, _, topic, data in young if _is(type, topic, data)]
    return Before(events, young[-1][0] if len(young) == PAGE else None)


def _is(type: str, topic: str, data: bytes) -> bool:
    try:
        event = JSON.decode(topic, data)
    except (UnknownTopic, Undecodable):
        return False
    return isinstance(event, EventReceived) and event.type == type


async def _rows(conn: Connection, statement: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(statement, given, prepare=True)
        return await cursor.fetchall()
