"""How far each ledger was looked through for what is to be delivered, and since when endpoints accept nothing.

    runtime.notification_cursors  (tenant_id PRIMARY KEY, position, endpoints, catalogue, leased_until)
    runtime.notification_failures (tenant_id, endpoint_id, failing_since, failures, PRIMARY KEY (tenant_id, endpoint_id))

A tenant has a cursor from the moment before it first names somebody to notify; those who never do cost nothing. What there is to
deliver follows from the events alone: the endpoints as of the cursor's position are kept with it and move on with it. Two workers
that look through the same events ask for the same deliveries, which counts once; leases only spare them that. Connections are
gesta_system's, in autocommit.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Json
from domain.notices import TYPES
from engine.notices import Begun, execution_of
from store.jobs import Connection
from store.notifications.channels import FOLLOWED
from store.notifications.sending import notify
from store.reading import decode_rows

LEASE = timedelta(seconds=4)

FOLLOW = """
INSERT INTO runtime.notification_cursors (tenant_id, position)
SELECT %(tenant)s, coalesce((SELECT position FROM ledger.events WHERE tenant_id = %(tenant)s ORDER BY position DESC LIMIT 1), 0)
    ON CONFLICT DO NOTHING
RETURNING tenant_id
"""

SELECT_FOLLOWED = "SELECT tenant_id FROM runtime.notification_cursors"

CLAIM = """
UPDATE runtime.notification_cursors c
   SET leased_until = clock_timestamp() + %(lease)s, catalogue = %(catalogue)s
  FROM (SELECT tenant_id FROM runtime.notification_cursors c
         WHERE (%(grown)s::uuid[] IS NULL OR tenant_id = ANY (%(grown)s::uuid[])) AND catalogue <= %(catalogue)s
           AND (leased_until IS NULL OR leased_until <= clock_timestamp())
           AND (SELECT position FROM ledger.events e WHERE e.tenant_id = c.tenant_id ORDER BY position DESC LIMIT 1) > c.position
           AND NOT EXISTS (SELECT FROM runtime.suspended_tenants s WHERE s.tenant_id = c.tenant_id)
         ORDER BY leased_until NULLS FIRST, tenant_id LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED) behind
 WHERE c.tenant_id = behind.tenant_id
RETURNING c.tenant_id, c.position, c.endpoints
"""

# Of two that were at it, the first one counts.
ADVANCE = """
UPDATE runtime.notification_cursors SET position = %(position)s, endpoints = %(endpoints)s, leased_until = clock_timestamp()
 WHERE tenant_id = %(tenant)s AND position = %(before)s
"""
PROLONG = """
UPDATE runtime.notification_cursors SET leased_until = clock_timestamp() + %s
 WHERE tenant_id = %s AND position = %s AND leased_until > clock_timestamp()
"""
LET_GO = "UPDATE runtime.notification_cursors SET leased_until = clock_timestamp() + %s WHERE tenant_id = %s AND position = %s"

SELECT_FIRST = """
SELECT position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data
  FROM ledger.events
 WHERE tenant_id = %s AND stream_id = ANY (%s) AND version = 1
"""

COUNT_FAILURE = """
INSERT INTO runtime.notification_failures AS f (tenant_id, endpoint_id, failing_since, failures)
VALUES (%s, %s, clock_timestamp(), 1)
    ON CONFLICT (tenant_id, endpoint_id) DO UPDATE SET failures = f.failures + 1
RETURNING clock_timestamp() - failing_since
"""
FORGET_FAILURES = "DELETE FROM runtime.notification_failures WHERE tenant_id = %s AND endpoint_id = %s"


SELECT_MAIL_ENDPOINTS = """
SELECT e.key FROM runtime.notification_cursors c CROSS JOIN LATERAL jsonb_each(c.endpoints) e
 WHERE c.tenant_id = %s AND e.value ->> 'format' = 'mail' ORDER BY e.key
"""


class Cursor(NamedTuple):
    """`endpoints`: as of the position, by id: what each wishes for."""

    tenant_id: UUID
    position: int
    endpoints: Mapping[str, Json]


async def follow(conn: Connection, tenant_id: UUID) -> None:
    """Have a tenant's ledger looked through from now on. Called before a command that names somebody to notify."""
    if await _rows(conn, FOLLOW, {"tenant": tenant_id}):
        await notify(conn, FOLLOWED, str(tenant_id))


async def followed(conn: Connection) -> set[UUID]:
    """The tenants whose ledgers are looked through."""
    return {row[0] for row in await _rows(conn, SELECT_FOLLOWED, {})}


async def claim(conn: Connection, catalogue: int, most: int, grown: Collection[UUID] | None = None) -> list[Cursor]:
    """Ledgers that have grown, those first that were looked through least recently. `catalogue`: how many types one knows.

    `grown`: only of these.
    """
    given = {"lease": LEASE, "catalogue": catalogue, "most": most, "grown": None if grown is None else list(grown)}
    return [Cursor(*row) for row in await _rows(conn, CLAIM, given)]


async def advance(conn: Connection, cursor: Cursor, position: int, endpoints: Mapping[str, Json]) -> None:
    """All deliveries up to a position were asked for."""
    given = {"tenant": cursor.tenant_id, "before": cursor.position, "position": position, "endpoints": Jsonb(dict(endpoints))}
    await conn.execute(ADVANCE, given)


async def prolong(conn: Connection, cursor: Cursor) -> None:
    """It takes longer. One that has run out stays so: another one may be at it."""
    await conn.execute(PROLONG, (LEASE, cursor.tenant_id, cursor.position))


async def let_go(conn: Connection, cursor: Cursor, pause: timedelta) -> None:
    """It cannot be done now: whoever looks after the pause may try."""
    await conn.execute(LET_GO, (pause, cursor.tenant_id, cursor.position))


async def first_events(conn: Connection, tenant_id: UUID, streams: Iterable[UUID]) -> dict[UUID, RecordedEvent]:
    """With what each stream began."""
    wanted = list(set(streams))
    if not wanted:
        return {}
    async with conn.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(SELECT_FIRST, (tenant_id, wanted))
        found = decode_rows(tenant_id, await cursor.fetchall())
    return {record.stream_id: record for record in found}


async def beginnings_of(conn: Connection, tenant_id: UUID, records: Sequence[RecordedEvent]) -> dict[UUID, Begun]:
    """By the stream of each event that may be told of."""
    streams = {record.stream_id for record in records if type(record.event) in TYPES}
    firsts = {id: record.event for id, record in (await first_events(conn, tenant_id, streams)).items()}
    asked_by = {id: owner for id, event in firsts.items() if (owner := execution_of(event)) is not None}
    missing = {owner for owner in asked_by.values() if owner not in firsts}
    known = firsts | {id: record.event for id, record in (await first_events(conn, tenant_id, missing)).items()}
    executions = {id: event for id, event in known.items() if isinstance(event, ExecutionStarted)}
    return {id: Begun(event, executions.get(asked_by.get(id, id))) for id, event in firsts.items()}


async def count_failure(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> timedelta:
    """For how long an endpoint has accepted nothing."""
    ((since,),) = await _rows(conn, COUNT_FAILURE, (tenant_id, endpoint_id))
    assert isinstance(since, timedelta)
    return since


async def forget_failures(conn: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """It accepted something, or begins anew."""
    await conn.execute(FORGET_FAILURES, (tenant_id, endpoint_id))


async def mail_endpoints(conn: Connection, tenant_id: UUID) -> list[UUID]:
    """Those that send mail, as of the cursor's position: enabled or not by now, their streams say."""
    return [UUID(row[0]) for row in await _rows(conn, SELECT_MAIL_ENDPOINTS, (tenant_id,))]


async def _rows(conn: Connection, statement: str, given: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    async with conn.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(statement, given)
        return await cursor.fetchall()
