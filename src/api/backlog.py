"""How far the tables are behind their ledgers, all tenants together, at a cost that does not grow with every question.

All ledgers are gone through, some thousands a statement, from time to time: the longer that takes, the rarer. In between only
those are looked at that have grown since, and those that were behind.
"""

import asyncio
from dataclasses import dataclass
from math import inf
from typing import Any
from uuid import UUID

from runtime.pools import Connection

BATCH = 5_000
SHARE = 20
"""Of the time, at most one part in so many goes into going through all."""
MOST_SECONDS = 1.0
"""So much of it at a time."""
MOST_REMEMBERED = 50_000
STALLED_SECONDS = 60.0
"""Who has not been projected for so long, though there was something to project for as long, is projected by nobody."""
NOBODY = UUID(int=0)

SELECT_LEDGERS = "SELECT tenant_id FROM ledger.heads WHERE tenant_id > %(after)s ORDER BY tenant_id LIMIT %(limit)s"

# A ledger's last position is one index look-up.
SELECT_BEHIND = """
SELECT h.tenant_id, last.position - coalesce(f.position, 0),
       EXISTS (SELECT FROM runtime.projection_faults k WHERE k.tenant_id = h.tenant_id)
       OR coalesce(f.projected_at, '-infinity') < clock_timestamp() - %(stalled)s * interval '1 second'
          AND (SELECT e.recorded_at FROM ledger.events e
                WHERE e.tenant_id = h.tenant_id AND e.position = coalesce(f.position, 0) + 1)
              < clock_timestamp() - %(stalled)s * interval '1 second'
  FROM unnest(%(tenants)s::uuid[]) AS h (tenant_id)
 CROSS JOIN LATERAL (
       SELECT position FROM ledger.events e WHERE e.tenant_id = h.tenant_id ORDER BY position DESC LIMIT 1) last
  LEFT JOIN projections.freshness f ON f.tenant_id = h.tenant_id
 WHERE last.position > coalesce(f.position, 0)
"""


@dataclass(frozen=True)
class TotalLag:
    """`ledgers_stopped`: those of the ledgers behind that do not come nearer, by a fault or because nobody projects them."""

    ledgers_behind: int
    events_behind: int
    ledgers_stopped: int


class LagMonitor:
    """Used in one event loop, by one at a time; told of ledgers that have grown."""

    def __init__(self) -> None:
        self._behind: dict[UUID, tuple[int, bool]] = {}
        """By how many events, and whether it stands still."""
        self._grown: set[UUID] = set()
        self._go_through_at = -inf
        self._after, self._spent = NOBODY, 0.0
        """How far it has come in going through all, and how long that has taken."""

    def grown(self, tenant_id: UUID) -> None:
        """A ledger has grown."""
        self._grown.add(tenant_id)
        if len(self._grown) > MOST_REMEMBERED:
            self.any_grown()

    def any_grown(self) -> None:
        """Any may have."""
        self._grown.clear()
        self._go_through_at = -inf

    async def count(self, connection: Connection) -> TotalLag:
        """As of now."""
        grown, self._grown = self._grown, set()
        watched = list(grown | self._behind.keys())
        for first in range(0, len(watched), BATCH):
            await self._look(connection, watched[first : first + BATCH])
        if asyncio.get_running_loop().time() >= self._go_through_at:
            await self._go_through(connection)
        events = [events for events, _ in self._behind.values()]
        return TotalLag(len(events), sum(events), sum(stopped for _, stopped in self._behind.values()))

    async def _go_through(self, connection: Connection) -> None:
        """All, or as many as there is time for: the next goes on from there."""
        now = asyncio.get_running_loop().time
        begun = now()
        while True:
            rows = await _rows(connection, SELECT_LEDGERS, {"after": self._after, "limit": BATCH})
            await self._look(connection, [tenant_id for (tenant_id,) in rows])
            if len(rows) < BATCH:
                self._go_through_at = now() + SHARE * (self._spent + now() - begun)
                self._after, self._spent = NOBODY, 0.0
                return
            self._after = rows[-1][0]
            if now() >= begun + MOST_SECONDS:
                self._spent += now() - begun
                return

    async def _look(self, connection: Connection, tenants: list[UUID]) -> None:
        rows = await _rows(connection, SELECT_BEHIND, {"tenants": tenants, "stalled": STALLED_SECONDS})
        for tenant_id in tenants:
            self._behind.pop(tenant_id, None)
        self._behind |= {tenant_id: (events, stopped) for tenant_id, events, stopped in rows}


async def _rows(connection: Connection, statement: Any, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement, given)).fetchall()
