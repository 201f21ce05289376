"""What a round of the projector goes by, seen in one trip."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections import faults, freshness
from projections.faults import Fault
from projections.freshness import Lag


class Situation(NamedTuple):
    """`reached`: how far the platform's tables are."""

    faults: dict[UUID, Fault]
    lags: dict[UUID, Lag]
    reached: int


async def look(conn: AsyncConnection[Any], tenant_ids: Collection[UUID] | None) -> Situation:
    """`tenant_ids`: of which ledgers, None for all; the platform is among them in any case."""
    wanted = None if tenant_ids is None else [*tenant_ids, PLATFORM]
    async with conn.pipeline():
        known = await conn.execute(faults.SELECT)
        lagging = await conn.execute(freshness.LAGGING, {"tenants": wanted})
        position = await conn.execute(freshness.POSITION, {"tenant": PLATFORM})
    row = await position.fetchone()
    return Situation(
        {row[0]: Fault(*row) for row in await known.fetchall()},
        {row[0]: Lag(*row) for row in await lagging.fetchall()},
        int(row[0]) if row else 0,
    )
