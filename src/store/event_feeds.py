"""How far endpoints have got that are sent the ledger itself.

    runtime.event_feeds (tenant_id, endpoint_id, position, leased_until, next_attempt_at, failing_since, failures, last_error,
                         delivered_at, rewound, created_at, PRIMARY KEY (tenant_id, endpoint_id))

One row for each, and nothing in the ledger: an event that is sent is none. Whoever holds a feed's lease sends what comes next, so
that it is in order; who loses it moves nothing on. Connections are gesta_system's, in autocommit.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row

from store.jobs import Connection

LEASE = timedelta(seconds=30)
"""Longer than a request may take."""

BEGIN = """
INSERT INTO runtime.event_feeds (tenant_id, endpoint_id, position)
SELECT %(tenant)s, %(endpoint)s,
       coalesce((SELECT position FROM ledger.events WHERE tenant_id = %(tenant)s ORDER BY position DESC LIMIT 1), 0)
"""
CLAIM = """
WITH due AS (
    SELECT tenant_id, endpoint_id,
           row_number() OVER (PARTITION BY tenant_id ORDER BY leased_until NULLS FIRST, endpoint_id) AS place
      FROM runtime.event_feeds f
     WHERE (%(grown)s::uuid[] IS NULL OR tenant_id = ANY (%(grown)s::uuid[]))
       AND tenant_id <> ALL (%(busy)s::uuid[])
       AND (leased_until IS NULL OR leased_until <= clock_timestamp())
       AND (next_attempt_at IS NULL OR next_attempt_at <= clock_timestamp())
       AND (SELECT position FROM ledger.events e WHERE e.tenant_id = f.tenant_id ORDER BY position DESC LIMIT 1) > f.position
       AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = f.tenant_id))
UPDATE runtime.event_feeds f
   SET leased_until = clock_timestamp() + %(lease)s
  FROM (SELECT f.tenant_id, f.endpoint_id FROM runtime.event_feeds f JOIN due USING (tenant_id, endpoint_id)
         WHERE due.place <= %(of_tenant)s AND (f.leased_until IS NULL OR f.leased_until <= clock_timestamp())
         ORDER BY f.leased_until NULLS FIRST, f.tenant_id, f.endpoint_id LIMIT %(most)s
           FOR NO KEY UPDATE OF f SKIP LOCKED) claimed
 WHERE f.tenant_id = claimed.tenant_id AND f.endpoint_id = claimed.endpoint_id
RETURNING f.tenant_id, f.endpoint_id, f.position, f.leased_until, f.failures, f.created_at < clock_timestamp() - interval '1 hour'
"""
SELECT_FOLLOWED = "SELECT DISTINCT tenant_id FROM runtime.event_feeds"
HELD = " WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND position = %(before)s AND leased_until = %(lease)s"
ADVANCE = """
UPDATE runtime.event_feeds
   SET position = %(position)s, leased_until = clock_timestamp(), next_attempt_at = NULL, failing_since = NULL, failures = 0,
       last_error = NULL, delivered_at = CASE WHEN %(delivered)s THEN clock_timestamp() ELSE delivered_at END
"""
FAIL = """
UPDATE runtime.event_feeds
   SET leased_until = clock_timestamp(), next_attempt_at = clock_timestamp() + %(pause)s,
       failing_since = coalesce(failing_since, clock_timestamp()), failures = failures + 1, last_error = %(error)s
"""
PUT_OFF = "UPDATE runtime.event_feeds SET leased_until = clock_timestamp(), next_attempt_at = clock_timestamp() + %(pause)s"
END = "DELETE FROM runtime.event_feeds"
RELEASE = """
UPDATE runtime.event_feeds SET leased_until = clock_timestamp()
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND leased_until = %(lease)s
"""
# A request that is under way keeps its lease, so that the next one begins behind it; it moves nothing on any more.
MOVE = """
UPDATE runtime.event_feeds
   SET position = %(position)s, next_attempt_at = NULL, failing_since = NULL, failures = 0,
       last_error = NULL, rewound = %(version)s
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s AND rewound < %(version)s
"""
TRY_NOW = """
UPDATE runtime.event_feeds SET next_attempt_at = NULL, failing_since = NULL, failures = 0, last_error = NULL
 WHERE tenant_id = %(tenant)s AND endpoint_id = %(endpoint)s
"""
SELECT_STANDING = """
SELECT f.position,
       coalesce((SELECT position FROM ledger.events e WHERE e.tenant_id = f.tenant_id ORDER BY position DESC LIMIT 1), 0),
       f.failing_since, f.failures, f.last_error, f.next_attempt_at, f.delivered_at
  FROM runtime.event_feeds f
 WHERE f.tenant_id = %(tenant)s AND f.endpoint_id = %(endpoint)s
"""
# Asked after a look: what has come due since, within a second, is none that the look left behind.
SECONDS_TO_NEXT = """
SELECT extract(epoch FROM min(greatest(next_attempt_at, leased_until)) - clock_timestamp())::float8 FROM runtime.event_feeds f
 WHERE next_attempt_at IS NOT NULL AND greatest(next_attempt_at, leased_until) > clock_timestamp() - interval '1 second'
   AND (SELECT position FROM ledger.events e WHERE e.tenant_id = f.tenant_id ORDER BY position DESC LIMIT 1) > f.position
   AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = f.tenant_id)
"""


class Feed(NamedTuple):
    """One that is held. `is_old`: its endpoint would be there by now, had it ever been made."""

    tenant_id: UUID
    endpoint_id: UUID
    position: int
    leased_until: datetime
    failures: int
    is_old: bool

    @property
    def held(self) -> dict[str, Any]:
        named = {"tenant": self.tenant_id, "endpoint": self.endpoint_id}
        return {**named, "before": self.position, "lease": self.leased_until}


class Standing(NamedTuple):
    position: int
    head: int
    failing_since: datetime | None
    failures: int
    last_error: str | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None


async def begin(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """With what happens from now on. Called before the command that makes the endpoint."""
    await conn.execute(BEGIN, {"tenant": tenant_id, "endpoint": endpoint_id})


async def followed(conn: Connection) -> set[UUID]:
    """The tenants whose ledgers are sent to somebody."""
    return {row[0] for row in await _rows(conn, SELECT_FOLLOWED, {})}


async def claim(
    conn: Connection, most: int, of_tenant: int, busy: Collection[UUID] = (), grown: Collection[UUID] | None = None
) -> list[Feed]:
    """Those that have something to look at, so many of a tenant: of all or of those that have `grown`, but for the `busy`."""
    looked = None if grown is None else list(grown)
    given = {"lease": LEASE, "most": most, "of_tenant": of_tenant, "busy": list(busy), "grown": looked}
    return [Feed(*row) for row in await _rows(conn, CLAIM, given)]


async def advance(conn: Connection, feed: Feed, position: int, *, delivered: bool) -> bool:
    """Whether it went on: not where it was told to go on from elsewhere meanwhile."""
    cursor = await conn.execute(ADVANCE + HELD, {**feed.held, "position": position, "delivered": delivered})
    return cursor.rowcount > 0 or await _released(conn, feed)


async def fail(conn: Connection, feed: Feed, pause: timedelta, error: str) -> timedelta | None:
    """For how long it has accepted nothing. None: it was told to go on from elsewhere meanwhile."""
    returning = " RETURNING clock_timestamp() - failing_since"
    rows = await _rows(conn, FAIL + HELD + returning, {**feed.held, "pause": pause, "error": error})
    if not rows:
        await _released(conn, feed)
        return None
    failing: timedelta = rows[0][0]
    return failing


async def _released(conn: Connection, feed: Feed) -> bool:
    """False. What this request came to is of no use, and another one may begin."""
    await conn.execute(RELEASE, feed.held)
    return False


async def put_off(conn: Connection, feed: Feed, pause: timedelta) -> None:
    """Nothing can be sent now, which is no failure of its receiver."""
    cursor = await conn.execute(PUT_OFF + HELD, {**feed.held, "pause": pause})
    if cursor.rowcount == 0:
        await _released(conn, feed)


async def end(conn: Connection, feed: Feed) -> None:
    """Its endpoint is no more."""
    await conn.execute(END + HELD, feed.held)


async def move(conn: Connection, tenant_id: UUID, endpoint_id: UUID, position: int, version: int) -> None:
    """It goes on behind this position, whoever holds it. `version`: of the endpoint by the event that says so; it counts once."""
    given = {"tenant": tenant_id, "endpoint": endpoint_id, "position": position, "version": version}
    await conn.execute(MOVE, given)


async def try_now(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    await conn.execute(TRY_NOW, {"tenant": tenant_id, "endpoint": endpoint_id})


async def standing(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> Standing | None:
    rows = await _rows(conn, SELECT_STANDING, {"tenant": tenant_id, "endpoint": endpoint_id})
    return Standing(*rows[0]) if rows else None


async def seconds_to_next(conn: Connection) -> float | None:
    """Until one may be tried again that is put off; not above 0: one may that was not when feeds were claimed."""
    rows = await _rows(conn, SECONDS_TO_NEXT, {})
    seconds: float | None = rows[0][0]
    return seconds


async def _rows(conn: Connection, statement: str, given: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchall()
