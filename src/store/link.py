"""A connection of our own: opened when first needed, opened again after a loss."""

from psycopg import AsyncConnection, Error, OperationalError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import TupleRow

from runtime import connecting
from store.arrays import teach_columns


class Link:
    """Owned by one task at a time. Times come in UTC; waiting for a lock ends in an error after `lock_timeout` seconds.

    `durable` as False: commits do not wait for the disk, for what may be lost.
    """

    def __init__(self, url: str, name: str, *, lock_timeout: float = 5.0, durable: bool = True) -> None:
        self._url = url
        self._name = name
        self._options = f"-c timezone=UTC -c lock_timeout={int(lock_timeout * 1000)}"
        if not durable:
            self._options += " -c synchronous_commit=off"
        self._connection: AsyncConnection[TupleRow] | None = None

    async def open(self) -> AsyncConnection[TupleRow]:
        """The connection, in autocommit. Raises OperationalError where there is none to be had."""
        if self._connection is None:
            self._connection = await AsyncConnection.connect(
                self._url,
                autocommit=True,
                options=self._options,
                **connecting.parameters(self._name),
            )
            teach_columns(self._connection)
        return self._connection

    async def lost(self, error: Error) -> bool:
        """Whether this error means that the connection is gone, or leads to a server that may not write (a failover)."""
        connection = self._connection
        gone = connection is None or connection.closed or isinstance(error, ReadOnlySqlTransaction)
        if gone or (isinstance(error, OperationalError) and error.sqlstate is None):
            await self.close()
            return True
        return False

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
