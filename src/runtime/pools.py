"""Pools of connections."""

import select
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from runtime import connecting, plans
from runtime.errors import OperatorError
from runtime.roles import refuse_dangerous_role, refuse_old_server

Connection: TypeAlias = AsyncConnection[TupleRow]
Pool: TypeAlias = AsyncConnectionPool[Connection]

WAIT_SECONDS = 10.0  # for a connection to fall free


@asynccontextmanager
async def open_pool(url: str, *, name: str, size: int) -> AsyncIterator[Pool]:
    """A pool of ``size`` connections that say ``name`` in pg_stat_activity, closed at the end.

    They are in autocommit: a transaction is always written out (``async with connection.transaction()``); what is
    executed some times is prepared. Raises OperatorError when the server is out of reach, too old, or the login is one
    that no process may serve as.
    """
    async with connect(url, name=name) as first:
        refuse_old_server(first)
        await refuse_dangerous_role(first)
    pool: Pool = AsyncConnectionPool(
        url,
        min_size=min(size, 2),
        max_size=size,
        timeout=WAIT_SECONDS,
        name=name,
        open=False,
        check=make_ready,
        kwargs={"autocommit": True, **connecting.parameters(name)},
    )
    async with pool:
        yield pool


async def make_ready(connection: Connection) -> None:
    """Before a connection is handed out. Raises OperationalError for one that is not to be."""
    await refuse_closed(connection)
    await plans.renew(connection)


async def refuse_closed(connection: Connection) -> None:
    """Raises OperationalError, so that the pool takes another one, for a connection that the server has closed meanwhile.

    Asks the server only where it has said something unasked, which its end is: usually this costs no trip.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def check_logins(*urls: str) -> None:
    """Before a process serves: raises OperatorError, in one line, as `open_pool` does, for the first address at fault."""
    for url in dict.fromkeys(urls):
        async with connect(url, name="gesta") as connection:
            refuse_old_server(connection)
            await refuse_dangerous_role(connection)


@asynccontextmanager
async def connect(url: str, *, name: str) -> AsyncIterator[Connection]:
    """One connection in autocommit, outside any pool. Raises OperatorError when it cannot be had."""
    try:
        connection = await AsyncConnection.connect(url, autocommit=True, **connecting.parameters(name))
    except OperationalError as error:
        raise OperatorError(f"No connection to the database: {' '.join(str(error).split())}") from error
    async with connection:
        yield connection
