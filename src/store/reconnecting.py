"""A connection of our own: opened when first needed, opened again after a loss."""

import asyncio
from collections.abc import Sequence

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow

from runtime import connecting
from store.arrays import teach_columns
from store.side_rows import TypeNumbers, learn_side_rows


class ReconnectingConnection:
    """Owned by one task at a time. Times come in UTC. It may lead through a pooler: what is set lasts for a transaction only.

    `appends`: it is for `send_append`, and learns the types that this needs when it is opened.
    """

    def __init__(self, url: str, name: str, *, appends: bool = False) -> None:
        self._url = url
        self._name = name
        self._appends = appends
        self._types: Sequence[TypeNumbers] = ()
        self._connection: AsyncConnection[TupleRow] | None = None
        self._used = 0.0

    async def open(self) -> AsyncConnection[TupleRow]:
        """The connection, in autocommit. Raises OperationalError where there is none to be had."""
        now = asyncio.get_running_loop().time
        if self._connection is not None and connecting.is_suspect(self._connection):
            await self.close()
        if self._connection is None:
            self._connection = await self._connect()
        elif now() - self._used > connecting.IDLE_SECONDS:
            await connecting.ask_for_life(self._connection)
        self._used = now()
        return self._connection

    async def _connect(self) -> AsyncConnection[TupleRow]:
        connection = await connecting.open_connection(self._url, name=self._name)
        teach_columns(connection)
        if self._appends:
            try:
                self._types = await learn_side_rows(connection)
            except BaseException:
                await connection.close()
                raise
        return connection

    async def learn_anew(self) -> bool:
        """After an error of an append: whether types have other numbers than it knew. It knows them now, and sending again helps.

        So it is where a migration was taken back and applied again, or the database restored behind a pooler that keeps its
        clients. Raises psycopg.Error.
        """
        if self._connection is None or not self._appends:
            return False
        before, self._types = self._types, await learn_side_rows(self._connection)
        return self._types != before

    async def lost(self, error: Error) -> bool:
        """Whether this error means that the connection is gone, or of no use any more (see `runtime.connecting.is_gone`)."""
        connection = self._connection
        if connection is None or connection.closed or connecting.is_gone(error):
            await self.close()
            return True
        return False

    def cut(self) -> None:
        """End what is under way on it, which then fails: the server may not answer any more."""
        if self._connection is not None:
            connecting.cut(self._connection)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            if connection.closed:
                connecting.note_loss(connection)
            await connection.close()
