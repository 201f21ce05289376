"""What was begun under a correlation id is found by it to the end, whoever moved it on; and each row says who that was."""

from typing import Any
from uuid import uuid4

from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import AI_TASK, TASK
from tests.api.working import leased, report
from tests.worker.house import ScriptedProvider, at_work, worker_of


async def begun(acme: Tenant, key: str, **input: Any) -> tuple[str, str]:
    """The ids of the execution and of what it is correlated by."""
    correlation_id = str(uuid4())
    body = {"workflow_key": key, "input": input}
    started = await acme.admin.post("/executions", body, Gesta_Correlation_Id=correlation_id)
    assert started.status_code == 201, started.text
    return started.json()["id"], correlation_id


async def trail(acme: Tenant, **about: str) -> list[tuple[str, str, str]]:
    """(action, actor's type, correlation id), oldest first."""
    rows = (await acme.admin.get("/audit-logs", limit=200, **about)).json()["items"]
    ordered = sorted(rows, key=lambda row: row["position"])
    return [(row["action"], row["actor_type"], row["correlation_id"]) for row in ordered]


async def test_what_an_external_worker_reports_belongs_to_what_began_it(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(TASK)
    id, correlation_id = await begun(acme, "resize", url="a.png")
    worker = await acme.service("jobs:work")
    assert (await report(worker, await leased(worker), "complete", {"output": 1})).status_code == 200
    rows = await trail(acme, resource_id=id)
    assert rows == await trail(acme, correlation_id=correlation_id)
    assert rows[0][0] == "execution.started"
    assert rows[-1][0] == "execution.completed"
    assert {actor for _, actor, _ in rows} == {"api_key"}


async def test_what_a_worker_records_of_an_ai_task_belongs_to_what_began_it(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(AI_TASK)
    async with worker_of(gesta.database, provider=ScriptedProvider(["said"])) as worker, at_work(worker):
        id, correlation_id = await begun(acme, "classify", claim="A train.")
        await acme.admin.get(f"/executions/{id}", wait=60)
        name = worker.context.worker_id
    found = await trail(acme, correlation_id=correlation_id)
    by_worker = [action for action, actor, _ in found if actor == "worker"]
    assert {"ai_task.attempt_started", "ai_task.attempt_succeeded", "ai_task.completed", "execution.completed"} <= set(by_worker)
    assert set(await trail(acme, resource_id=id)) <= set(found)
    rows = (await acme.admin.get("/audit-logs", correlation_id=correlation_id, limit=200)).json()["items"]
    assert {row["actor_id"] for row in rows if row["actor_type"] == "worker"} == {name}


async def test_the_word_of_who_moves_it_on_goes_first(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(TASK)
    id, correlation_id = await begun(acme, "resize", url="a.png")
    other = str(uuid4())
    assert (await acme.admin.post(f"/executions/{id}/cancel", Gesta_Correlation_Id=other)).status_code == 200
    assert ("execution.cancelled", "api_key", other) in await trail(acme, resource_id=id)
    assert "execution.cancelled" not in {action for action, *_ in await trail(acme, correlation_id=correlation_id)}
