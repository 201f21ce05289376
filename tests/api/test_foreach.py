"""A foreach over HTTP: tasks and approvals of its items through two processes, seen as parts of one execution."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.test_children import assert_verified
from tests.api.working import lease, report
from tests.engine.items import body, each, one_foreach
from tests.worker.house import at_work, worker_of

RETRY = {"max_attempts": 3, "initial_interval": "PT0.01S", "jitter": 0}
PRICE = ("task", {"job_type": "price", "input": {"sku": "=item", "index": "=index"}}, {"retry": RETRY})
ASK = ("approval", {"title": "='Is ' + item + ' worth it?'"})
LINES = {**one_foreach(each(body({"price": PRICE}), max_concurrency=4, on_item_error="continue")), "key": "lines"}
ASKING = {**one_foreach(each(body({"ask": ASK}), max_concurrency=3)), "key": "asking"}
NESTED = {
    **one_foreach(each(body({"inner": each(body({"price": PRICE}), "=item")}))),
    "key": "nested",
}


@pytest.fixture
async def other(gesta: Gesta) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(gesta.database) as http:
        yield http


@asynccontextmanager
async def working(gesta: Gesta) -> AsyncIterator[None]:
    async with worker_of(gesta.database) as process, at_work(process):
        yield


async def started(tenant: Tenant, key: str, items: list[Any]) -> str:
    answer = await tenant.admin.post("/executions", {"workflow_key": key, "input": {"items": items}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict((await tenant.admin.get(f"/executions/{id}")).json())


async def asked(tenant: Tenant, count: int) -> list[dict[str, Any]]:
    """The requests that are open, once there are so many."""
    async with asyncio.timeout(30):
        while True:
            found = (await tenant.admin.get("/approvals", status="pending")).json()["items"]
            if len(found) == count:
                return sorted(found, key=lambda each: each["item_index"])
            await asyncio.sleep(0.01)


async def test_tasks_of_items_are_done_through_two_processes(
    gesta: Gesta, acme: Tenant, worker: Client, other: httpx2.AsyncClient
) -> None:
    await acme.publish(LINES)
    skus = [f"sku {number}" for number in range(30)]
    sides = [worker, Client(other, worker.token)]

    async def work(side: Client) -> None:
        """One out of three is worth nothing; who holds a job may see it reported by nobody, and done again."""
        while (await shown(acme, execution))["status"] == "running":
            jobs = (await lease(side, "price", max=2, wait_seconds=1)).json()["items"]
            for job in jobs:
                assert job["execution_id"] == execution
                if job["input"]["index"] % 3:
                    answer = await report(side, job, "complete", {"output": job["input"]["sku"].upper()})
                else:
                    error = {"type": "worthless", "message": "Nobody wants it.", "retryable": False}
                    answer = await report(side, job, "fail", {"error": error})
                assert answer.status_code == 200, answer.text
                assert answer.json()["execution"]["id"] == execution

    execution = await started(acme, "lines", skus)
    async with working(gesta):
        await asyncio.gather(*(work(side) for side in sides))
    ended = await shown(acme, execution)
    assert ended["output"]["results"] == [sku.upper() if number % 3 else None for number, sku in enumerate(skus)]
    assert [error["index"] for error in ended["output"]["errors"]] == list(range(0, 30, 3))
    assert [each["id"] for each in (await acme.admin.get("/executions")).json()["items"]] == [execution]
    await assert_verified(gesta, acme)


async def test_an_approver_sees_execution_node_and_item(gesta: Gesta, acme: Tenant, other: httpx2.AsyncClient) -> None:
    await acme.publish(ASKING)
    ann = await acme.member("approver")
    async with working(gesta):
        execution = await started(acme, "asking", ["A", "B", "C", "D"])
        first, second, third = await asked(acme, 3)
        assert [(each["execution_id"], each["node_id"], each["title"]) for each in (first, second, third)] == [
            (execution, "ask", f"Is {sku} worth it?") for sku in "ABC"
        ]
        assert [each["item_index"] for each in (first, second, third)] == [0, 1, 2]
        opened = (await shown(acme, execution))["open"]
        assert sorted((item["kind"], item["id"], item["item_index"]) for item in opened) == sorted(
            ("approval", each["id"], each["item_index"]) for each in (first, second, third)
        )
        waits = (await acme.admin.get(f"/executions/{execution}/waits")).json()["items"]
        assert sorted((wait["kind"], wait.get("item_index")) for wait in waits if wait["kind"] == "approval") == [
            ("approval", 0),
            ("approval", 1),
            ("approval", 2),
        ]
        assert [wait["node_id"] for wait in waits if wait["kind"] == "foreach"] == ["each"]
        elsewhere = Client(other, ann.client.token)
        decided = await elsewhere.post(f"/approvals/{second['id']}/decide", {"outcome": "approved"})
        assert (decided.status_code, decided.json()["execution"]["id"]) == (200, execution)
        for request in (first, third, (await asked(acme, 3))[-1]):
            answer = await ann.client.post(f"/approvals/{request['id']}/decide", {"outcome": "rejected"})
            assert answer.status_code == 200, answer.text
    ended = await shown(acme, execution)
    assert [result["outcome"] for result in ended["output"]["results"]] == ["rejected", "approved", "rejected", "rejected"]
    record = (await acme.admin.get("/audit-logs", resource_id=execution, action="item.completed")).json()["items"]
    assert len(record) == 4
    assert "(item 1 of each) completed." in str([each["description"] for each in record])
    await assert_verified(gesta, acme)


async def test_what_a_cancelled_execution_asked_for_is_asked_no_more(
    gesta: Gesta, acme: Tenant, other: httpx2.AsyncClient
) -> None:
    await acme.publish(ASKING)
    ann = await acme.member("approver")
    execution = await started(acme, "asking", ["A", "B"])
    async with working(gesta):
        requests = await asked(acme, 2)
        elsewhere = Client(other, acme.admin.token, acme.admin.headers)
        assert (await elsewhere.post(f"/executions/{execution}/cancel", {"reason": "no"})).status_code == 200
        late = await ann.client.post(f"/approvals/{requests[0]['id']}/decide", {"outcome": "approved"})
        assert late.status_code == 409, late.text
        assert await asked(acme, 0) == []
    cancelled = (await acme.admin.get("/approvals", execution_id=execution)).json()["items"]
    assert [each["status"] for each in cancelled] == ["cancelled", "cancelled"]
    await assert_verified(gesta, acme)


async def test_a_pause_reaches_every_item_and_its_end_lets_them_go(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await acme.publish(NESTED)
    async with working(gesta):
        execution = await started(acme, "nested", [["A", "B"], ["C"]])
        held = [(await lease(worker, "price", wait_seconds=30)).json()["items"][0]]
        assert (await acme.admin.post(f"/executions/{execution}/pause")).status_code == 200
        assert (await lease(worker, "price", max=10)).json()["items"] == []
        assert (await report(worker, held[0], "complete", {"output": 1})).status_code == 200
        assert (await acme.admin.post(f"/executions/{execution}/resume")).status_code == 200
        done = 1
        while done < 3:
            for job in (await lease(worker, "price", max=10, wait_seconds=30)).json()["items"]:
                assert (await report(worker, job, "complete", {"output": 1})).status_code == 200
                done += 1
        ended = (await acme.admin.get(f"/executions/{execution}", wait=30)).json()
    assert [result["results"] for result in ended["output"]["results"]] == [[1, 1], [1]]
    await assert_verified(gesta, acme)
