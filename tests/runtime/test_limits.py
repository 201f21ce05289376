"""Every role has its time limits, on a server of one's own too, and what an operator chose stays."""

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from runtime import limits
from runtime.pools import connect
from tests.conftest import Database

OF_SESSION = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
CONFIGURED = "SELECT rolconfig FROM pg_roles WHERE rolname = %s"


def configured(connection: Connection[TupleRow], role: str) -> dict[str, str]:
    row = connection.execute(CONFIGURED, [role]).fetchone()
    return dict(word.split("=", 1) for word in (row[0] if row else None) or ())


async def test_sessions_begin_with_the_limits_of_their_role(database: Database) -> None:
    for url, expected in ((database.system_url, ("1min", "5s")), (database.api_url, ("30s", "5s"))):
        async with connect(url, name="test") as connection:
            assert await (await connection.execute(OF_SESSION)).fetchone() == expected


def test_an_owner_who_made_the_roles_sets_what_is_missing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server of one's own, where the first migration makes them."""
    owner, serving = f"owner_of_{database.name}", f"system_of_{database.name}"
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE").format(sql.Identifier(owner)))
        monkeypatch.setattr(
            limits, "LIMITS", {serving: limits.LIMITS["gesta_system"], "absent": {}, "postgres": {"work_mem": "1MB"}}
        )
        try:
            with psycopg.connect(database.server.url(owner, database.name), autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(serving)))
                connection.execute(sql.SQL("ALTER ROLE {} SET statement_timeout = '7s'").format(sql.Identifier(serving)))
                limits.set_limits(connection)
            assert configured(superuser, serving) == {**limits.LIMITS[serving], "statement_timeout": "7s"}
            assert "work_mem" not in configured(superuser, "postgres")  # which it may not
        finally:
            for role in (serving, owner):
                superuser.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
