"""Pools of connections."""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection, OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from runtime import connecting, query_plans
from runtime.errors import OperatorError
from runtime.poolers import refuse_shared_servers
from runtime.roles import refuse_dangerous_role, refuse_deaf_role, refuse_old_server

Connection: TypeAlias = AsyncConnection[TupleRow]
T = TypeVar("T")

WAIT_SECONDS = 10.0  # for a connection to fall free, or to be had at all
WARM = 2
"""Connections that a pool keeps open although nobody uses them."""
RETRY_SECONDS = 0.75
"""Between attempts to connect, while somebody waits for it; who comes later begins a new one at once."""


class Pool(AsyncConnectionPool[Connection]):
    """Make one with `open_pool`. The library's pool, but quick to get over the loss of its connections.

    Where one turns out to be gone, here or elsewhere in the process, those that lie idle are as good as gone too: they are thrown
    away together, instead of being found out one by one, with growing pauses.
    """

    def __init__(self, url: str, *, name: str, size: int) -> None:
        self._losses = connecting.losses()
        super().__init__(
            url,
            min_size=min(size, WARM),
            max_size=size,
            timeout=WAIT_SECONDS,
            name=name,
            open=False,
            configure=connecting.set_up,
            kwargs={"autocommit": True, **connecting.parameters(name)},
            reconnect_timeout=RETRY_SECONDS,
            reconnect_failed=_try_again,
        )

    async def read(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What `ask` finds. It is asked once more, on a new connection, where the first is lost meanwhile: so it only reads, or
        does what may be done twice."""
        async with self.connection() as connection:
            try:
                return await ask(connection)
            except psycopg.Error as error:
                if not connecting.is_gone(error):
                    raise
                await connection.close()
        async with self.connection() as connection:
            return await ask(connection)

    async def getconn(self, timeout: float | None = None) -> Connection:  # noqa: ASYNC109  the library's name
        """A connection that is not known to be lost."""
        connection = await self._take(timeout)
        try:
            await make_ready(connection)
            return connection
        except psycopg.Error:
            await connection.close()
            await self.putconn(connection)
            return await self._take(timeout)  # a new one
        except BaseException:
            await self.putconn(connection)
            raise

    async def _take(self, timeout: float | None) -> Connection:  # noqa: ASYNC109
        if self._losses != connecting.losses():
            self._losses = connecting.losses()
            await self.drain()
        return await super().getconn(timeout)

    async def putconn(self, connection: Connection) -> None:
        """Back from whoever used it."""
        if connection.closed:
            connecting.note_loss(connection)
        await super().putconn(connection)


async def _try_again(pool: AsyncConnectionPool[Any]) -> None:
    """An attempt to connect was given up. Whoever waits would wait in vain, were there no other; checking begins one."""
    if pool.get_stats().get("requests_waiting"):
        await pool.check()


@asynccontextmanager
async def open_pool(url: str, *, name: str, size: int, checked: bool = False) -> AsyncIterator[Pool]:
    """A pool of ``size`` connections that say ``name`` in pg_stat_activity, closed at the end.

    They are in autocommit: a transaction is always written out (``async with connection.transaction()``); what is
    executed some times is prepared. Raises OperatorError when the server is out of reach, too old, or the login is one
    that no process may serve as. `checked`: whoever opens it has another pool of this login, and so these answers.
    """
    if not checked:
        async with connect(url, name=name) as first:
            refuse_old_server(first)
            await refuse_dangerous_role(first)
    async with Pool(url, name=name, size=size) as pool:
        yield pool


async def make_ready(connection: Connection) -> None:
    """Before a connection is handed out. Raises OperationalError for one that is not to be."""
    await refuse_closed(connection)
    await query_plans.renew(connection)


async def refuse_closed(connection: Connection) -> None:
    """Raises OperationalError for a connection that the server has closed meanwhile.

    Asks the server only where it has said something unasked, which its end is: usually this costs no trip.
    """
    said = select.poll()
    said.register(connection.fileno(), select.POLLIN)
    if said.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def check_logins(*urls: str, listen: str) -> None:
    """Before a process serves: raises OperatorError, in one line, as `open_pool` does, for the first address at fault.
    `listen`: must be direct."""
    for url in dict.fromkeys((*urls, listen)):
        async with connect(url, name="gesta") as connection:
            refuse_old_server(connection)
            await refuse_dangerous_role(connection)
            if url == listen:
                await refuse_deaf_role(connection)
    await asyncio.to_thread(refuse_shared_servers, listen, "GESTA_LISTEN_DATABASE_URL", "notifications would be lost")


@asynccontextmanager
async def connect(url: str, *, name: str) -> AsyncIterator[Connection]:
    """One connection in autocommit, outside any pool. Raises OperatorError when it cannot be had."""
    try:
        connection = await connecting.open_connection(url, name=name)
    except OperationalError as error:
        raise OperatorError(f"No connection to the database: {connecting.words(error, url)}") from error
    async with connection:
        try:
            yield connection
        finally:
            if connection.closed:
                connecting.note_loss(connection)
