"""Hearing notifications: one direct connection of a process, one loop, and a registry of subscriptions.

A connection that is lost is opened again by whoever supervises `run`. One that is silently dead is noticed within ten seconds:
every five the server is asked for a sign, which is no query and no transaction. What was said meanwhile nobody has heard, so
after each connecting every subscriber is told to look everywhere.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import sql

from runtime import connecting, counters, supervision
from runtime.errors import OperatorError
from runtime.failpoints import failpoint
from runtime.pools import Connection, connect
from runtime.roles import refuse_deaf_role
from store.notifications.channels import EVERYTHING, SECRET_NAMES, Channel

T = TypeVar("T")

LISTEN = sql.SQL("LISTEN {}")
SIGN_SECONDS, ANSWER_SECONDS = 5.0, 5.0
"""How often the server is asked for a sign of life, and how long that may take."""
DROPPED = "gesta_notifications_dropped_total"
COMPLAIN_SECONDS = 60.0
"""What cannot be read is counted each time, and logged no more often than this."""
EXPECTED = (psycopg.OperationalError, OperatorError)

Upkeep: TypeAlias = Callable[[Connection], Awaitable[object]]

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Subscription:
    """To a channel: `hear` is told what is named on it, `look_everywhere` when anything may have been."""

    channel: Channel[Any]
    hear: Callable[[Any], object]
    look_everywhere: Callable[[], object]


class Notifications:
    """What a process hears. Made and used in one event loop. `url`: of a direct connection, not through a pooler.

    `upkeep`: called with each new connection before anybody is told of it, and again each time that the server gave a sign of
    life: for what belongs to a connection and ends with it.
    """

    def __init__(self, url: str, name: str, channels: Sequence[Channel[Any]], *, upkeep: Upkeep | None = None) -> None:
        self._url = url
        self._name = name
        self._subscriptions: dict[str, list[Subscription]] = {channel.name: [] for channel in channels}
        self._upkeep = upkeep
        self._complained: dict[str, float] = {}

    @contextmanager
    def subscribed(
        self, channel: Channel[T], hear: Callable[[T], object], look_everywhere: Callable[[], object]
    ) -> Iterator[Subscription]:
        """Be told of what is said on a channel, by this process as well. Raises KeyError for one that is not listened to."""
        subscription = Subscription(channel, hear, look_everywhere)
        others = self._subscriptions[channel.name]
        others.append(subscription)
        try:
            yield subscription
        finally:
            others.remove(subscription)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hears for as long as this is open."""
        task = supervision.supervise(self._name, self.run, expected=EXPECTED)
        try:
            yield
        finally:
            await supervision.stop(task)

    def hear(self, channel: str, payload: str) -> None:
        """A notification, whoever it is from: what this process says itself need not go through the database."""
        subscriptions = self._subscriptions.get(channel)
        if not subscriptions:
            return
        if payload == EVERYTHING:
            for subscription in subscriptions:
                _tell(subscription.look_everywhere)
            return
        parse = subscriptions[0].channel.parse
        for name in payload.split(","):
            try:
                named = parse(name)
            except (ValueError, OverflowError) as error:
                self._drop(channel, error)
                continue
            for subscription in list(subscriptions):
                _tell(subscription.hear, named)

    async def run(self) -> None:
        """Listen until cancelled, or until the connection is lost (OperationalError) or cannot be had (OperatorError)."""
        async with connect(self._url, name=self._name) as connection:
            channels = await listen(connection, self._subscriptions)
            if self._upkeep is not None:
                await self._upkeep(connection)
            for channel in self._subscriptions:
                self.hear(channel, EVERYTHING)
            while True:
                async for said in connection.notifies(timeout=SIGN_SECONDS):
                    failpoint("notifications.heard")
                    self.hear(channels[said.channel], said.payload)
                await sign(connection)
                if self._upkeep is not None:
                    await self._upkeep(connection)

    def _drop(self, channel: str, error: Exception) -> None:
        counters.count(DROPPED, channel=channel)
        now = asyncio.get_running_loop().time()
        if now >= self._complained.get(channel, now):
            self._complained[channel] = now + COMPLAIN_SECONDS
            logger.warning("A notification on %s cannot be read: %s", channel, error, extra={"action": "listen"})


async def listen(connection: Connection, channels: Collection[str]) -> dict[str, str]:
    """To these channels. Returns which is meant by each name under which something is said; the old ones are those of the release
    before. Raises OperatorError where the login may not know the names."""
    await refuse_deaf_role(connection)
    found = await (await connection.execute(SECRET_NAMES, [list(channels)])).fetchall()
    meant = {channel: channel for channel in channels} | {secret: channel for channel, secret in found}
    for name in meant:
        await connection.execute(LISTEN.format(sql.Identifier(name)))
    return meant


async def sign(connection: Connection) -> None:
    """Have the server answer, or end the connection: raises OperationalError."""
    overdue = asyncio.get_running_loop().call_later(ANSWER_SECONDS, connecting.cut_silent, connection)
    try:
        async with connection.pipeline() as pipeline:
            await pipeline.sync()
    finally:
        overdue.cancel()


def _tell(hear: Callable[..., object], *named: object) -> None:
    """A subscriber that fails is its own concern."""
    try:
        hear(*named)
    except Exception:
        counters.count(supervision.METRIC, task="subscriber")
        logger.exception("A subscriber of notifications failed", extra={"action": "listen"})
