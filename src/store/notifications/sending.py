"""Saying that there is something new: after commits, at most once in ten milliseconds, on a connection of its own.

Nobody waits for a notification to be sent. Where it could not be, listeners are told to look everywhere once it can.
"""

import asyncio
import logging
from collections.abc import Callable
from math import inf
from typing import Any
from uuid import UUID

import psycopg

from domain.api_key import API_KEY
from domain.facts import Decided
from domain.member import MEMBER
from domain.role import ROLE
from domain.tenant import TENANT
from domain.user import USER
from runtime.failpoints import failpoint
from runtime.supervision import stop, supervise
from store.notifications.channels import ACCESS, EVENTS, EVERYTHING, JOBS, LEASES, TIMERS, Channel, job_name, payload
from store.reconnecting import ReconnectingConnection

log = logging.getLogger(__name__)

NOTIFY = """
SELECT pg_notify(runtime.secret_channel(channel), names) FROM unnest(%s::text[], %s::text[]) AS said (channel, names)
"""
# In a transaction of its own, whose commit does not wait for the disk: a notification may be lost.
NOTIFY_LIGHTLY = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify(runtime.secret_channel(channel), names)
  FROM unnest(%s::text[], %s::text[]) AS said (channel, names)
"""
RIGHTS = frozenset((*API_KEY.events, *ROLE.events, *MEMBER.events, *USER.events, *TENANT.events))
PAUSE = 0.01
LAST_WORDS_SECONDS = 5.0


async def notify(conn: psycopg.AsyncConnection[Any], channel: Channel[Any], *names: str) -> None:
    """On a connection at hand, with its transaction if there is one. Without names: look everywhere."""
    await conn.execute(NOTIFY, ([channel.name], [payload(names)]))


async def look_everywhere(conn: psycopg.AsyncConnection[Any]) -> None:
    """Say what somebody may have left unsaid who died between a commit and its notification. It is no harm if it is lost."""
    channels = [EVENTS.name, JOBS.name, TIMERS.name, ACCESS.name]
    try:
        await conn.execute(NOTIFY, (channels, [EVERYTHING] * len(channels)))
    except psycopg.Error as error:
        log.warning("A notification was lost: %s", error, extra={"action": "notify"})


class Notifier:
    """Made and used in one event loop. Idle while nothing is committed.

    `heard`: who in this very process is told at once, by the channel's name and what is named.
    """

    def __init__(self, url: str, heard: Callable[[str, str], None] | None = None) -> None:
        self._heard = heard
        self._link = ReconnectingConnection(url, "gesta notifier")
        self._unsaid: dict[str, set[str]] = {}
        self._something = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def notify(self, channel: Channel[Any], name: str) -> None:
        """There is something new under this name."""
        if self._heard is not None:
            self._heard(channel.name, name)
        self._unsaid.setdefault(channel.name, set()).add(name)
        if self._task is None:
            self._task = supervise("notifier", self._serve, expected=(psycopg.Error,), until=self._closing)
        self._something.set()

    async def aclose(self) -> None:
        """Sends what is still to be said, if that can be done soon."""
        self._closing.set()
        self._something.set()
        if self._task is not None:
            _, late = await asyncio.wait([self._task], timeout=LAST_WORDS_SECONDS)
            if late:
                self._link.cut()
                await stop(self._task)
        await self._link.close()

    async def _serve(self) -> None:
        while not self._closing.is_set():
            await self._something.wait()
            self._something.clear()
            await self._send()
            await asyncio.sleep(PAUSE)
        await self._send()

    async def _send(self) -> None:
        """All channels at once: every commit wakes those who listen, whichever it is for."""
        if not self._unsaid:
            return
        unsaid, self._unsaid = self._unsaid, {}
        try:
            await self._say(list(unsaid), [payload(names) for names in unsaid.values()])
        except BaseException:
            for channel in unsaid:  # more may have happened by the time it can be said
                self._unsaid[channel] = {EVERYTHING}
            self._something.set()
            raise

    async def _say(self, channels: list[str], payloads: list[str]) -> None:
        """A connection that was lost while there was nothing to say is noticed now, and opened again at once."""
        failpoint("notifier.says")
        for last in (False, True):
            try:
                connection = await self._link.open()
                await connection.execute(NOTIFY_LIGHTLY, (channels, payloads))
                return
            except psycopg.Error as error:
                await self._link.lost(error)
                if last:
                    raise


def notify_access(notifier: Notifier, tenant_id: UUID, decided: Decided) -> None:
    """Say where it has changed who may what: keys, roles, members; and users and tenants, in the platform's ledger."""
    for fact in decided.facts:
        if type(fact.event) in RIGHTS:
            notifier.notify(ACCESS, str(tenant_id))
            return


def notify_work(notifier: Notifier, tenant_id: UUID, decided: Decided) -> None:
    """Say what work a command left to do."""
    for job in decided.jobs:
        notifier.notify(JOBS, job_name(tenant_id, job.type))
    for fence in decided.fences:
        if fence.then == "retry":
            notifier.notify(JOBS, job_name(tenant_id))
    for timer in decided.timers:
        after = timer.due.after
        notifier.notify(TIMERS, EVERYTHING if after is None else f"{after.total_seconds():.3f}")


class LeaseNotices:
    """Says when leases end, so that whoever takes back expired leases need not look all the time.

    A lease is not worth a notice while one that was said is still to end and ends sooner: whoever looks then finds this one, too.
    So a process that leases without a pause says it about once in the length of a lease. One for a process, in one event loop.
    """

    def __init__(self) -> None:
        self._said = -inf
        """By the event loop's clock: when the lease that was said last ends."""

    async def leased(self, connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
        """A lease of so many seconds was just taken. A notice that is lost does no harm."""
        now = asyncio.get_running_loop().time()
        if now < self._said <= now + seconds:
            return
        self._said = now + seconds
        try:
            await notify_lease(connection, seconds)
        except psycopg.Error as error:
            self._said = -inf
            log.warning("A notification was lost: %s", error, extra={"action": "notify"})


async def notify_lease(conn: psycopg.AsyncConnection[Any], seconds: float) -> None:
    """Say that a lease may end in so many seconds. Sent while the lease begins, so that it outlives who says it."""
    await notify(conn, LEASES, f"{seconds:.3f}")
