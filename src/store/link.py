"""A connection of our own: opened when first needed, opened again after a loss."""

from psycopg import AsyncConnection, Error
from psycopg.rows import TupleRow

from runtime import connecting
from store.arrays import teach_columns


class Link:
    """Owned by one task at a time. Times come in UTC. It may lead through a pooler: what is set lasts for a transaction only."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AsyncConnection[TupleRow] | None = None

    async def open(self) -> AsyncConnection[TupleRow]:
        """The connection, in autocommit. Raises OperationalError where there is none to be had."""
        if self._connection is None:
            self._connection = await connecting.open_connection(self._url, name=self._name)
            teach_columns(self._connection)
        return self._connection

    async def lost(self, error: Error) -> bool:
        """Whether this error means that the connection is gone, or of no use any more (see `runtime.connecting.is_gone`)."""
        connection = self._connection
        if connection is None or connection.closed or connecting.is_gone(error):
            await self.close()
            return True
        return False

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
