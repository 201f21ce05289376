"""Pools say who they are, keep their promise of autocommit, and are closed at the end."""

import asyncio
import time
from contextlib import AsyncExitStack

import psycopg
import pytest

from runtime import pools
from runtime.errors import OperatorError
from runtime.pools import Connection, connect, open_pool
from tests.conftest import Database

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


async def test_a_pool_names_its_connections_and_closes_them(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WARM", 2)  # as outside of tests
    async with connect(database.system_url, name="watcher") as watcher:
        async with open_pool(database.system_url, name="gesta tests", size=3) as pool:
            await pool.wait()
            cursor = await watcher.execute(SESSIONS, ["gesta tests"])
            assert await cursor.fetchone() == (2,)
            async with pool.connection() as connection:
                assert connection.autocommit
        async with asyncio.timeout(10):  # the server notices a moment later than we
            while await (await watcher.execute(SESSIONS, ["gesta tests"])).fetchone() != (0,):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def test_a_server_out_of_reach_is_one_line_at_once() -> None:
    with pytest.raises(OperatorError, match="No connection to the database: ") as caught:
        async with open_pool("host=127.0.0.1 port=1 user=x dbname=y", name="test", size=1):
            pytest.fail("opened")
    assert "\n" not in str(caught.value)


async def test_a_password_is_not_in_the_error_whatever_else_is() -> None:
    with pytest.raises(OperatorError, match="No connection to the database: ") as caught:
        async with connect("host=no-such-secret-host user=x password=secret dbname=y", name="test"):
            pytest.fail("opened")
    assert "secret" not in str(caught.value)


async def test_the_tenant_is_gone_after_its_transaction(database: Database) -> None:
    tenant = "018f0000-0000-7000-8000-000000000001"
    async with connect(database.api_url, name="test") as connection:
        async with connection.transaction():
            await connection.execute("SELECT set_config('gesta.tenant_id', %s, true)", [tenant])
            cursor = await connection.execute("SELECT runtime.current_tenant()::text")
            assert await cursor.fetchone() == (tenant,)
        cursor = await connection.execute("SELECT runtime.current_tenant()")
        assert await cursor.fetchone() == (None,)


async def test_connections_that_the_server_has_closed_are_not_handed_out(database: Database) -> None:
    """As after its restart: whoever asks next shall not be the one to find out."""
    async with open_pool(database.system_url, name="test", size=4) as pool:
        async with pool.connection() as one, pool.connection() as other:
            closed = {one.info.backend_pid, other.info.backend_pid}
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            for pid in closed:
                assert superuser.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
        for _ in closed:
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT pg_backend_pid()")
                assert await cursor.fetchone() not in {(pid,) for pid in closed}


async def test_a_connection_that_has_heard_something_is_still_good(database: Database) -> None:
    async with open_pool(database.system_url, name="test", size=1) as pool:
        async with pool.connection() as connection:
            await connection.execute("LISTEN somebody")
            before = connection.info.backend_pid
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute("NOTIFY somebody")
        async with pool.connection() as connection:
            assert connection.info.backend_pid == before


async def test_connections_that_were_cut_cost_no_pause_however_many(database: Database) -> None:
    """The first one found out tells of the others: they are not tried one after the other, with growing pauses."""
    async with open_pool(database.system_url, name="test", size=6) as pool:
        async with AsyncExitStack() as stack:
            used = [await stack.enter_async_context(pool.connection()) for _ in range(6)]
            closed = [connection.info.backend_pid for connection in used]
        end(database, closed)
        begun = time.monotonic()
        assert await pool.read(backend) not in closed
        assert time.monotonic() - begun < 1.0


async def test_what_is_read_while_the_connection_ends_is_read_again(database: Database) -> None:
    async with open_pool(database.system_url, name="test", size=2) as pool:
        seen = []

        async def ask(connection: Connection) -> int:
            seen.append(connection.info.backend_pid)
            if len(seen) == 1:
                end(database, seen)
            return await backend(connection)

        assert await pool.read(ask) == seen[1] != seen[0]


async def test_an_error_of_the_question_is_not_asked_again(database: Database) -> None:
    async with open_pool(database.system_url, name="test", size=1) as pool:
        asked = []

        async def ask(connection: Connection) -> None:
            asked.append(connection)
            await connection.execute("SELECT 1 / 0")

        with pytest.raises(psycopg.errors.DivisionByZero):
            await pool.read(ask)
        assert len(asked) == 1


async def backend(connection: Connection) -> int:
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert row is not None
    return int(row[0])


def end(database: Database, pids: list[int]) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        for pid in pids:
            assert superuser.execute("SELECT pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)
