"""What is told after a commit arrives, also when the connection for it was lost while there was nothing to say."""

import asyncio
from typing import Any

from psycopg import AsyncConnection

from store.hints import JOBS, Hints, look_everywhere
from store.wakeups import Wakeups
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


async def test_who_is_told_to_look_everywhere_does_whatever_is_waited_for(database: Database) -> None:
    wakeups = Wakeups(database.system_url)
    with wakeups.jobs(["resize"]) as jobs, wakeups.timers() as timers:
        listening = asyncio.create_task(wakeups.run())
        async with asyncio.timeout(60), await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            for event in (jobs, timers):
                await event.wait()  # it listens
                event.clear()
            await look_everywhere(conn)
            await jobs.wait()
            await timers.wait()
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    await wakeups.aclose()


async def test_nobody_is_kept_from_starting_because_a_hint_is_lost(database: Database) -> None:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as lost:
        await lost.close()
        await look_everywhere(lost)
