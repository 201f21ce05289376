"""Connections are cut, or silently dropped, all of them at once while they lie idle; the database is there all the time."""

import asyncio
from collections.abc import Callable

import pytest

from tests.conftest import Database
from tests.faults.through import Through, platform
from tests.store.proxy import Proxy, proxied_tcp

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
