"""Events that somebody decided to leave out of the tables: recorded in runtime.projection_skips, and named wherever it matters.

To skip is to move the tenant's checkpoint over the one event that holds it up, or over the gap; the projector goes on behind it.
That it was skipped is an event as well, in the same transaction: `projection.event_skipped`, by who did it. No table shows the
event itself, the audit log neither. Replay and verify fold without it too, so that everything else is still compared, and say
so. A decision on the event's own stream is not made without it: whoever does not know all that happened decides nothing. What
relied on the event may not be applicable either: it is then skipped in its own right, or stands.

A skip ends when the tables are built anew with the event (`projections.rebuilding`), in the transaction that exchanges them.
That is an event as well, `projection.event_unskipped`.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import Envelope
from domain.projection_faults import ProjectionEventSkipped, ProjectionEventUnskipped, projection_faults_id_of
from projections import freshness, poison_events
from projections.freshness import LostRace
from runtime.errors import OperatorError
from store.beside import append_beside
from store.notifications.channels import PROJECTED
from store.notifications.sending import notify
from store.reading import read_at
from store.topics import topics_of

SELECT = """
SELECT position, reason, error, skipped_at, recorded_by
  FROM runtime.projection_skips WHERE tenant_id = %(tenant)s ORDER BY position
"""

# the event itself; or, where it is missing, the last position of the gap
SKIPPED = """
SELECT CASE WHEN e.position = %(position)s THEN e.position ELSE e.position - 1 END, e.recorded_at,
       CASE WHEN e.position = %(position)s THEN e.topic END
  FROM ledger.events e WHERE e.tenant_id = %(tenant)s AND e.position >= %(position)s
 ORDER BY e.position LIMIT 1
"""

RECORD = """
INSERT INTO runtime.projection_skips (tenant_id, position, reason, error, recorded_by)
SELECT %(tenant)s, position, %(reason)s, %(error)s, %(recorded_by)s
  FROM generate_series(%(position)s::bigint, %(up_to)s::bigint) AS s (position)
"""

END = "DELETE FROM runtime.projection_skips WHERE tenant_id = %(tenant)s AND position = %(position)s"

# skips whose event is not there, or says something else
UNRECORDED = """
SELECT k.position, k.recorded_by
  FROM runtime.projection_skips k
 WHERE k.tenant_id = %(tenant)s AND k.recorded_by IS NOT NULL AND NOT EXISTS (
       SELECT FROM ledger.events e
        WHERE e.tenant_id = k.tenant_id AND e.position = k.recorded_by AND e.stream_id = %(stream)s AND e.topic = ANY(%(topics)s))
 ORDER BY k.position LIMIT %(most)s
"""


class SkippedEvent(NamedTuple):
    """A row of runtime.projection_skips."""

    position: int
    reason: str
    error: str
    skipped_at: datetime
    recorded_by: int | None = None
    """Position of the event that says so; None: it was skipped by a release that appended none."""

    def __str__(self) -> str:
        return f"event {self.position} was skipped at {self.skipped_at:%Y-%m-%d %H:%M:%S%z}: {self.reason} ({self.error})"


class Unskipping(NamedTuple):
    """Skips that are to end, and why; `topics`: of the events, by position. `by`: the operator."""

    tenant_id: UUID
    topics: Mapping[int, str]
    reason: str
    by: str | None = None

    @property
    def positions(self) -> dict[UUID, frozenset[int]]:
        """By ledger."""
        return {self.tenant_id: frozenset(self.topics)}


class SkippedPlace(NamedTuple):
    """The place of an event that is passed over unread."""

    position: int
    recorded_at: datetime
    topic: str | None = None


async def read_skipped_events(conn: AsyncConnection[Any], tenant_id: UUID) -> list[SkippedEvent]:
    """A tenant's skipped events, in their order."""
    cursor = await conn.execute(SELECT, {"tenant": tenant_id})
    return [SkippedEvent(*row) for row in await cursor.fetchall()]


async def unrecorded(conn: AsyncConnection[Any], tenant_id: UUID, most: int) -> list[tuple[int, int]]:
    """Skips whose event is not in the ledger: the position skipped, and where the event should be. For verify."""
    topics = topics_of(ProjectionEventSkipped)
    asked = {"tenant": tenant_id, "stream": projection_faults_id_of(tenant_id), "topics": list(topics), "most": most}
    return await (await conn.execute(UNRECORDED, asked)).fetchall()


async def skip(
    conn: AsyncConnection[Any], tenant_id: UUID, position: int, reason: str, *, now: datetime, by: str | None = None
) -> None:
    """Leave out the event that holds a tenant up, or all that are missing from there on, and wake the projector.

    `by`: the operator. The decision is appended to the ledger, the row that the projector goes by is written, and the checkpoint
    is moved, all in one transaction. `conn` is in autocommit, as gesta_system. Raises OperatorError where another event, or none,
    holds the tenant up.
    """
    async with conn.transaction():
        fault = (await poison_events.read_poison_events(conn)).get(tenant_id)
        if fault is None or fault.position != position:
            held = "nothing holds it up" if fault is None else f"event {fault.position} holds it up"
            raise OperatorError(f"Event {position} cannot be skipped: {held}.")
        try:
            await freshness.lock(conn, {tenant_id: position - 1})
        except LostRace:
            raise OperatorError(f"Event {position} cannot be skipped: the tables have moved on.") from None
        cursor = await conn.execute(SKIPPED, {"tenant": tenant_id, "position": position})
        row = await cursor.fetchone()
        if row is None:
            raise OperatorError(f"There is no event {position}, and none after it.")
        passed = SkippedPlace(*row)
        event = ProjectionEventSkipped(position, passed.position, reason, fault.error, passed.topic)
        envelope = Envelope("system", by, reason=reason)
        recorded = await append_beside(conn, tenant_id, projection_faults_id_of(tenant_id), event, envelope, now)
        named = {"tenant": tenant_id, "position": position, "up_to": passed.position, "reason": reason, "error": fault.error}
        await conn.execute(RECORD, {**named, "recorded_by": recorded})
        await freshness.advance(conn, {tenant_id: position - 1}, {tenant_id: passed})
        await poison_events.clear(conn, [tenant_id])
        await poison_events.hint(conn)
        await notify(conn, PROJECTED, str(tenant_id))


async def to_unskip(
    conn: AsyncConnection[Any], tenant_id: UUID, positions: Collection[int], reason: str, by: str | None = None
) -> Unskipping:
    """These skips of a ledger; all of its events that are skipped where no position is named. Raises OperatorError."""
    known = [skip.position for skip in await read_skipped_events(conn, tenant_id)]
    for position in positions:
        if position not in known:
            raise OperatorError(f"Event {position} is not skipped.")
    wanted = sorted(positions or known)
    topics = {record.position: record.topic for record in await read_at(conn, tenant_id, wanted)}
    for position in positions:
        if position not in topics:
            raise OperatorError(f"There is no event {position}: a gap in the ledger was skipped, and stays.")
    if not topics:
        raise OperatorError("No event is skipped.")
    return Unskipping(tenant_id, topics, reason, by)


async def end(owner: AsyncConnection[Any], system: AsyncConnection[Any], skips: Unskipping, now: datetime) -> None:
    """The tables have the events by now. `owner`: as gesta_owner, at the end of the transaction in which they come to serve.

    The owner's login cannot append, so the events are committed by themselves, just before: who dies in between leaves events on
    record of what did not happen, and does it again; nothing happens without one.
    """
    stream = projection_faults_id_of(skips.tenant_id)
    for position in skips.topics:
        await owner.execute(END, {"tenant": skips.tenant_id, "position": position})
    async with system.transaction():
        for position, topic in skips.topics.items():
            event = ProjectionEventUnskipped(position, skips.reason, topic)
            envelope = Envelope("system", skips.by, reason=skips.reason)
            await append_beside(system, skips.tenant_id, stream, event, envelope, now)
