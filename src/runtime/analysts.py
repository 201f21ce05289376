"""Logins of analysts: roles of the database that see one tenant's rows, by who has logged in and not by a setting.

Which tenant each is bound to, and its limits, stand in `runtime.analyst_logins`; functions of the owner's make and end them
(`migrations/functions/runtime.*_analyst*.sql`).
"""

import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, Connection, sql
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow

GROUP = "gesta_analyst"
"""The role of which all of them are members, and which policies and grants name. Nobody logs in as it."""
PREFIX = "gesta_analyst_"
PASSWORD_BYTES = 24

HAS_FUNCTION = "SELECT to_regprocedure('runtime.let_analysts_read(regnamespace)') IS NOT NULL"
LET_READ = "SELECT runtime.let_analysts_read('projections'::regnamespace)"
MAY_MAKE_TEMPORARY = """
SELECT current_database()::text, pg_has_role(d.datdba, 'USAGE')
  FROM pg_database d
 WHERE d.datname = current_database() AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'gesta_analyst')
   AND has_database_privilege('gesta_analyst', d.oid, 'TEMPORARY')
"""
NO_TEMPORARY = sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC")
# Any login may take an advisory lock. An analyst's session that has one of ours is ended by whoever needs it.
END_HOLDERS = r"""
SELECT pg_terminate_backend(l.pid, 5000) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.usename LIKE 'gesta\_analyst\_%%'
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.classid = (%(key)s::int8 >> 32)::oid AND l.objid = (%(key)s::int8 & 4294967295)::oid
"""
ADMIT = """
SELECT runtime.admit_analyst(%(tenant_id)s, %(analyst_id)s, %(login)s, %(verifier)s, %(connections)s, %(statement_seconds)s,
                             %(idle_seconds)s, %(transaction_seconds)s, %(expires_at)s)
"""
DISMISS = "SELECT runtime.dismiss_analyst(%s)"
END = """
SELECT login, reason, ended FROM runtime.end_analysts()
 UNION ALL SELECT login, reason, ended FROM runtime.end_queue_holders(%s)
"""
END_SESSIONS = "SELECT runtime.end_analyst_sessions(%s)"
QUEUE_SHARE = 0.02
"""Of the queue of notifications. It is empty in regular use, and fills only while somebody keeps it from being emptied."""
ANY_SESSION = r"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename LIKE 'gesta\_analyst\_%')"


@dataclass(frozen=True)
class LoginLimits:
    """Of one login. Seconds, but for `connections`: how many at a time."""

    connections: int = 3
    statement_seconds: int = 60
    idle_seconds: int = 30
    transaction_seconds: int = 300


@dataclass(frozen=True)
class Ended:
    """A session beyond its limits. `ended`: False where it was gone by itself."""

    login: str
    reason: str
    ended: bool


def new_login() -> str:
    """A name that tells nothing: everybody who may connect sees the names of all roles."""
    return f"{PREFIX}{secrets.token_hex(8)}"


def login_of_api(database: str, tenant_id: UUID) -> str:
    """The one by which the API answers SQL over HTTP. Roles belong to a server, which may have several databases."""
    found = hashlib.sha256(tenant_id.bytes + database.encode())
    return f"{PREFIX}{found.hexdigest()[:32]}"


def new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


async def admit(
    connection: AsyncConnection[Any],
    tenant_id: UUID,
    login: str,
    password: str,
    limits: LoginLimits,
    *,
    analyst_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Make the login, or give it this password and these limits. `connection`: as gesta_system. The password does not go to the
    server, nor to its logs."""
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    named: Mapping[str, object] = {
        **limits.__dict__,
        "tenant_id": tenant_id,
        "analyst_id": analyst_id,
        "login": login,
        "verifier": verifier,
        "expires_at": expires_at,
    }
    await connection.execute(ADMIT, named)


async def dismiss(connection: AsyncConnection[Any], login: str) -> None:
    """End its sessions and drop it. `connection`: as gesta_system."""
    await connection.execute(DISMISS, [login])


async def end_sessions(connection: AsyncConnection[Any], login: str) -> None:
    """All that it has. `connection`: as gesta_system."""
    await connection.execute(END_SESSIONS, [login])


async def end_beyond_limits(connection: AsyncConnection[Any], queue_share: float = QUEUE_SHARE) -> tuple[list[Ended], bool]:
    """The sessions that were ended, and whether there are any at all. `connection`: as gesta_system."""
    row = await (await connection.execute(ANY_SESSION)).fetchone()
    if row is None or not row[0]:
        return [], False
    return [Ended(*each) for each in await (await connection.execute(END, [queue_share])).fetchall()], True


def let_read(connection: Connection[TupleRow]) -> None:
    """Every table and view of the schema that serves, also new ones. `connection`: the owner's."""
    if connection.execute(HAS_FUNCTION).fetchone() == (True,):
        connection.execute(LET_READ)


def forbid_temporary_tables(connection: Connection[TupleRow]) -> None:
    """Everybody may make them in a new database, and fill a disk. Only the database's owner can take that away: where this login
    is not, docs/how-to/connect-as-an-analyst.md says how."""
    found = connection.execute(MAY_MAKE_TEMPORARY).fetchone()
    if found is not None and found[1]:
        connection.execute(NO_TEMPORARY.format(sql.Identifier(found[0])))


def end_holders(connection: Connection[TupleRow], key: int) -> None:
    """Sessions of analysts that hold an advisory lock of ours. `connection`: a member of gesta_owner's, in autocommit."""
    with suppress(InsufficientPrivilege):
        connection.execute(END_HOLDERS, {"key": key})


async def end_holders_async(connection: AsyncConnection[Any], key: int) -> None:
    with suppress(InsufficientPrivilege):
        await connection.execute(END_HOLDERS, {"key": key})
