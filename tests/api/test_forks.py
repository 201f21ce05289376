"""Forks over HTTP: what has failed is tried again from where it failed, once, by its tables and its audit log as well."""

from uuid import uuid4

from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import TASK
from tests.api.test_verify import checked
from tests.api.working import leased, report, start


async def ended_badly(acme: Tenant, worker: Client) -> str:
    execution = await start(acme, "resize", url="x")
    error = {"type": "broken", "message": "It broke.", "retryable": False}
    assert (await report(worker, await leased(worker), "fail", {"error": error})).status_code == 200
    return execution


async def test_a_failed_execution_is_forked_and_completes(gesta: Gesta, acme: Tenant, worker: Client) -> None:
    execution = await ended_badly(acme, worker)
    node_id = TASK["nodes"][1]["id"]
    forked = await acme.admin.post(f"/executions/{execution}/fork", {"node_id": node_id}, Idempotency_Key="once")
    assert forked.status_code == 201
    again = await acme.admin.post(f"/executions/{execution}/fork", {"node_id": node_id}, Idempotency_Key="once")
    assert again.json() == forked.json()
    fork = forked.json()["id"]
    assert forked.headers["Location"] == f"/v1/executions/{fork}"
    assert (await report(worker, await leased(worker), "complete", {"output": {"ok": True}})).status_code == 200
    shown = (await acme.admin.get(f"/executions/{fork}", wait=5)).json()
    assert (shown["status"], shown["trigger_type"]) == ("completed", "fork")
    assert shown["trigger_data"]["execution_id"] == execution
    topics = [item["topic"] for item in (await acme.admin.get(f"/executions/{fork}/history")).json()["items"]]
    assert topics[:2] == ["execution.started.v1", "execution.forked.v1"]
    await gesta.projector.catch_up()
    assert (await checked(gesta.database, acme.id)).holds


async def test_what_cannot_be_forked_is_told_at_its_field(acme: Tenant, worker: Client) -> None:
    execution = await ended_badly(acme, worker)
    nowhere = await acme.admin.post(f"/executions/{execution}/fork", {"node_id": "nowhere"})
    assert (nowhere.status_code, nowhere.json()["errors"][0]["path"]) == (422, "/node_id")
    assert nowhere.json()["errors"][0]["code"] == "never_visited"
    assert (await acme.admin.post(f"/executions/{uuid4()}/fork", {"node_id": "start"})).status_code == 404
    other = await acme.gesta.tenant("globex")
    assert (await other.admin.post(f"/executions/{execution}/fork", {"node_id": "start"})).status_code == 404


async def test_without_a_node_it_begins_where_the_other_one_failed(acme: Tenant, worker: Client) -> None:
    execution = await ended_badly(acme, worker)
    forked = await acme.admin.post(f"/executions/{execution}/fork", {})
    assert forked.status_code == 201, forked.text
    assert [item["node_id"] for item in forked.json()["open"]] == ["resize"]
    runs = await acme.admin.post(f"/executions/{forked.json()['id']}/fork", {})
    assert (runs.status_code, runs.json()["errors"][0]["code"]) == (422, "not_failed")
    assert (await acme.admin.post(f"/executions/{uuid4()}/fork", {})).status_code == 404
    task_id = (await acme.admin.get("/audit-logs", resource="workflow")).json()["items"][0]["resource_id"]
    assert (await acme.admin.post(f"/executions/{task_id}/fork", {})).status_code == 404, "it is no execution"
