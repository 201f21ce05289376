"""Hearing of work: one connection for a process, on which the hints of all processes arrive.

A hint only says that it is worth looking. Hints can be lost, so whoever waits also looks from time to time.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from psycopg import Error

from store.hints import JOBS, LEASES, TIMERS
from store.link import Link

log = logging.getLogger(__name__)

LISTEN = ("LISTEN gesta_jobs", "LISTEN gesta_timers", "LISTEN gesta_leases")
RECONNECT_SECONDS = 1.0
SWEEP_SECONDS = 10.0
"""How long to wait at most before looking without a hint."""


def _nobody(_tenant_id: UUID) -> bool:
    return False


@dataclass(eq=False)
class Interest:
    """In what is said on a channel; of jobs, in those of some types, but for tenants that are passed over now."""

    channel: str
    types: Collection[str] = ()
    passes_over: Callable[[UUID], bool] = _nobody
    event: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, name: str) -> None:
        if self.channel == LEASES:  # before the lease ends there is nothing to be found
            asyncio.get_running_loop().call_later(float(name), self.event.set)
        elif not self.event.is_set() and (self.channel != JOBS or self._wants(name)):
            self.event.set()

    def _wants(self, name: str) -> bool:
        tenant, _, type = name.partition(":")
        return (not type or type in self.types) and not self.passes_over(UUID(tenant))


class Wakeups:
    """Made and used in one event loop. `url`: a direct connection, not through a pooler."""

    def __init__(self, url: str) -> None:
        self._link = Link(url, "gesta wakeups")
        self._interests: set[Interest] = set()

    @contextmanager
    def jobs(self, types: Collection[str], passes_over: Callable[[UUID], bool] = _nobody) -> Iterator[asyncio.Event]:
        """An event that is set when there may be such jobs. Clear it before looking. `passes_over`: whose are not wanted now."""
        with self._interested(Interest(JOBS, frozenset(types), passes_over)) as event:
            yield event

    @contextmanager
    def timers(self) -> Iterator[asyncio.Event]:
        """An event that is set when timers were set."""
        with self._interested(Interest(TIMERS)) as event:
            yield event

    @contextmanager
    def lapses(self) -> Iterator[asyncio.Event]:
        """An event that is set when a lease may have run out that was not there at the last look."""
        with self._interested(Interest(LEASES)) as event:
            yield event

    def hear(self, channel: str, name: str) -> None:
        """A name of a hint (see `store.hints`); this process's own need not go through the database."""
        for interest in self._interests:
            if interest.channel == channel:
                interest.hear(name)

    async def run(self) -> None:
        """Listen until cancelled. A lost connection is opened again, and everybody looks."""
        while True:
            try:
                await self._listen()
            except Error as error:
                await self._link.close()
                log.warning("No hints for now: %s", error, extra={"action": "listen"})
            await asyncio.sleep(RECONNECT_SECONDS)

    async def aclose(self) -> None:
        await self._link.close()

    async def _listen(self) -> None:
        connection = await self._link.open()
        for statement in LISTEN:
            await connection.execute(statement)
        self._wake_all()  # what was hinted at before nobody has heard
        async for hint in connection.notifies():
            if not hint.payload:
                self._wake_all()
            for name in filter(None, hint.payload.split(",")):
                self.hear(hint.channel, name)

    def _wake_all(self) -> None:
        for interest in self._interests:
            interest.event.set()

    @contextmanager
    def _interested(self, interest: Interest) -> Iterator[asyncio.Event]:
        self._interests.add(interest)
        try:
            yield interest.event
        finally:
            self._interests.discard(interest)


async def wait(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set or something is due in so many seconds (None: nothing is), and not longer than a sweep."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), SWEEP_SECONDS if seconds is None else min(max(seconds, 0), SWEEP_SECONDS))
