"""What `gesta doctor` finds out about analysts' logins: what they may do beyond their tenant's rows, and how to mend it."""

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql

from cli.diagnostics import analysts
from cli.diagnostics.finding import CheckResult
from tests.conftest import Database
from tests.projections.analysing import admitted
from tests.projections.story import ACME

MIGHTY, RIGHTS, LIMITS, LOGINS = "analysts as roles", "rights of analysts", "limits of analysts", "logins of analysts"
BROKEN = {
    "ALTER ROLE {login} BYPASSRLS": (MIGHTY, "fail", "has BYPASSRLS"),
    "ALTER ROLE gesta_analyst LOGIN": (MIGHTY, "fail", "gesta_analyst: may log in"),
    "GRANT pg_read_all_data TO {login}": (MIGHTY, "fail", "has the rights of pg_read_all_data"),
    "GRANT gesta_system TO gesta_analyst": (MIGHTY, "fail", "gesta_analyst: has the rights of gesta_system"),
    "GRANT UPDATE ON projections.roles TO {login}": (RIGHTS, "fail", "UPDATE on projections.roles"),
    "GRANT SELECT ON ledger.heads TO gesta_analyst": (RIGHTS, "fail", "SELECT on ledger.heads"),
    "GRANT SELECT (suffix) ON runtime.notification_secret TO PUBLIC": (RIGHTS, "fail", "SELECT (suffix) on"),
    "GRANT INSERT (name) ON projections.roles TO PUBLIC": (RIGHTS, "fail", "PUBLIC: INSERT (name) on projections.roles"),
    "GRANT EXECUTE ON FUNCTION runtime.secret_channel TO PUBLIC": (
        RIGHTS,
        "fail",
        "EXECUTE on FUNCTION runtime.secret_channel(text)",
    ),
    "GRANT CREATE ON SCHEMA public TO gesta_analyst": (RIGHTS, "fail", "CREATE on SCHEMA public"),
    "CREATE TABLE public.prices AS SELECT 1 AS a; GRANT SELECT ON public.prices TO PUBLIC": (RIGHTS, "fail", "SELECT on prices"),
    "ALTER TABLE projections.roles OWNER TO {login}": (RIGHTS, "fail", "everything on projections.roles"),
    "GRANT SET ON PARAMETER session_replication_role TO {login}": (RIGHTS, "fail", "SET on PARAMETER session_replication_role"),
    "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC": (RIGHTS, "warn", "PUBLIC: TEMPORARY on DATABASE"),
    "ALTER ROLE {login} CONNECTION LIMIT -1": (LIMITS, "warn", "connections: any number instead of 3"),
    "ALTER ROLE {login} RESET ALL": (LIMITS, "warn", "statement_timeout: none instead of 60s"),
    "ALTER ROLE {login} IN DATABASE {database} SET statement_timeout = '2min'": (
        LIMITS,
        "warn",
        "statement_timeout: 2min instead",
    ),
    "ALTER ROLE {login} SET idle_in_transaction_session_timeout = 0": (LIMITS, "warn", "timeout: 0 instead of 30s"),
    "UPDATE runtime.analyst_logins SET tenant_id = '{gone}'": (LOGINS, "warn", f"its tenant {UUID(int=7)} is gone"),
}


async def found(connection: AsyncConnection[Any]) -> dict[str, CheckResult]:
    return {finding.what: finding async for finding in analysts.judged(connection)}


async def test_each_thing_that_a_login_may_do_beyond_is_named_and_mended(database: Database) -> None:
    """By whoever may see it undone: each is done in a transaction that is taken back."""
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as superuser:
        assert [finding.words async for finding in analysts.judged(superuser)] == ["there are none"]
        await superuser.execute("SELECT ledger.open(%s)", [ACME])
        login = await admitted(database, ACME)
        names = {"login": sql.Identifier(login), "database": sql.Identifier(database.name), "gone": sql.SQL(str(UUID(int=7)))}
        await superuser.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC").format(**names))
        for statement, (what, state, words) in BROKEN.items():
            async with superuser.transaction(force_rollback=True):
                await superuser.execute(sql.SQL(statement).format(**names))
                finding = (await found(superuser))[what]
                assert finding.state == state, (statement, finding)
                assert words in finding.words, (statement, finding)
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as system:
        assert {one.state for one in (await found(system)).values()} == {"ok"}
