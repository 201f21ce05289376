"""One connection of the process that hears every hint, and those who want to hear them.

A hint may be lost, and is while the connection is: after each connecting everybody is told to look everywhere.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias

import psycopg
from psycopg import sql

from runtime.errors import OperatorError
from runtime.pools import connect

RECONNECT_SECONDS = 1.0
LISTEN = sql.SQL("LISTEN {}")

Hear: TypeAlias = Callable[[str], None]
"""Is given a hint's payload: names with commas between them; an empty one says: look everywhere."""

logger = logging.getLogger(__name__)


class Listener:
    """`hearing`: who is told of the hints of each channel. It hears while `listening`."""

    def __init__(self, url: str, name: str, hearing: Mapping[str, Hear]) -> None:
        self._url = url
        self._name = name
        self._hearing = hearing

    def hear(self, channel: str, payload: str) -> None:
        """A hint. This process's own need not go through the database."""
        if channel in self._hearing:
            self._hearing[channel](payload)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with connect(self._url, name=self._name) as connection:
                    for channel in self._hearing:
                        await connection.execute(LISTEN.format(sql.Identifier(channel)))
                    for hear in self._hearing.values():
                        hear("")
                    async for hint in connection.notifies():
                        self.hear(hint.channel, hint.payload)
            except (psycopg.OperationalError, OperatorError) as error:
                logger.warning("No hints for now: %s", error, extra={"action": "listen"})
            await asyncio.sleep(RECONNECT_SECONDS)


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    """Hears for as long as this is open."""
    task = asyncio.create_task(listener.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
