"""Who a process may not be."""

from psycopg import AsyncConnection, BaseConnection
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

from runtime.errors import OperatorError

OLDEST_SERVER = 15

# Of the login and of the role it has set: can it become a superuser, or pass by row-level security, or own what we serve?
DANGERS = """
SELECT who.rolname::text,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolsuper AND pg_has_role(who.oid, r.oid, 'MEMBER')),
       EXISTS (SELECT FROM pg_roles r WHERE r.rolbypassrls AND pg_has_role(who.oid, r.oid, 'MEMBER')),
       EXISTS (SELECT FROM pg_namespace n WHERE n.nspname IN ('ledger', 'runtime', 'projections')
                 AND (pg_has_role(who.oid, n.nspowner, 'MEMBER')
                      OR EXISTS (SELECT FROM pg_class c
                                  WHERE c.relnamespace = n.oid AND pg_has_role(who.oid, c.relowner, 'MEMBER'))))
  FROM pg_roles who
 WHERE who.rolname IN (session_user, current_user)
"""

# NULL on a schema that has no such function yet.
MAY_LISTEN = "SELECT has_function_privilege(to_regprocedure('runtime.secret_channel(text)'), 'EXECUTE')"


async def refuse_dangerous_role(connection: AsyncConnection[TupleRow]) -> None:
    """Raise OperatorError if this login is, or could become, a superuser, an owner, or a role with BYPASSRLS.

    Row-level security and the ledger's append-only grants bind none of these, so no process that serves runs as one.
    """
    cursor = await connection.execute(DANGERS)
    for name, is_superuser, passes_by, is_owner in await cursor.fetchall():
        reasons = {"is a superuser": is_superuser, "has BYPASSRLS": passes_by, "owns the tables it would serve": is_owner}
        if (reason := next((words for words, holds in reasons.items() if holds), None)) is not None:
            raise OperatorError(f"Refusing to run as {name}, who {reason}: connect as gesta_system or gesta_api.")


async def refuse_deaf_role(connection: AsyncConnection[TupleRow]) -> None:
    """Raise OperatorError if this login may not know what our notification channels are called."""
    try:
        row = await (await connection.execute(MAY_LISTEN)).fetchone()
    except InsufficientPrivilege:
        row = (False,)
    if row == (False,):
        login = connection.info.user
        raise OperatorError(f"{login} may not listen to notifications: GESTA_LISTEN_DATABASE_URL must lead to gesta_system.")


def refuse_old_server(connection: BaseConnection[TupleRow]) -> None:
    """Raise OperatorError for a PostgreSQL before 15."""
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise OperatorError(f"The server at {connection.info.host} is PostgreSQL {major}: Gesta needs {OLDEST_SERVER} or later.")
