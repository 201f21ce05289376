"""Whether an address leads through a pooler that gives its clients another server for every transaction."""

from psycopg import Connection
from psycopg.rows import TupleRow

from runtime import connecting
from runtime.errors import OperatorError

PID = "SELECT pg_backend_pid()"
TRIES = 3
"""How often two of its clients may miss each other: others use it as well."""


def is_pooled(connection: Connection[TupleRow]) -> bool:
    """Whether a pooler stands in between: it tells its clients a process number that is no server's."""
    return _server_of(connection) != connection.info.backend_pid


def shares_servers(url: str) -> bool:
    """Whether what a session sets, holds or listens to is lost at the end of the transaction: two clients meet on one server.

    False for a direct connection, and for a pooler that leaves its clients their servers. Raises OperationalError.
    """
    with Connection.connect(url, autocommit=True, **connecting.parameters("gesta pooler check")) as one:
        if not is_pooled(one):
            return False
        with Connection.connect(url, autocommit=True, **connecting.parameters("gesta pooler check")) as other:
            return any(_server_of(one) == _server_of(other) for _ in range(TRIES))


def refuse_shared_servers(url: str, variable: str, what: str) -> None:
    """Raise OperatorError, in one line, for such an address. `what` would be lost."""
    if shares_servers(url):
        raise OperatorError(
            f"{variable} leads through a pooler in transaction mode, where {what}: name a direct connection there "
            "(docs/how-to/run.md, “Through PgBouncer”)."
        )


def _server_of(connection: Connection[TupleRow]) -> int:
    row = connection.execute(PID).fetchone()
    assert row is not None
    return int(row[0])
