"""Telling listeners that there is something new: after commits, at most once in ten milliseconds, on a connection of its own.

A hint that is lost does no harm: listeners sweep from time to time. So nobody waits for one, and a failure is only logged.
"""

import asyncio
import logging
from uuid import UUID

import psycopg

from store.link import Link

log = logging.getLogger(__name__)

CHANNEL = "gesta_events"
NOTIFY = "SELECT pg_notify(%s, %s)"
PAUSE = 0.01
MOST_NAMED = 200
"""A payload has less than 8,000 bytes; with more tenants than this it is empty, which means: look everywhere."""


class Hints:
    """Made and used in one event loop. Idle while nothing is committed."""

    def __init__(self, url: str, channel: str = CHANNEL) -> None:
        self._link = Link(url, "gesta hints")
        self._channel = channel
        self._touched: set[UUID] = set()
        self._something = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def touch(self, tenant_id: UUID) -> None:
        """This ledger has grown."""
        self._touched.add(tenant_id)
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        self._something.set()

    async def aclose(self) -> None:
        """Sends what is still to be said."""
        self._closing = True
        self._something.set()
        if self._task is not None:
            await self._task
        await self._link.close()

    async def _serve(self) -> None:
        while not self._closing:
            await self._something.wait()
            self._something.clear()
            await self._send()
            await asyncio.sleep(PAUSE)
        await self._send()

    async def _send(self) -> None:
        touched, self._touched = self._touched, set()
        if not touched:
            return
        payload = ",".join(map(str, touched)) if len(touched) <= MOST_NAMED else ""
        try:
            connection = await self._link.open()
            await connection.execute(NOTIFY, (self._channel, payload))
        except psycopg.Error as error:
            await self._link.lost(error)
            log.warning("A hint was lost: %s", error, extra={"action": "hint"})
