"""projections.freshness: how far each tenant's tables are. The checkpoint that the projector moves on with the rows."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from psycopg import AsyncConnection, AsyncCursor

from domain.envelope import PLATFORM
from projections.generation import SERVING_SCHEMA

POSITION = "SELECT position FROM {schema}.freshness WHERE tenant_id = %(tenant)s"

LAGGING = """
SELECT h.tenant_id, coalesce(f.position, 0), last.position
  FROM ledger.heads h
  JOIN LATERAL (
       SELECT position FROM ledger.events e WHERE e.tenant_id = h.tenant_id ORDER BY position DESC LIMIT 1) last ON true
  LEFT JOIN projections.freshness f ON f.tenant_id = h.tenant_id
 WHERE (%(tenants)s::uuid[] IS NULL OR h.tenant_id = ANY(%(tenants)s::uuid[]))
   AND last.position > coalesce(f.position, 0)
"""

BEGIN = """
INSERT INTO {schema}.freshness (tenant_id, position, recorded_at, projected_at, version, created_at, updated_at)
SELECT tenant_id, 0, NULL, clock_timestamp(), 0, clock_timestamp(), clock_timestamp()
  FROM unnest(%(tenants)s::uuid[]) AS t (tenant_id)
    ON CONFLICT (tenant_id) DO NOTHING
"""

LOCK = """
SELECT tenant_id, position FROM {schema}.freshness WHERE tenant_id = ANY(%(tenants)s) ORDER BY tenant_id FOR UPDATE
"""

ADVANCE = """
UPDATE {schema}.freshness f
   SET position = n.position, recorded_at = n.recorded_at, projected_at = clock_timestamp(),
       version = n.position, updated_at = n.recorded_at
  FROM unnest(%(tenants)s::uuid[], %(old)s::bigint[], %(new)s::bigint[], %(recorded)s::timestamptz[])
       AS n (tenant_id, old, position, recorded_at)
 WHERE f.tenant_id = n.tenant_id AND f.position = n.old
"""


@cache
def of_schema(statement: str, schema: str) -> str:
    """A statement about the checkpoints of a generation, by its schema."""
    return statement.replace("{schema}", schema)


class LostRace(Exception):
    """Another projector has moved a checkpoint meanwhile: read again from where it stands."""


class Place(Protocol):
    """Where a checkpoint can stand: a recorded event is such a place."""

    @property
    def position(self) -> int: ...
    @property
    def recorded_at(self) -> datetime: ...


class Lag(NamedTuple):
    """A tenant whose tables are behind: they show `position`, the ledger reaches to `head`."""

    tenant_id: UUID
    position: int
    head: int


async def position(conn: AsyncConnection[Any], tenant_id: UUID, schema: str = SERVING_SCHEMA) -> int:
    """The last position that a tenant's tables show; 0 where they show nothing yet."""
    return await read_position(await send_position(conn, tenant_id, schema))


async def lagging(conn: AsyncConnection[Any], tenant_ids: Collection[UUID] | None = None) -> dict[UUID, Lag]:
    """The ledgers that the tables are behind of, all seen at one moment: of these tenants and the platform, or of all."""
    return await read_lags(await send_lagging(conn, tenant_ids))


async def lock(conn: AsyncConnection[Any], expected: Mapping[UUID, int]) -> None:
    """Hold these tenants' checkpoints until the transaction ends. Raises LostRace where one stands elsewhere than expected."""
    await check_lock(await send_lock(conn, expected), expected)


async def advance(conn: AsyncConnection[Any], old: Mapping[UUID, int], last: Mapping[UUID, Place]) -> None:
    """Move checkpoints on to the last event of each tenant, from where they stood. Raises LostRace."""
    check_advance(await send_advance(conn, old, last), old)


# The same in two halves, for a pipeline: what is sent in it is answered when it ends.


async def send_lagging(conn: AsyncConnection[Any], tenant_ids: Collection[UUID] | None) -> AsyncCursor[Any]:
    wanted = None if tenant_ids is None else [*tenant_ids, PLATFORM]
    return await conn.execute(LAGGING, {"tenants": wanted})


async def read_lags(cursor: AsyncCursor[Any]) -> dict[UUID, Lag]:
    return {row[0]: Lag(*row) for row in await cursor.fetchall()}


async def send_position(conn: AsyncConnection[Any], tenant_id: UUID, schema: str = SERVING_SCHEMA) -> AsyncCursor[Any]:
    return await conn.execute(of_schema(POSITION, schema), {"tenant": tenant_id})


async def read_position(cursor: AsyncCursor[Any]) -> int:
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def send_lock(conn: AsyncConnection[Any], expected: Mapping[UUID, int], schema: str = SERVING_SCHEMA) -> AsyncCursor[Any]:
    new = sorted(tenant for tenant, position in expected.items() if position == 0)
    if new:
        await conn.execute(of_schema(BEGIN, schema), {"tenants": new})
    return await conn.execute(of_schema(LOCK, schema), {"tenants": list(expected)})


async def check_lock(cursor: AsyncCursor[Any], expected: Mapping[UUID, int]) -> None:
    if dict(await cursor.fetchall()) != dict(expected):
        raise LostRace


async def send_advance(
    conn: AsyncConnection[Any], old: Mapping[UUID, int], last: Mapping[UUID, Place], schema: str = SERVING_SCHEMA
) -> AsyncCursor[Any]:
    moved = {
        "tenants": list(old),
        "old": list(old.values()),
        "new": [last[tenant].position for tenant in old],
        "recorded": [last[tenant].recorded_at for tenant in old],
    }
    return await conn.execute(of_schema(ADVANCE, schema), moved)


def check_advance(cursor: AsyncCursor[Any], old: Mapping[UUID, int]) -> None:
    if cursor.rowcount != len(old):
        raise LostRace
