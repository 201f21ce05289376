"""What is told after a commit arrives, also when the connection for it was lost while there was nothing to say."""

import asyncio
from typing import Any

from psycopg import AsyncConnection

from store.hints import JOBS, Hints
from tests.conftest import Database

END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gesta hints'"


async def heard(listener: AsyncConnection[Any], names: int) -> list[str]:
    async with asyncio.timeout(60):
        return [hint.payload async for hint in listener.notifies(stop_after=names)]


async def test_a_hint_is_not_lost_with_a_connection_that_was_lost_before(database: Database) -> None:
    hints = Hints(database.system_url)
    async with (
        await AsyncConnection.connect(database.system_url, autocommit=True) as listener,
        await AsyncConnection.connect(database.superuser_url, autocommit=True) as other,
    ):
        await listener.execute("LISTEN gesta_jobs")
        hints.touch(JOBS, "first")
        assert await heard(listener, 1) == ["first"]
        await other.execute(END)
        hints.touch(JOBS, "second")
        assert await heard(listener, 1) == ["second"]
    await hints.aclose()
