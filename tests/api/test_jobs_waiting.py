"""Waiting for jobs costs nothing: no query while nothing happens, and no job for somebody who has gone."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from api.job_dispatcher import JobDispatcher, LeaseRequest, _Waiter
from runtime.pools import Pool, open_pool
from store.jobs import LeasedJob
from store.notifications.channels import JobsReady
from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.working import lease, leased, report, run_sql, start
from tests.conftest import Database

# pg_stat_database knows of what a connection did when it has ended
END = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
AT_ONCE = 6
"""Questions that both workers ask at the same time: they go together in one transaction, or do not."""
IN_PROGRESS = "gesta_http_requests_in_progress "


def transactions(database: Database) -> int:
    """How many there ever were in the database; every look for a job is one."""
    with psycopg.connect(database.server.url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(END, [database.name])
        row = connection.execute(TRANSACTIONS, [database.name]).fetchone()
        assert row is not None
        return int(row[0])


async def made_by(database: Database, token: str, seconds: float) -> int:
    """The transactions of a process in which two workers wait so long for a job, and somebody follows the events."""
    before = transactions(database)
    async with serving(database) as http:
        worker = Client(http, token)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        async with http.stream("GET", "/v1/events", headers=headers) as events:
            assert events.status_code == 200
            async for line in events.aiter_lines():
                if line.startswith("id:"):
                    break
            answers = await asyncio.gather(*(lease(worker, wait_seconds=seconds) for _ in range(2)))
    assert [answer.json() for answer in answers] == [{"items": []}, {"items": []}]
    return transactions(database) - before


async def test_who_waits_longer_asks_the_database_no_more(database: Database) -> None:
    async with projecting(database) as projector, serving(database) as http:
        acme = await Gesta(http, database, Client(http, await platform_key(database)), projector).tenant()
        token = (await acme.service("jobs:work", "events:read")).token
    briefly, longer = await made_by(database, token, 0.1), await made_by(database, token, 2.1)
    assert briefly > 0, "nothing was counted"
    assert longer <= briefly + AT_ONCE, "two seconds more of waiting asked for something again and again"


async def in_progress(gesta: Gesta, count: int) -> None:
    """Until so many requests are in progress, the one that asks not counted."""
    while True:
        text = (await gesta.http.get("/metrics")).text
        if f"{IN_PROGRESS}{count + 1}\n" in text:
            return
        assert IN_PROGRESS in text


async def test_a_worker_that_hung_up_is_leased_nothing(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        await worker.call("POST", "/jobs/lease", {"types": ["resize-image"], "worker_id": "w", "wait_seconds": 60}, timeout=0.2)
    await in_progress(gesta, 0)
    await start(acme)
    assert (await leased(worker))["attempt"] == 1


async def test_a_worker_whose_key_is_revoked_while_it_waits_is_leased_nothing(gesta: Gesta, acme: Tenant) -> None:
    key = (await acme.admin.post("/api-keys", {"name": "k", "permissions": ["jobs:work"], "user_id": None})).json()
    waiting = asyncio.create_task(lease(Client(gesta.http, key["token"]), wait_seconds=60))
    await in_progress(gesta, 1)
    assert (await acme.admin.call("DELETE", f"/api-keys/{key['id']}")).status_code == 200
    while not waiting.done():  # what was proven is believed for a second
        await run_sql(gesta.database, f"SELECT pg_notify('gesta_jobs', '{acme.id}:resize-image')")
    assert (await waiting).status_code == 401


async def test_what_was_leased_for_a_worker_that_hung_up_meanwhile_is_given_back(
    gesta: Gesta, acme: Tenant, worker: Client
) -> None:
    await start(acme)
    gone = asyncio.get_running_loop().create_future()

    class Slow(JobDispatcher):
        async def _take(self, wish: LeaseRequest, *, look_ahead: bool) -> tuple[list[LeasedJob], float | None]:
            found = await super()._take(wish, look_ahead=look_ahead)
            assert len(found[0]) == 1
            gone.set_result(None)
            return found

    async with open_pool(gesta.database.system_url, name="test", size=1) as pool:
        assert await Slow(pool).lease(wish(acme.id), 10, gone, unasked) == []
    assert (await leased(worker))["attempt"] == 1


async def test_a_job_whose_moment_comes_finds_who_waits_although_another_knew_of_it(
    gesta: Gesta, acme: Tenant, worker: Client
) -> None:
    await start(acme)
    failed = await report(worker, await leased(worker), "fail", {"error": {"type": "Broken"}})
    assert failed.json()["job"]["delay_ms"] == 10
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = JobDispatcher(pool), asyncio.get_running_loop().create_future()
        assert [job.attempt for job in await asyncio.wait_for(dispatcher.lease(wish(acme.id), 60, stays, unasked), 10)] == [2]


async def test_a_hint_wakes_one_and_a_full_hand_wakes_the_next(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher = Counting(pool)
        stays = asyncio.get_running_loop().create_future()
        waiting = [asyncio.create_task(dispatcher.lease(wish(acme.id), 60, stays, unasked)) for _ in range(5)]
        await dispatcher.looked(5)
        for _ in range(2):
            await start(acme)
        dispatcher.hear(JobsReady(acme.id, "other"))
        dispatcher.hear(JobsReady(acme.id, "resize-image"))
        done = 0
        while done < 2:
            await asyncio.wait([task for task in waiting if not task.done()], return_when=asyncio.FIRST_COMPLETED)
            done = sum(task.done() for task in waiting)
        await dispatcher.looked(8)  # two that found one, and one that was woken by the second and found none
        dispatcher.release()
        found = await asyncio.gather(*waiting)
    assert sorted(map(len, found)) == [0, 0, 0, 1, 1]


async def test_who_asks_a_moment_after_a_look_does_not_look_again_before_there_is_a_hint(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=1) as pool:
        dispatcher = Counting(pool)
        stays = asyncio.get_running_loop().create_future()
        assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        await dispatcher.looked(1)
        await start(acme)
        dispatcher.hear(JobsReady(acme.id, "other"))
        assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        await dispatcher.looked(1)
        dispatcher.hear(JobsReady(acme.id, "resize-image"))
        assert len(await dispatcher.lease(wish(acme.id), 60, stays, unasked)) == 1
        await dispatcher.looked(2)


async def test_who_does_not_wait_is_answered_from_what_is_there(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=1) as pool:
        dispatcher, stays = JobDispatcher(pool), asyncio.get_running_loop().create_future()
        assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        await start(acme)
        assert len(await dispatcher.lease(wish(acme.id), 0, stays, unasked)) == 1


async def test_a_hint_that_is_lost_costs_a_moment(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=1) as pool:
        dispatcher, stays = JobDispatcher(pool), asyncio.get_running_loop().create_future()
        assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        await start(acme)
        assert len(await asyncio.wait_for(dispatcher.lease(wish(acme.id), 60, stays, unasked), 30)) == 1


async def test_a_hint_that_comes_during_a_look_is_not_forgotten(gesta: Gesta, acme: Tenant) -> None:
    class Hinted(Counting):
        def _looking(self, wish: LeaseRequest) -> Any:
            nothing = super()._looking(wish)
            self.hear(JobsReady(acme.id, "resize-image"))
            return nothing

    async with open_pool(gesta.database.system_url, name="test", size=1) as pool:
        dispatcher, stays = Hinted(pool), asyncio.get_running_loop().create_future()
        for _ in range(2):
            assert await dispatcher.lease(wish(acme.id), 0.01, stays, unasked) == []
        assert dispatcher.looks >= 2


class Counting(JobDispatcher):
    """Counts how often it has looked."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.looks = 0
        self.in_wait = asyncio.Event()
        self._look = asyncio.Condition()

    async def _take(self, wish: LeaseRequest, *, look_ahead: bool) -> tuple[list[LeasedJob], float | None]:
        found = await super()._take(wish, look_ahead=look_ahead)
        async with self._look:
            self.looks += 1
            self._look.notify_all()
        return found

    async def _wait(self, place: _Waiter, seconds: float, due: float | None) -> bool:
        self.in_wait.set()
        return await super()._wait(place, seconds, due)

    async def looked(self, times: int) -> None:
        async with self._look:
            await self._look.wait_for(lambda: self.looks >= times)
        assert self.looks == times

    async def waited(self) -> None:
        """Until somebody who has found nothing waits."""
        await asyncio.wait_for(self.in_wait.wait(), 30)


async def unasked() -> None:
    """Nothing speaks against it."""


def wish(tenant_id: UUID, most: int = 1) -> LeaseRequest:
    return LeaseRequest(tenant_id, ("resize-image",), most, 60.0, "w")
