"""Connections are cut, or silently dropped, all of them at once while they lie idle; the database is there all the time."""

import asyncio
import os
from collections.abc import Callable

import pytest

from tests.conftest import Database
from tests.faults.through import CLAIM, Through, platform
from tests.store.proxy import Proxy, proxied_tcp

OUTAGE_SECONDS = float(os.environ.get("GESTA_TEST_OUTAGE_SECONDS", "8"))
"""Long enough for pauses to grow. 150 were tried by hand."""
WAYS: dict[str, Callable[[Proxy], int]] = {
    "cut": lambda proxy: proxy.cut(),
    "dropped": lambda proxy: proxy.drop(server_notices=8.0),  # as the roles' settings have it
}


@pytest.mark.parametrize(("lost", "answers_within", "all_within"), [("cut", 2.0, 15.0), ("dropped", 15.0, 20.0)])
async def test_no_request_fails_and_all_parts_come_back(
    lost: str, answers_within: float, all_within: float, database: Database
) -> None:
    async with proxied_tcp(database.system_url) as proxy, platform(Through(database.name, database.server, proxy)) as running:
        await running.run_many()
        known = (await running.run_one())["id"]
        async with asyncio.timeout(all_within):
            assert WAYS[lost](proxy) > 15
            async with asyncio.timeout(answers_within):
                await asyncio.gather(*(running.find(known) for _ in range(8)), *(running.start() for _ in range(8)))
            await running.run_many()  # hints, leases, calls, tables


async def test_after_an_outage_everything_is_back_at_once(database: Database) -> None:
    """However long it lasted, nobody has fallen into long pauses, and nothing has ended."""
    async with proxied_tcp(database.system_url) as proxy, platform(Through(database.name, database.server, proxy)) as running:
        waiting = await running.start()
        await running.run_many()
        proxy.refuse()
        proxy.cut()
        loop = asyncio.get_running_loop()
        until = loop.time() + OUTAGE_SECONDS
        while loop.time() < until:
            assert (await running.tenant.admin.get(f"/executions/{waiting}")).status_code == 503
            assert (await running.tenant.admin.post("/executions", CLAIM)).status_code == 503
        assert (await running.http.get("/readyz")).status_code == 503
        proxy.refuse(False)
        async with asyncio.timeout(5.0):
            await running.run_one()
            while (await running.http.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
