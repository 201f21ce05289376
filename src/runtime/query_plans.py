"""Plans are made anew while tables grow.

PostgreSQL keeps the plan of a prepared statement, of a function's and of a foreign key's check until the table is analysed, which
autovacuum does after a minute at the soonest. A plan made on an empty table goes by what costs nothing there: by all rows of the
tenant, or of the table. Kept for a minute of work, it makes every look slower than the one before. So whoever looks often has its
connection's plans made again from time to time; PostgreSQL sees by then how large the tables are, analysed or not.
"""

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection

from runtime.connecting import ask_for_life

KEEP_SECONDS = 5.0

_made: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()
"""Since when a connection keeps its plans."""


async def renew(connection: AsyncConnection[Any], timer: Callable[[], float] = time.monotonic) -> None:
    """Before a connection in autocommit is used: let go of its plans where they are old. Raises OperationalError where it does
    not answer soon."""
    now = timer()
    if now - _made.setdefault(connection, now) >= KEEP_SECONDS:
        await ask_for_life(connection, "DISCARD PLANS")
        _made[connection] = now
