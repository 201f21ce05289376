"""Who projects whom: tenants hash to slots, and a slot belongs to the projector that holds its advisory lock."""

import asyncio
from math import inf
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

COUNT = 16
TRY_SECONDS = 9.0
"""How often those that others hold are tried for."""
LOCK_CLASS = 0x67736C74  # "gslt"

TAKE = "SELECT slot FROM unnest(%(slots)s::int[]) AS slot WHERE pg_try_advisory_lock(%(class)s::int, slot)"


def slot_of(tenant_id: UUID) -> int:
    return tenant_id.int % COUNT


class Slots:
    """The slots that this process holds. They are freed when the connection that took them ends."""

    def __init__(self) -> None:
        self._held: set[int] = set()
        self._taken_on: AsyncConnection[Any] | None = None
        self._tried = -inf

    def __contains__(self, slot: int) -> bool:
        return slot in self._held

    async def take(self, conn: AsyncConnection[Any]) -> bool:
        """Take what is free, if it was not tried just now. Returns whether anything was."""
        now = asyncio.get_running_loop().time()
        if conn is not self._taken_on:
            self._held, self._taken_on, self._tried = set(), conn, -inf
        wanted = [slot for slot in range(COUNT) if slot not in self._held]
        if not wanted or now < self._tried + TRY_SECONDS:
            return False
        self._tried = now
        cursor = await conn.execute(TAKE, {"slots": wanted, "class": LOCK_CLASS})
        taken = {row[0] for row in await cursor.fetchall()}
        self._held |= taken
        return bool(taken)
