"""Idle means idle: what an API that nobody calls asks of the database."""

import asyncio

from tests.api.conftest import platform_key, serving
from tests.conftest import Database
from tests.projections.test_idle import transactions


async def made_by(database: Database, idle_seconds: float) -> int:
    """The transactions of an API that answers once, and then stands by for so long."""
    before = transactions(database)
    async with serving(database) as http:
        assert (await http.get("/readyz")).status_code == 200
        await asyncio.sleep(idle_seconds)  # this is what is measured
    return transactions(database) - before


async def test_an_idle_api_asks_less_than_once_a_second(database: Database) -> None:
    await platform_key(database)
    at_once, after_a_while = await made_by(database, 0), await made_by(database, 4)
    assert at_once >= 1, "nothing was counted"
    assert after_a_while - at_once < 4
