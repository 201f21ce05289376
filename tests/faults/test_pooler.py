"""Everything works through PgBouncer in transaction mode, whether it keeps track of prepared statements or not."""

from pathlib import Path

import psycopg
import pytest

from cli.diagnostics import ways
from projections.verify import verify
from runtime.addresses import Addresses
from runtime.errors import OperatorError
from runtime.migrations import owner_connection
from runtime.poolers import shares_servers
from runtime.pools import Connection, check_logins, connect, open_pool
from tests.conftest import Database
from tests.faults.pooler import pooled
from tests.faults.through import platform


@pytest.mark.parametrize("prepared", [200, 0])
async def test_a_whole_platform_through_a_few_servers(prepared: int, database: Database, tmp_path: Path) -> None:
    """More clients than servers, so that each is given now this one, now that."""
    with pooled(database, tmp_path, prepared=prepared, size=3) as through:
        async with platform(through) as running:
            for _ in range(3):
                await running.run_many(16)
            listed = await running.tenant.admin.get("/executions", limit=100)
            assert len(listed.json()["items"]) == 48
        async with connect(through.system_url, name="test") as connection:
            assert (connection.prepare_threshold is not None) == (prepared > 0)
            verdict = await verify(connection, running.tenant.id)
            assert verdict.holds, verdict.broken


async def test_who_reads_gets_over_prepared_statements_that_are_lost(database: Database, tmp_path: Path) -> None:
    """As when the pooler is told to keep track no longer, or another of its clients throws them away: a new connection helps."""

    async def ask(connection: Connection) -> int:
        row = await (await connection.execute("SELECT 7", prepare=True)).fetchone()
        assert row is not None
        return int(row[0])

    with pooled(database, tmp_path, prepared=0, size=1) as through:
        async with open_pool(through.system_url, name="test", size=1) as pool, connect(through.system_url, name="test") as other:
            async with pool.connection() as connection:
                connection.prepare_threshold = 0
                assert await ask(connection) == 7
            await other.execute("DEALLOCATE ALL")
            assert await pool.read(ask) == 7
            async with pool.connection() as another:
                assert another is not connection


async def test_who_needs_a_session_of_their_own_says_so(database: Database, tmp_path: Path) -> None:
    with pooled(database, tmp_path) as through:
        assert shares_servers(through.system_url)
        assert not shares_servers(database.system_url)
        with pytest.raises(OperatorError, match="GESTA_LISTEN_DATABASE_URL leads through a pooler in transaction mode"):
            await check_logins(through.system_url, through.api_url, listen=through.system_url)
        await check_logins(through.system_url, through.api_url, listen=through.listen_url)
        with pytest.raises(OperatorError, match="gesta_api may not listen to notifications"):
            await check_logins(through.system_url, listen=database.api_url)
        with (
            pytest.raises(OperatorError, match="DATABASE_URL leads through a pooler in transaction mode"),
            owner_connection(through.owner_url),
        ):
            pytest.fail("opened")


async def test_a_pooler_that_leaves_sessions_alone_is_as_good_as_none(database: Database, tmp_path: Path) -> None:
    with pooled(database, tmp_path, mode="session") as through:
        assert not shares_servers(through.system_url)
        await check_logins(through.system_url, listen=through.system_url)
        with owner_connection(through.owner_url) as owner:
            assert owner.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("wrong", ["listen", "owner", "statement", "elsewhere", "limits"])
async def test_the_doctor_finds_each_wrong_setting(
    wrong: str, database: Database, empty_database: Database, tmp_path: Path
) -> None:
    mode = "statement" if wrong == "statement" else "transaction"
    with pooled(database, tmp_path, prepared=0, mode=mode) as through:
        owner = through.owner_url if wrong == "owner" else database.owner_url
        listen = {"listen": through.system_url, "elsewhere": empty_database.system_url}.get(wrong, database.system_url)
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            if wrong == "limits":
                superuser.execute(f"ALTER ROLE gesta_system IN DATABASE {database.name} SET statement_timeout = 0".encode())
        addresses = Addresses(owner, through.system_url, through.api_url, listen)
        found = {finding.what: finding async for finding in ways.examine(addresses) if finding.state != "ok"}
    untracked = {"way of system", "way of api"}
    expected = {
        "listen": untracked | {"way of listen", "notifications"},
        "owner": untracked | {"way of owner"},
        "statement": untracked | {"writer", "notifications"},
        "elsewhere": untracked | {"notifications"},
        "limits": untracked | {"time limits of system"},
    }
    assert set(found) == expected[wrong], found
    if wrong == "limits":
        assert found["time limits of system"].remedy == "ALTER ROLE gesta_system SET statement_timeout = '60s';"
