"""Limits over HTTP, with two processes: what is held back says why, and goes on as soon as there is room."""

import asyncio
import time
from typing import Any

import httpx2

from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import TASK
from tests.api.working import lease, report, start
from tests.in_turn import in_turn

NODES = [
    {**node, "concurrency": {"key": "=input.customer", "limit": 1}} if node["type"] == "task" else node for node in TASK["nodes"]
]
KEYED = {**TASK, "key": "keyed", "nodes": NODES}


def leased(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def job_of(tenant: Tenant, execution_id: str) -> dict[str, Any]:
    (item,) = (await tenant.admin.get(f"/executions/{execution_id}")).json()["open"]
    answer = await tenant.admin.get(f"/jobs/{item['id']}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_key_lets_one_at_a_time_and_its_end_wakes_who_waits_at_another_process(
    gesta: Gesta, acme: Tenant, worker: Client
) -> None:
    await acme.publish(KEYED)
    first, second, other = [await start(acme, "keyed", customer=customer) for customer in ("ada", "ada", "ben")]
    held = leased(await lease(worker, max=10))
    assert {job["execution_id"] for job in held} == {first, other}
    waits = await job_of(acme, second)
    assert (waits["state"], waits["place"], waits["held_back_by"]) == ("ready", 0, "key:ada")
    async with serving(gesta.database) as http:
        elsewhere = asyncio.create_task(lease(Client(http, worker.token), wait_seconds=30))
        begun = time.monotonic()
        (adas,) = [job for job in held if job["execution_id"] == first]
        assert (await report(worker, adas, "complete", {"output": {"url": "b.png"}})).status_code == 200
        (next_one,) = leased(await elsewhere)
        assert next_one["execution_id"] == second
        assert time.monotonic() - begun < 10


async def test_limits_are_set_changed_listed_and_removed(acme: Tenant, worker: Client) -> None:
    ids = [await start(acme) for _ in range(3)]
    given = {"scope": "job_type", "name": "resize-image", "concurrency": 1, "rate": {"count": 100, "per": "PT1S"}}
    made = (await acme.admin.post("/limits", given)).json()
    assert {**given, "id": made["id"], "version": 1} == made
    (one,) = leased(await lease(worker, max=10))
    assert leased(await lease(worker, max=10)) == []
    assert {(await job_of(acme, id))["held_back_by"] for id in ids if id != one["execution_id"]} == {"type:resize-image"}
    changed = (await acme.admin.post("/limits", {**given, "concurrency": 2})).json()
    assert (changed["id"], changed["version"]) == (made["id"], 2)
    assert len(leased(await lease(worker, max=10))) == 1
    (listed,) = (await acme.admin.get("/limits", scope="job_type")).json()["items"]
    assert (listed["concurrency"], listed["rate"]) == (2, {"count": 100, "per": "PT1S"})
    assert (await acme.admin.call("DELETE", f"/limits/{made['id']}")).status_code == 200
    assert len(leased(await lease(worker, max=10))) == 1
    assert (await acme.admin.get("/limits")).json()["items"] == []
    assert (await acme.admin.call("DELETE", f"/limits/{made['id']}")).status_code == 404


FAULTS = {
    "no limit at all": ({"scope": "tenant"}, "/concurrency"),
    "a tenant with a name": ({"scope": "tenant", "name": "x", "concurrency": 1}, "/name"),
    "a type without a name": ({"scope": "job_type", "concurrency": 1}, "/name"),
    "a type of our own": ({"scope": "job_type", "name": "gesta.ai", "concurrency": 1}, "/name"),
    "a node without its workflow": ({"scope": "node", "name": "x", "concurrency": 1}, "/name"),
    "no span": ({"scope": "tenant", "rate": {"count": 1, "per": "PT0S"}}, "/rate/per"),
    "no duration": ({"scope": "tenant", "rate": {"count": 1, "per": "soon"}}, "/rate/per"),
    "too many": ({"scope": "tenant", "concurrency": 10_001}, "/concurrency"),
}


@in_turn("case", FAULTS)
async def test_what_is_no_limit_is_refused_and_named(acme: Tenant, case: str) -> None:
    body, path = FAULTS[case]
    answer = await acme.admin.post("/limits", body)
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path)


async def test_weights_are_for_the_platform(acme: Tenant) -> None:
    owner = await acme.service("tenants:manage", "tenants:read")
    refused = await owner.call("PATCH", "/tenant", {"settings": {"weight": 9}})
    assert refused.status_code == 403
    assert (await acme.admin.call("PATCH", "/tenant", {"settings": {"weight": 3, "theme": "x"}})).status_code == 200
    assert (await owner.call("PATCH", "/tenant", {"settings": {"theme": "y"}})).status_code == 200
    assert (await acme.admin.get("/tenant")).json()["settings"] == {"theme": "y", "weight": 3}
    for weight in (0, 1_001, 1.5, "3", True):
        answer = await acme.admin.call("PATCH", "/tenant", {"settings": {"weight": weight}})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "/settings/weight")
