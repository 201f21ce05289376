"""Saying when leases end, so that whoever takes jobs from workers that are not heard of need not look all the time.

A lease is not worth a hint while one that was said is still to end and ends sooner: whoever looks then finds this one, too.
So a process that leases without a pause says it about once in the length of a lease.
"""

import asyncio
import logging
from math import inf

from psycopg import Error

from store.jobs import Connection, hint_lapse

log = logging.getLogger(__name__)


class LapseHints:
    """One for a process that leases. Used in one event loop."""

    def __init__(self) -> None:
        self._said = -inf
        """By the event loop's clock: when the lease that was said last ends."""

    async def leased(self, connection: Connection, seconds: float) -> None:
        """A lease of so many seconds was just taken. A hint that is lost does no harm."""
        now = asyncio.get_running_loop().time()
        if now < self._said <= now + seconds:
            return
        self._said = now + seconds
        try:
            await hint_lapse(connection, seconds)
        except Error as error:
            self._said = -inf
            log.warning("A hint was lost: %s", error, extra={"action": "hint"})
