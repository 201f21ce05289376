"""Hints that there is something to project, and the rare look without one.

`gesta_events` comes from those who appended, `gesta_projected` goes to those who wait for the tables; the payload of both is
tenant ids with commas between them, or nothing where they are many. Hints may be lost and may lie: the checkpoints know.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections.slots import Slots

LISTEN = "LISTEN gesta_events"
LISTEN_TO_OTHERS = "LISTEN gesta_projected"
NOTIFY = "SELECT pg_notify('gesta_projected', %(payload)s)"
MOST_NAMED = 200
"""Tenants in one payload: it ends at 8,000 bytes."""


class Hints:
    """What was hinted at since it was last asked for: some tenants, or all of them."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._tenants: set[UUID] = set()
        self._all = False
        self._woken = asyncio.Event()
        self._failure: BaseException | None = None

    def add(self, tenant_ids: Collection[UUID]) -> None:
        self._tenants.update(tenant_ids)
        self._woken.set()

    def add_all(self) -> None:
        self._all = True
        self._woken.set()

    def fail(self, error: BaseException) -> None:
        self._failure = error
        self._woken.set()

    async def wait(self, stop: asyncio.Event, seconds: float | None) -> set[UUID] | None:
        """The tenants hinted at, None for all; after so many seconds, all. Raises what ended the listening."""
        waits = [asyncio.create_task(self._woken.wait()), asyncio.create_task(stop.wait())]
        done, pending = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if self._failure is not None:
            raise self._failure
        tenants = None if self._all or not done else self._tenants
        self._tenants, self._all = set(), False
        self._woken.clear()
        return tenants


async def listen(conn: AsyncConnection[Any], hints: Hints, own_pid: int, sweep_seconds: float) -> None:
    """Take hints until cancelled; every so often try for slots that have fallen free, and hint at everything."""
    try:
        await conn.execute(LISTEN)
        await conn.execute(LISTEN_TO_OTHERS)
        while True:
            await hints.slots.take(conn)
            hints.add_all()
            async for note in conn.notifies(timeout=sweep_seconds):
                tenants = parse(note.payload)
                if note.channel == "gesta_events":
                    hints.add(tenants) if tenants else hints.add_all()
                elif note.pid != own_pid and (PLATFORM in tenants or not tenants):
                    hints.add(())  # whoever waits for the platform may go on
    except Exception as error:  # raised again where the hints are waited for
        hints.fail(error)


def parse(payload: str) -> set[UUID]:
    """Tenant ids of a payload; what is none of them is nobody's hint."""
    found = set()
    for part in payload.split(","):
        with suppress(ValueError):
            found.add(UUID(part))
    return found


async def notify_projected(conn: AsyncConnection[Any], tenant_ids: Collection[UUID]) -> None:
    """Tell those who wait that these tenants' tables have moved on."""
    if tenant_ids:
        named = ",".join(map(str, tenant_ids)) if len(tenant_ids) <= MOST_NAMED else ""
        await conn.execute(NOTIFY, {"payload": named})
