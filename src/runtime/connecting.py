"""How connections to the database are opened, so that one that is gone is noticed, and one that is stuck can be ended.

A connection may lead through a pooler that gives it another server for every transaction. So nothing is set for a session but
the time zone, which poolers keep for each client, and statements are prepared only where the pooler keeps track of them.
"""

import asyncio
import os
import socket
from typing import Any, LiteralString
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DuplicatePreparedStatement
from psycopg.rows import TupleRow
from psycopg_pool import PoolTimeout

CONNECT_SECONDS = 5
LOSS_NOTICED_SECONDS = 10
"""A peer that is silently gone (a dead node, a forgetful NAT) is noticed within this time, sending or waiting."""
ANSWER_SECONDS = 3.0
"""What was idle for a while is asked for a sign of life before it is used; so much time it has for that."""
IDLE_SECONDS = 5.0

# With TCP_USER_TIMEOUT set, the kernel ends an idle connection at the first probe after it that was not answered: the one after
# 4 + 2 + 2 seconds. Probes left to themselves come 75 seconds apart, however short the timeout. A Unix socket ignores all this.
KEEPALIVES: dict[str, int] = {
    "keepalives": 1,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": (LOSS_NOTICED_SECONDS - 2) * 1000,
}

# A pooler tells its clients a process number that is no server's.
SET_UP = "SELECT pg_backend_pid(), set_config('TimeZone', 'UTC', false)"
PROBE = "SELECT 1 AS gesta_probe"
PROBE_NAME = "SELECT name FROM pg_prepared_statements WHERE statement = %s AND starts_with(name, '_pg3_')"
GONE = ("08", "57P0", "25006", "26000", "42P05")
"""How SQLSTATEs begin that say: of no use any more. The connection failed, the server ends, it may not write (a failover), or a
pooler has lost or mixed up prepared statements."""
UNABLE = ("53", "57014", "57P03", "58")

_losses = 0
_born: WeakKeyDictionary[AsyncConnection[Any], int] = WeakKeyDictionary()
"""How many losses this process had seen when the connection was opened."""


def parameters(name: str) -> dict[str, Any]:
    """Connection parameters beside the address. `name`: what pg_stat_activity shows."""
    return {"application_name": name, "connect_timeout": CONNECT_SECONDS, **KEEPALIVES}


def words(error: Exception, url: str) -> str:
    """What is wrong with an address, in a line, without the password in it."""
    text = " ".join(str(error).split())
    password = conninfo_to_dict(url).get("password")
    return text.replace(str(password), "…") if password else text


async def open_connection(url: str, *, name: str) -> AsyncConnection[TupleRow]:
    """In autocommit, and set up. Raises psycopg.OperationalError where there is none to be had."""
    connection = await AsyncConnection.connect(url, autocommit=True, **parameters(name))
    try:
        await set_up(connection)
    except BaseException:
        await connection.close()
        raise
    return connection


async def set_up(connection: AsyncConnection[Any]) -> None:
    """A new connection: its times are UTC, whatever the zone of the server, as a time at either end of the calendar has no place
    in Python's in another one. Behind a pooler it prepares statements only where that is safe."""
    _born[connection] = _losses
    row = await (await connection.execute(SET_UP)).fetchone()
    assert row is not None
    if row[0] != connection.info.backend_pid and not await _prepares(connection):
        connection.prepare_threshold = None  # nothing is prepared, not even where a statement asks for it


async def _prepares(connection: AsyncConnection[Any]) -> bool:
    """Whether the pooler keeps track of prepared statements: then it gives them names of its own. In one transaction, which is
    on one server."""
    try:
        async with connection.transaction():
            await connection.execute(PROBE, prepare=True)
            as_we_named_it = await (await connection.execute(PROBE_NAME, [PROBE])).fetchone()
            if as_we_named_it is not None:
                await connection.execute(sql.SQL("DEALLOCATE {}").format(sql.Identifier(as_we_named_it[0])))
    except DuplicatePreparedStatement:
        return False  # what somebody else left on this server
    return as_we_named_it is None


def losses() -> int:
    """How often this process has lost its connections, as far as it knows."""
    return _losses


def note_loss(connection: AsyncConnection[Any]) -> None:
    """This connection was lost. What is as old and lies idle is lost as well, most likely: finding that out one by one would
    take the patience of each."""
    global _losses
    if _born.get(connection) == _losses:
        _losses += 1


def is_suspect(connection: AsyncConnection[Any]) -> bool:
    """Whether it is older than the last loss: better open another one."""
    return _born.get(connection, _losses) < _losses


def is_unable(error: BaseException) -> bool:
    """Whether an error says that the server can do nothing of the kind for now, whatever was asked: a full disk, no memory, its
    own failure, a time limit. It may be able to in a while; the connection is as good as any."""
    return isinstance(error, psycopg.Error) and error.sqlstate is not None and error.sqlstate.startswith(UNABLE)


def is_gone(error: BaseException) -> bool:
    """Whether an error says that the connection it happened on is gone, or of no use any more: another one may do."""
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return not isinstance(error, PoolTimeout)
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        return error.sqlstate.startswith(GONE)
    return isinstance(error, psycopg.InterfaceError)


async def ask_for_life(connection: AsyncConnection[Any], statement: LiteralString = "") -> None:
    """Have a connection, in autocommit, say something soon. Raises OperationalError for one that does not, which is cut then."""
    limit = asyncio.get_running_loop().call_later(ANSWER_SECONDS, cut_silent, connection)
    try:
        await connection.execute(statement)
    finally:
        limit.cancel()


def cut(connection: AsyncConnection[Any]) -> None:
    """End a connection that does not answer, from this side: whoever waits on it gets OperationalError at once.

    Cancelling who waits does not do: psycopg would then wait for the server to confirm that, without end. That it took too long
    says nothing of other connections.
    """
    _born.pop(connection, None)
    cut_silent(connection)


def cut_silent(connection: AsyncConnection[Any]) -> None:
    """The same for one that gave no sign of life when it was asked for one: a loss, and others are suspect."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        try:
            same.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was gone already
