"""Pools say who they are, keep their promise of autocommit, and are closed at the end."""

import asyncio

import pytest

from runtime.errors import OperatorError
from runtime.pools import connect, open_pool
from tests.conftest import Database

SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"


async def test_a_pool_names_its_connections_and_closes_them(database: Database) -> None:
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


async def test_the_tenant_is_gone_after_its_transaction(database: Database) -> None:
    tenant = "018f0000-0000-7000-8000-000000000001"
    async with connect(database.api_url, name="test") as connection:
        async with connection.transaction():
            await connection.execute("SELECT set_config('gesta.tenant_id', %s, true)", [tenant])
            cursor = await connection.execute("SELECT runtime.current_tenant()::text")
            assert await cursor.fetchone() == (tenant,)
        cursor = await connection.execute("SELECT runtime.current_tenant()")
        assert await cursor.fetchone() == (None,)
