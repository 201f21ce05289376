"""Who projects whom: tenants hash to partitions, and a partition belongs to the projector that has its lease.

A lease is a row of runtime.leases. It ends by the database's clock unless it is renewed; whoever takes it then gets a new fence,
and every flush shows its own. So a projector that hangs, or whose connection does, is replaced, and one that comes to life again
writes nothing. Only gesta_system can hold a row: an advisory lock could be taken by any login.

Every projector says that it is there (runtime.projectors), and holds its share of the partitions and no more: what is more is let
go at the next renewal. One of a release older than the one that built the tables which serve holds nothing: it would leave
columns empty that it does not know.
"""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection, AsyncCursor

from runtime.migrations import newest_migration
from store.notifications.channels import EVENTS
from store.notifications.sending import notify

COUNT = 16
LEASE_SECONDS = 6.0
"""How long a partition stays without a projector whose process was killed."""
RENEW_SECONDS = 2.0
TAKE_AGAIN_SECONDS = 0.2
"""After the moment at which somebody else's lease ends, if it was not renewed."""

# nobody waits for the disk: a renewal that is lost in a crash of the server is as good as one that was late
LAZILY = "SELECT set_config('synchronous_commit', 'off', true)"
PRESENT = """
INSERT INTO runtime.projectors (holder, seen_until) VALUES (%(holder)s, clock_timestamp() + %(seconds)s * interval '1 second')
    ON CONFLICT (holder) DO UPDATE SET seen_until = excluded.seen_until
"""
GONE = "DELETE FROM runtime.projectors WHERE seen_until < clock_timestamp() - interval '1 hour'"
# Its share: as many partitions as everybody's, the first few one more; none, where a newer release built the tables. Of these
# what is ours, and what nobody holds any more; a row that somebody else is taking is his.
KEEP = """
WITH share AS (
    SELECT CASE WHEN (SELECT max(schema_version) FROM runtime.projection_generations WHERE state = 'serving') > %(release)s THEN 0
                ELSE %(count)s / count(*) + (count(*) FILTER (WHERE holder < %(holder)s) < %(count)s %% count(*))::int END
      FROM runtime.projectors WHERE seen_until > clock_timestamp()),
ours AS (
    SELECT name FROM runtime.leases WHERE name LIKE 'projector %%' AND holder = %(holder)s
     ORDER BY lease_until DESC, name LIMIT (SELECT * FROM share) FOR UPDATE SKIP LOCKED),
free AS (
    SELECT name FROM runtime.leases
     WHERE name LIKE 'projector %%' AND holder IS DISTINCT FROM %(holder)s AND lease_until <= clock_timestamp()
     ORDER BY name LIMIT (SELECT * FROM share) - (SELECT count(*) FROM ours) FOR UPDATE SKIP LOCKED)
UPDATE runtime.leases l
   SET fence = CASE WHEN l.holder = %(holder)s THEN l.fence ELSE l.fence + 1 END, holder = %(holder)s,
       lease_until = clock_timestamp() + %(seconds)s * interval '1 second'
  FROM (SELECT name FROM ours UNION ALL SELECT name FROM free) kept WHERE l.name = kept.name
RETURNING substr(l.name, 11)::int, l.fence
"""
# what was not renewed just now is more than its share
LET_GO = """
UPDATE runtime.leases SET holder = NULL, lease_until = '-infinity'
 WHERE name LIKE 'projector %%' AND holder = %(holder)s AND lease_until <= now() + %(seconds)s * interval '1 second'
"""
OTHERS = """
SELECT extract(epoch FROM min(lease_until) - clock_timestamp())::float8 FROM runtime.leases
 WHERE name LIKE 'projector %%' AND holder <> %(holder)s
"""
CHECK = """
SELECT count(*) FROM unnest(%(names)s::text[], %(fences)s::bigint[]) AS shown (name, fence)
  JOIN runtime.leases l ON l.name = shown.name AND l.fence = shown.fence
 WHERE l.holder = %(holder)s AND l.lease_until > clock_timestamp()
"""
LEAVE = "DELETE FROM runtime.projectors WHERE holder = %(holder)s"
RELEASE = "UPDATE runtime.leases SET holder = NULL, lease_until = '-infinity' WHERE holder = %(holder)s"


class PartitionLost(Exception):
    """A partition is another projector's by now."""


def partition_of(tenant_id: UUID) -> int:
    return tenant_id.int % COUNT


class PartitionLeases:
    """The partitions that this process holds, each with its fence."""

    def __init__(
        self, lease_seconds: float = LEASE_SECONDS, renew_seconds: float = RENEW_SECONDS, release: int | None = None
    ) -> None:
        """`release`: the last migration that it knows; None: this one's."""
        self._holder = uuid4()
        self._release = newest_migration() if release is None else release
        self._lease_seconds = lease_seconds
        self._renew_seconds = renew_seconds
        self._fences: dict[int, int] = {}
        self._due = 0.0

    def __contains__(self, tenant_id: UUID) -> bool:
        return partition_of(tenant_id) in self._fences

    @property
    def seconds(self) -> float:
        """Until it is time to renew, or to take what somebody else has let go."""
        return max(self._due - asyncio.get_running_loop().time(), 0.0)

    async def keep(self, conn: AsyncConnection[Any]) -> bool:
        """Renew what is held and take what is free, where it is time to. Returns whether anything has come."""
        if self.seconds > 0:
            return False
        about = {"holder": self._holder, "seconds": self._lease_seconds, "count": COUNT, "release": self._release}
        async with conn.pipeline(), conn.transaction():
            await conn.execute(LAZILY)
            await conn.execute(PRESENT, about)
            await conn.execute(GONE)
            kept = await conn.execute(KEEP, about)
            let_go = await conn.execute(LET_GO, about)
            others = await conn.execute(OTHERS, about)
        before, self._fences = self._fences, dict(await kept.fetchall())
        if let_go.rowcount:
            await notify(conn, EVENTS)  # whoever came takes it now
        row = await others.fetchone()
        until = self._renew_seconds
        if row is not None and row[0] is not None:
            until = min(until if self._fences else self._lease_seconds, max(row[0], 0.0) + TAKE_AGAIN_SECONDS)
        self._due = asyncio.get_running_loop().time() + until
        return any(before.get(partition) != fence for partition, fence in self._fences.items())

    def look_again(self) -> None:
        """Something may have come free."""
        if len(self._fences) < COUNT:
            self._due = 0.0

    async def send_check(self, conn: AsyncConnection[Any], tenant_ids: Iterable[UUID]) -> AsyncCursor[Any]:
        """Within a flush's own transaction, in a pipeline: `check` reads the answer."""
        shown = {partition: self._fences.get(partition, -1) for partition in map(partition_of, tenant_ids)}
        names = [f"projector {partition}" for partition in shown]
        return await conn.execute(CHECK, {"names": names, "fences": list(shown.values()), "holder": self._holder})

    async def check(self, cursor: AsyncCursor[Any], tenant_ids: Iterable[UUID]) -> None:
        """Raises PartitionLost; what is held is then asked for again at once."""
        row = await cursor.fetchone()
        if row is None or row[0] != len(set(map(partition_of, tenant_ids))):
            self._due = 0.0
            raise PartitionLost

    async def release(self, conn: AsyncConnection[Any]) -> None:
        """Let all go, so that nobody has to wait for the end of a lease."""
        self._fences, self._due = {}, 0.0
        about = {"holder": self._holder}
        async with conn.pipeline(), conn.transaction():
            await conn.execute(LEAVE, about)
            await conn.execute(RELEASE, about)
