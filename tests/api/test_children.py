"""Children and parents over HTTP, with two processes at one database: each end is told once, whoever brings it about."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import psycopg
import pytest

from projections.verify import verify
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import TASK
from tests.api.working import lease, report
from tests.engine.drawing import drawing

CHILD = {"workflow_key": "resize", "input": {"url": "=input.url"}}
RESIZED = ("workflow", CHILD)
PAIR = {
    **drawing(
        {
            "s": "start",
            "a": RESIZED,
            "b": RESIZED,
            "j": ("join", {"mode": "all"}),
            "e": ("end", {"output": "=[nodes.a.output.resized, nodes.b.output.resized]"}),
        },
        "s > a",
        "s > b",
        "a > j",
        "b > j",
        "j > e",
    ),
    "key": "pair",
}
ONE = {
    **drawing({"s": "start", "c": RESIZED, "e": ("end", {"output": "=nodes.c.output"})}, "s > c", "c > e"),
    "key": "one",
}


@pytest.fixture
async def other(gesta: Gesta) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(gesta.database) as http:
        yield http


async def started(tenant: Tenant, key: str) -> dict[str, Any]:
    answer = await tenant.admin.post("/executions", {"workflow_key": key, "input": {"url": "a.png"}})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def shown(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict((await tenant.admin.get(f"/executions/{id}")).json())


async def assert_verified(gesta: Gesta, tenant: Tenant) -> None:
    """The tables equal a fresh fold, and jobs, timers and claims are those that the events tell of."""
    await gesta.projector.catch_up()
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        verdict = await verify(conn, tenant.id)
    assert verdict.holds, verdict.broken
    assert verdict.comparison.equal


async def test_a_parent_and_its_child_are_seen_side_by_side(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    await acme.publish(ONE)
    parent = await started(acme, "one")
    [item] = parent["open"]
    assert (item["kind"], item["node_id"]) == ("execution", "c")
    child = await shown(acme, item["id"])
    assert (child["parent_execution_id"], child["parent_activation_id"]) == (parent["id"], item["activation_id"])
    assert (child["trigger_type"], child["trigger_data"]["node_id"], child["input"]) == ("child", "c", {"url": "a.png"})
    assert (await shown(acme, parent["id"]))["open"] == [item]
    [wait] = (await acme.admin.get(f"/executions/{parent['id']}/waits")).json()["items"]
    assert (wait["kind"], wait["id"], wait["by"]) == ("execution", item["id"], {"workflow_key": "resize"})
    history = (await acme.admin.get(f"/executions/{parent['id']}/history")).json()["items"]
    assert item["id"] in str(history[-1])
    [job] = (await lease(worker)).json()["items"]
    reported = await report(worker, job, "complete", {"output": 3})
    assert (reported.status_code, reported.json()["execution"]["id"]) == (200, child["id"])
    assert (await shown(acme, parent["id"]))["output"] == {"resized": 3}
    await assert_verified(gesta, acme)


async def test_two_children_that_end_at_once_in_two_processes_are_both_heard(
    gesta: Gesta, acme: Tenant, worker: Client, other: httpx2.AsyncClient
) -> None:
    await acme.publish(PAIR)
    elsewhere = Client(other, worker.token)
    for _ in range(10):
        parent = await started(acme, "pair")
        one, two = (await lease(worker, max=2)).json()["items"]
        answers = await asyncio.gather(
            report(worker, one, "complete", {"output": 1}), report(elsewhere, two, "complete", {"output": 2})
        )
        assert [answer.status_code for answer in answers] == [200, 200]
        ended = await shown(acme, parent["id"])
        assert (ended["status"], sorted(ended["output"])) == ("completed", [1, 2])
    await assert_verified(gesta, acme)


async def test_a_parent_is_cancelled_in_one_process_as_its_child_ends_in_another(
    gesta: Gesta, acme: Tenant, worker: Client, other: httpx2.AsyncClient
) -> None:
    await acme.publish(ONE)
    elsewhere = Client(other, acme.admin.token, acme.admin.headers)
    seen = set()
    for _ in range(10):
        parent = await started(acme, "one")
        [job] = (await lease(worker)).json()["items"]
        done, cancelled = await asyncio.gather(
            report(worker, job, "complete", {"output": 1}), elsewhere.post(f"/executions/{parent['id']}/cancel", {})
        )
        ends = [(await shown(acme, id))["status"] for id in (parent["id"], parent["open"][0]["id"])]
        if cancelled.status_code == 200:
            assert (ends, done.status_code) == (["cancelled", "cancelled"], 409)
        else:
            assert (ends, done.status_code, cancelled.json()["code"]) == (["completed", "completed"], 200, "execution_closed")
        seen.add(tuple(ends))
    assert seen
    await assert_verified(gesta, acme)


async def test_a_child_that_is_cancelled_elsewhere_fails_its_parent(
    gesta: Gesta, acme: Tenant, other: httpx2.AsyncClient
) -> None:
    await acme.publish(ONE)
    parent = await started(acme, "one")
    elsewhere = Client(other, acme.admin.token, acme.admin.headers)
    assert (await elsewhere.post(f"/executions/{parent['open'][0]['id']}/cancel", {"reason": "no"})).status_code == 200
    assert (await shown(acme, parent["id"]))["error_details"] == {"code": "cancelled", "message": "no", "node_id": "c"}
    await assert_verified(gesta, acme)


async def test_a_version_published_elsewhere_a_moment_ago_is_the_one_that_is_started(
    acme: Tenant, other: httpx2.AsyncClient
) -> None:
    await acme.publish(ONE)
    await started(acme, "one")  # this process knows the child's workflow
    elsewhere = Client(other, acme.admin.token, acme.admin.headers)
    [resize] = (await elsewhere.get("/workflows", key="resize")).json()["items"]
    changed = {**TASK, "name": "Resize again"}
    assert (await elsewhere.call("PUT", f"/workflows/{resize['id']}/draft", {"definition": changed})).status_code == 200
    assert (await elsewhere.post(f"/workflows/{resize['id']}/publish", {})).status_code == 200
    parent = await started(acme, "one")
    assert (await shown(acme, parent["open"][0]["id"]))["workflow_version"] == 2


async def test_an_author_is_told_which_workflows_are_not_there(gesta: Gesta) -> None:
    tenant, stranger = await gesta.tenant(), await gesta.tenant("stranger")
    await stranger.publish(TASK)
    answer = await tenant.admin.post("/workflows/validate", {"definition": ONE})
    assert [each["code"] for each in answer.json()["findings"] if each["code"] == "unknown_workflow"] == ["unknown_workflow"]
    await tenant.publish(TASK)
    answer = await tenant.admin.post("/workflows/validate", {"definition": ONE})
    assert [each for each in answer.json()["findings"] if each["code"] == "unknown_workflow"] == []


async def test_a_workflow_of_another_tenant_is_not_there(gesta: Gesta) -> None:
    tenant, stranger = await gesta.tenant(), await gesta.tenant("stranger")
    await stranger.publish(TASK)
    await tenant.publish(ONE)
    assert (await started(tenant, "one"))["status"] == "failed"
