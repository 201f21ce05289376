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
    async with conn.pipeline():
        known = await conn.execute(faults.SELECT)
        lagging = await freshness.send_lagging(conn, tenant_ids)
        position = await freshness.send_position(conn, PLATFORM)
    return Situation(await faults.read_faults(known), await freshness.read_lags(lagging), await freshness.read_position(position))
