"""What a starting API says to the other processes."""

import asyncio

from psycopg import AsyncConnection

from store.notifications.channels import EVENTS, JOBS, TIMERS
from store.notifications.listening import listen
from tests.api.conftest import platform_key, serving
from tests.conftest import Database


async def test_a_starting_api_says_what_a_killed_one_could_not(database: Database) -> None:
    """Between a commit and its hint is a moment in which to be killed: what was written then waits for a sweep, or for this."""
    await platform_key(database)
    async with asyncio.timeout(60), await AsyncConnection.connect(database.system_url, autocommit=True) as listener:
        channels = await listen(listener, [EVENTS.name, JOBS.name, TIMERS.name])
        async with serving(database):
            said = [hint async for hint in listener.notifies(stop_after=3)]
    assert [(channels[hint.channel], hint.payload) for hint in said] == [(EVENTS.name, ""), (JOBS.name, ""), (TIMERS.name, "")]
