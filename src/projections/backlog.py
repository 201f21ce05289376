"""What a round of the projector goes by, seen in one trip."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections import freshness, poison_events
from projections.freshness import Lag
from projections.poison_events import PoisonEvent


class Backlog(NamedTuple):
    """`reached`: how far the platform's tables are."""

    poison_events: dict[UUID, PoisonEvent]
    lags: dict[UUID, Lag]
    reached: int


async def look(conn: AsyncConnection[Any], tenant_ids: Collection[UUID] | None) -> Backlog:
    """`tenant_ids`: of which ledgers, None for all; the platform is among them in any case."""
    async with conn.pipeline():
        known = await conn.execute(poison_events.SELECT)
        lagging = await freshness.send_lagging(conn, tenant_ids)
        position = await freshness.send_position(conn, PLATFORM)
    return Backlog(
        await poison_events.read_faults(known), await freshness.read_lags(lagging), await freshness.read_position(position)
    )
