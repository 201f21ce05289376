"""Telling listeners that there is something new: after commits, at most once in ten milliseconds, on a connection of its own.

A hint that is lost does no harm: listeners sweep from time to time. So nobody waits for one, and a failure is only logged.

    gesta_events  tenant ids: their ledgers have grown
    gesta_jobs    tenant:type of jobs that can be leased now or later; without a type: jobs that were handed back
    gesta_timers  moments, RFC 3339: when new timers are due
    gesta_leases  in how many seconds from now leases end that nobody may know of yet

A payload is names with commas between them. An empty one says: look everywhere.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg

from domain.facts import Decided
from store.link import Link

log = logging.getLogger(__name__)

EVENTS = "gesta_events"
JOBS = "gesta_jobs"
TIMERS = "gesta_timers"
LEASES = "gesta_leases"
# Its commit does not wait for the disk: a hint may be lost.
NOTIFY = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify(channel, names)
  FROM unnest(%s::text[], %s::text[]) AS hint (channel, names)
"""
PAUSE = 0.01
MOST_BYTES = 7_900
"""A payload has less than 8,000 bytes."""


class Hints:
    """Made and used in one event loop. Idle while nothing is committed.

    `heard`: who in this very process is told at once, by (channel, name).
    """

    def __init__(self, url: str, heard: Callable[[str, str], None] | None = None) -> None:
        self._heard = heard
        self._link = Link(url, "gesta hints")
        self._touched: dict[str, set[str]] = {}
        self._something = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def touch(self, channel: str, name: str) -> None:
        """There is something new under this name."""
        if self._heard is not None:
            self._heard(channel, name)
        self._touched.setdefault(channel, set()).add(name)
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
        """All channels at once: every commit wakes those who listen, whichever it is for."""
        touched, self._touched = self._touched, {}
        if touched:
            try:
                await self._tell(list(touched), [payload(names) for names in touched.values()])
            except psycopg.Error as error:
                log.warning("Hints were lost: %s", error, extra={"action": "hint"})

    async def _tell(self, channels: list[str], names: list[str]) -> None:
        """A connection that was lost while there was nothing to say is noticed now, and is no reason to lose a hint."""
        for last in (False, True):
            try:
                connection = await self._link.open()
                await connection.execute(NOTIFY, (channels, names))
                return
            except psycopg.Error as error:
                await self._link.lost(error)
                if last:
                    raise


def payload(names: set[str]) -> str:
    """The names, or nothing where they are too many."""
    joined = ",".join(names)
    return joined if len(joined.encode()) <= MOST_BYTES else ""


async def look_everywhere(conn: psycopg.AsyncConnection[Any]) -> None:
    """Say what somebody may have left unsaid who died between a commit and its hint."""
    try:
        channels = [EVENTS, JOBS, TIMERS]
        await conn.execute(NOTIFY, (channels, [""] * len(channels)))
    except psycopg.Error as error:
        log.warning("A hint was lost: %s", error, extra={"action": "hint"})


def hint_work(hints: Hints, tenant_id: UUID, decided: Decided) -> None:
    """Say what work a command left to do."""
    for job in decided.jobs:
        hints.touch(JOBS, f"{tenant_id}:{job.type}")
    if any(fence.then == "retry" for fence in decided.fences):
        hints.touch(JOBS, f"{tenant_id}:")
    for timer in decided.timers:
        hints.touch(TIMERS, timer.due_at.isoformat())
