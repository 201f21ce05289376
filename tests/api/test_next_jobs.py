"""The answer to a report carries the worker's next jobs: leased as all others are, looked for only where there may be some."""

import asyncio
from typing import Any

import httpx2
import pytest

from api.leaving import leaving
from api.routes import jobs as routes
from runtime.pools import open_pool
from store.notifications.channels import JobsReady
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import TASK
from tests.api.test_jobs_waiting import Counting, unasked, wish
from tests.api.working import LAPSE, execution, lease, leased, report, run_sql, start, take_lapsed
from tests.in_turn import in_turn

STATES = "SELECT string_agg(state, ',' ORDER BY state) FROM runtime.jobs"
TWO_STEPS = {
    **TASK,
    "key": "twice",
    "nodes": [
        *TASK["nodes"],
        {**TASK["nodes"][1], "id": "again", "config": {"job_type": "resize-image", "input": "=nodes.resize.output"}},
    ],
    "edges": [
        {"source": "start", "target": "resize"},
        {"source": "resize", "target": "again"},
        {"source": "again", "target": "end"},
    ],
}


async def tell(worker: Client, *jobs: dict[str, Any], headers: Any = None, **wanted: Any) -> httpx2.Response:
    """Report these as done, and ask for the next ones."""
    body = {
        "reports": [{"id": job["id"], "fence": job["fence"], "output": {"url": "b.png"}} for job in jobs],
        "lease": {"types": ["resize-image"], "worker_id": "w", **wanted},
    }
    answer = await worker.post("/jobs/report", body, **(headers or {}))
    assert answer.status_code == 200, answer.text
    return answer


async def test_one_exchange_a_step(acme: Tenant, worker: Client) -> None:
    await acme.publish(TWO_STEPS)
    started = await start(acme, "twice")
    first = (await tell(worker, await leased(worker))).json()
    assert [item["status"] for item in first["items"]] == [200]
    (second,) = first["jobs"]
    assert (second["execution_id"], second["input"], second["attempt"]) == (started, {"url": "b.png"}, 1)
    assert (await tell(worker, second)).json()["jobs"] == []
    assert (await execution(acme, started))["output"] == {"resized": {"url": "b.png"}}


async def test_what_waits_already_is_handed_out_as_many_as_are_wanted(acme: Tenant, worker: Client) -> None:
    started = [await start(acme) for _ in range(4)]
    job = await leased(worker)
    found = (await tell(worker, job, max=2)).json()["jobs"]
    assert [one["execution_id"] for one in found] == started[1:3]
    assert len({one["id"] for one in (*found, *(await lease(worker, max=9)).json()["items"])}) == 3


async def test_without_asking_there_are_none(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    await start(acme)
    answer = await worker.post("/jobs/report", {"reports": [{"id": job["id"], "fence": job["fence"]}]})
    assert "jobs" not in answer.json()
    assert (await leased(worker))["attempt"] == 1


async def test_a_next_job_is_held_as_any_other(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    """By the key that was given it, under its fence; and another process than the one that leased it knows it."""
    await start(acme)
    job = await leased(worker)
    started = await start(acme)
    (held,) = (await tell(worker, job, lease_seconds=60)).json()["jobs"]
    stranger = await acme.service("jobs:work")
    assert (await report(stranger, held, "complete")).json()["code"] == "lease_lost"
    assert (await report(worker, {**held, "fence": 9}, "complete")).json()["code"] == "lease_lost"
    async with serving(gesta.database) as other:
        elsewhere = Client(other, worker.token)
        kept = await report(elsewhere, held, "heartbeat", {"lease_seconds": 600})
        assert kept.json()["lease_until"] > held["lease_until"]
        assert (await report(elsewhere, held, "complete", {"output": 1})).status_code == 200
    assert (await execution(acme, started))["output"] == {"resized": 1}


async def test_a_job_whose_answer_is_lost_comes_back_when_its_lease_runs_out(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    await start(acme)
    await tell(worker, job)  # and the answer is lost on the way
    assert (await lease(worker)).json()["items"] == []
    await run_sql(gesta.database, LAPSE)
    await take_lapsed(gesta.database)
    assert (await leased(worker, wait_seconds=10))["attempt"] == 2


async def test_a_repeated_report_is_answered_and_brings_what_there_is_now(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    await start(acme)
    key = {"Idempotency_Key": "k"}
    first = (await tell(worker, job, headers=key)).json()
    later = await start(acme)
    second = (await tell(worker, job, headers=key)).json()
    assert second["items"] == first["items"]
    assert [one["execution_id"] for one in second["jobs"]] == [later]


async def test_a_worker_whose_reports_were_refused_is_given_its_next_job_all_the_same(acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    await start(acme)
    answer = (await tell(worker, {**job, "fence": 9})).json()
    assert [item["status"] for item in answer["items"]] == [409]
    assert len(answer["jobs"]) == 1


async def test_who_may_not_work_is_given_nothing(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await start(acme)
    job = await leased(worker)
    await start(acme)
    suspended = await gesta.platform.post(f"/tenants/{acme.id}/suspend")
    assert suspended.status_code == 200, suspended.text
    body = {
        "reports": [{"id": job["id"], "fence": job["fence"]}],
        "lease": {"types": ["resize-image"], "worker_id": "w"},
    }
    refused = await worker.post("/jobs/report", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert await run_sql(gesta.database, STATES) == "leased,ready"


@in_turn(
    ("wanted", "path"),
    [
        ({"types": ["gesta.ai"]}, "/lease/types/0"),
        ({"types": []}, "/lease/types"),
        ({"max": 0}, "/lease/max"),
        ({"lease_seconds": 0.5}, "/lease/lease_seconds"),
        ({"wait_seconds": 1}, "/lease/wait_seconds"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_recorded(
    gesta: Gesta, acme: Tenant, worker: Client, wanted: Any, path: str
) -> None:
    await start(acme)
    job, before = await leased(worker), await gesta.events()
    body = {
        "reports": [{"id": job["id"], "fence": job["fence"]}],
        "lease": {"types": ["resize-image"], "worker_id": "w", **wanted},
    }
    answer = await worker.post("/jobs/report", body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)
    assert await gesta.events() == before


async def test_a_worker_that_hung_up_meanwhile_is_leased_nothing(
    gesta: Gesta, acme: Tenant, worker: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reports, and is gone before its report is recorded."""
    await start(acme)
    job = await leased(worker)
    await start(acme)
    reporting, gone, left = asyncio.Event(), asyncio.Event(), asyncio.Event()
    plain = routes._report

    async def slow(*given: Any, **more: Any) -> Any:
        reporting.set()
        await gone.wait()
        return await plain(*given, **more)

    def watched(request: Any) -> Any:
        manager = leaving(request)

        class Watched:
            async def __aenter__(self) -> Any:
                future = await manager.__aenter__()
                future.add_done_callback(lambda _: gone.set())
                return future

            async def __aexit__(self, *error: Any) -> Any:
                left.set()
                return await manager.__aexit__(*error)

        return Watched()

    monkeypatch.setattr(routes, "_report", slow)
    monkeypatch.setattr(routes, "leaving", watched)
    telling = asyncio.create_task(tell(worker, job))
    await asyncio.wait_for(reporting.wait(), 30)
    telling.cancel()
    await asyncio.wait_for(left.wait(), 30)
    assert await run_sql(gesta.database, STATES) == "ready"


# The dispatcher


async def test_nothing_is_looked_for_where_others_wait_already(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = Counting(pool), asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(dispatcher.lease(wish(acme.id), 60, stays, unasked))
        await dispatcher.looked(1)
        await dispatcher.waited()
        dispatcher._nothing.clear()  # what is known of the look is over by now
        with dispatcher.next_jobs(wish(acme.id), stays) as next_jobs:
            assert await next_jobs(unasked) == []
        await dispatcher.looked(1)
        dispatcher.release()
        assert await waiting == []


async def test_nothing_is_looked_for_just_after_a_look(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = Counting(pool), asyncio.get_running_loop().create_future()
        for _ in range(3):
            with dispatcher.next_jobs(wish(acme.id), stays) as next_jobs:
                assert await next_jobs(unasked) == []
        await dispatcher.looked(1)


async def test_what_a_report_makes_ready_wakes_nobody_else(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = Counting(pool), asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(dispatcher.lease(wish(acme.id), 60, stays, unasked))
        await dispatcher.looked(1)
        await dispatcher.waited()
        with dispatcher.next_jobs(wish(acme.id, most=2), stays) as next_jobs:
            await start(acme)
            dispatcher.hear(JobsReady(acme.id, "resize-image"))
            assert len(await next_jobs(unasked)) == 1
        await dispatcher.looked(2)
        assert not waiting.done()
        dispatcher.release()
        assert await waiting == []


async def test_what_is_more_than_one_wants_is_anothers_who_waits(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = Counting(pool), asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(dispatcher.lease(wish(acme.id), 60, stays, unasked))
        await dispatcher.looked(1)
        await dispatcher.waited()
        with dispatcher.next_jobs(wish(acme.id), stays) as next_jobs:
            for _ in range(2):
                await start(acme)
            for _ in range(2):
                dispatcher.hear(JobsReady(acme.id, "resize-image"))
            found = await asyncio.wait_for(waiting, 10)  # although the first has not looked yet
            assert len(found) == len(await next_jobs(unasked)) == 1


async def test_who_leaves_without_having_looked_lets_the_next_one_look(gesta: Gesta, acme: Tenant) -> None:
    async with open_pool(gesta.database.system_url, name="test", size=2) as pool:
        dispatcher, stays = Counting(pool), asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(dispatcher.lease(wish(acme.id), 60, stays, unasked))
        await dispatcher.looked(1)
        await dispatcher.waited()
        await start(acme)
        with dispatcher.next_jobs(wish(acme.id, most=5), stays):  # and the report fails
            dispatcher.hear(JobsReady(acme.id, "resize-image"))
        assert len(await asyncio.wait_for(waiting, 10)) == 1


async def test_two_workers_that_report_at_once_are_given_different_jobs(acme: Tenant, worker: Client) -> None:
    other = await acme.service("jobs:work")
    for _ in range(8):
        await start(acme)
    one, two = await leased(worker), await leased(other)
    answers = await asyncio.gather(tell(worker, one, max=3), tell(other, two, max=3))
    ids = [job["id"] for answer in answers for job in answer.json()["jobs"]]
    assert len(ids) == len(set(ids)) == 6
