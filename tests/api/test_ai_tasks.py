"""AI tasks over HTTP: what was asked, used and paid; cancelled, and tried again before their time."""

from decimal import Decimal
from typing import Any

import pytest

from domain.ai_task import Usage
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import AI_TASK
from tests.api.working import execution, start
from tests.worker.house import ScriptedProvider, at_work, worker_of
from worker.ai.provider import AiError, CallReport, Price

REPORT = CallReport(7, Usage(30, 4), Price(Decimal("0.0000123450"), "USD"))


@pytest.fixture
async def acme(gesta: Gesta) -> Tenant:
    made = await gesta.tenant()
    await made.publish(AI_TASK)
    return made


async def begin(acme: Tenant) -> tuple[str, str]:
    """A new execution, and its AI task."""
    started = await start(acme, "classify", claim="Taxi to the airport")
    (opened,) = (await execution(acme, started))["open"]
    assert opened["kind"] == "ai_task"
    return started, opened["id"]


async def one(client: Client, task_id: str) -> dict[str, Any]:
    found = await client.get(f"/ai-tasks/{task_id}")
    assert found.status_code == 200, found.text
    return dict(found.json())


async def ended(acme: Tenant, execution_id: str) -> dict[str, Any]:
    return dict((await acme.admin.get(f"/executions/{execution_id}", wait=30)).json())


async def test_an_ai_task_tells_what_was_asked_used_and_paid(gesta: Gesta, acme: Tenant) -> None:
    started, task_id = await begin(acme)
    pending = await one(acme.admin, task_id)
    assert (pending["status"], pending["attempts"], pending["actual_cost"]) == ("pending", [], None)
    assert (pending["prompt"], pending["system_prompt"]) == ("Taxi to the airport", "You sort claims.")
    async with worker_of(gesta.database, provider=ScriptedProvider(["travel"], report=REPORT)) as worker, at_work(worker):
        assert (await ended(acme, started))["output"] == {"said": "travel"}
    done = await one(acme.admin, task_id)
    assert (done["status"], done["output"], done["execution_id"]) == ("completed", "travel", started)
    assert (done["input_tokens"], done["output_tokens"], done["latency_ms"]) == (30, 4, 7)
    assert (done["actual_cost"], done["currency"]) == ("0.0000123450", "USD")
    (attempt,) = done["attempts"]
    assert (attempt["number"], attempt["status"], attempt["cost"]) == (1, "succeeded", "0.0000123450")
    assert attempt["started_at"].endswith("Z")


async def test_ai_tasks_are_listed_by_status_model_and_execution(acme: Tenant) -> None:
    first, first_task = await begin(acme)
    _, second_task = await begin(acme)

    async def listed(**params: str) -> list[str]:
        answer = await acme.admin.get("/ai-tasks", **params)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await listed() == await listed(status="pending") == await listed(model="offline/echo") == [second_task, first_task]
    assert await listed(execution_id=first) == [first_task]
    assert await listed(status="failed") == await listed(model="other") == []
    for name, value in (("status", "lost"), ("execution_id", "x"), ("color", "red")):
        assert (await acme.admin.get("/ai-tasks", **{name: value})).json()["errors"][0]["path"] == name


async def test_a_cancelled_ai_task_is_its_nodes_error(acme: Tenant) -> None:
    started, task_id = await begin(acme)
    cancelled = await acme.admin.post(f"/ai-tasks/{task_id}/cancel", {"reason": "Sorted by hand."})
    assert cancelled.status_code == 200, cancelled.text
    assert cancelled.json()["ai_task"]["status"] == "cancelled"
    assert cancelled.json()["execution"]["status"] == "completed"
    assert (await execution(acme, started))["output"] == {"error": "cancelled"}
    assert (await one(acme.admin, task_id))["status"] == "cancelled"
    for verb in ("cancel", "retry"):
        again = await acme.admin.post(f"/ai-tasks/{task_id}/{verb}")
        assert (again.status_code, again.json()["code"]) == (409, "ai_task_closed"), verb


async def test_an_ai_task_that_waits_for_its_next_attempt_is_tried_at_once(
    gesta: Gesta, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "api.call")
    started, task_id = await begin(acme)
    provider = ScriptedProvider([AiError("rate_limit", "Slowly."), "travel"])
    async with worker_of(gesta.database, provider=provider) as worker, at_work(worker):
        while not await failed_once(acme, task_id):
            assert (await one(acme.admin, task_id))["status"] in ("pending", "running")
        retried = await acme.admin.post(f"/ai-tasks/{task_id}/retry")
        assert retried.status_code == 200, retried.text
        assert "ai_task.retry" in {vars(record).get("action") for record in caplog.records}
        assert (await ended(acme, started))["output"] == {"said": "travel"}
    assert [attempt["status"] for attempt in (await one(acme.admin, task_id))["attempts"]] == ["failed", "succeeded"]


async def test_only_who_may_sees_and_steers_ai_tasks(gesta: Gesta, acme: Tenant) -> None:
    _, task_id = await begin(acme)
    reader, stranger = await acme.service("ai_tasks:read"), await acme.service("executions:read")
    assert (await one(reader, task_id))["status"] == "pending"
    for path in ("/ai-tasks", f"/ai-tasks/{task_id}"):
        assert (await stranger.get(path)).status_code == 403
    other = await (await gesta.tenant("umbrella")).service("ai_tasks:read", "ai_tasks:control")
    assert (await other.get(f"/ai-tasks/{task_id}")).status_code == 404
    for verb in ("cancel", "retry"):
        assert (await reader.post(f"/ai-tasks/{task_id}/{verb}")).status_code == 403, verb
        assert (await other.post(f"/ai-tasks/{task_id}/{verb}")).status_code == 404, verb


async def failed_once(acme: Tenant, task_id: str) -> bool:
    return any(attempt["status"] == "failed" for attempt in (await one(acme.admin, task_id))["attempts"])
