"""Whatever the zone of a server, the times of our sessions are UTC; options that an address names stay."""

from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from runtime.pools import connect, open_pool
from store.reconnecting import ReconnectingConnection
from tests.conftest import Database

EDGES = "SELECT '0001-01-01T00:00:00Z'::timestamptz, '9999-12-31T23:59:59.999999Z'::timestamptz"


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
async def test_times_at_both_ends_of_the_calendar_are_read_from_a_server_in_another_zone(zone: str, database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("ALTER DATABASE {} SET timezone = {}").format(sql.Identifier(database.name), zone))
    link = ReconnectingConnection(database.system_url, "test")
    async with (
        connect(database.system_url, name="test") as alone,
        open_pool(database.api_url, name="test", size=1) as pool,
        pool.connection() as pooled,
    ):
        for connection in (alone, pooled, await link.open()):
            row = await (await connection.execute(EDGES)).fetchone()
            assert row == (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
            assert str(row[0].tzinfo) == "UTC"
    await link.close()


async def test_options_that_an_address_names_stay(database: Database) -> None:
    for address in (
        f"{database.system_url}&options=-c%20work_mem%3D1MB",
        make_conninfo(database.system_url, options="-c work_mem=1MB"),
    ):
        async with connect(address, name="test") as connection:
            row = await (await connection.execute("SELECT current_setting('work_mem'), current_setting('TimeZone')")).fetchone()
            assert row == ("1MB", "UTC")
