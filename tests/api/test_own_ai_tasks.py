"""AI tasks without a workflow over HTTP: what is asked for, what workers do of it, and what agents elsewhere report."""

from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection

from api.routes.own_ai_tasks import OF_ITS_OWN, Request
from engine.own_ai_tasks import NODE
from store import ai_streams
from store.codec import JSON
from tests.api.behind import ok
from tests.api.conftest import MASTER_KEYS, Client, Gesta, Tenant
from tests.api.receiving import until
from tests.api.test_events_sse import Stream
from tests.worker.house import at_work, worker_of
from tests.worker.test_ai_loop import Offline
from tests.worker.test_sensitive import CANARY, rows_with_it
from worker.maintenance import sweep_sensitive_values

FIELDS = {"input_tokens": 210, "output_tokens": 12}
MODEL: dict[str, Any] = {"model": "large-1", "provider": "ours", "usage": FIELDS, "cost": "0.0031", "currency": "EUR"}
LOOKED_UP = {"tool": "lookup", "arguments": {"id": 7}, "result": {"price": 12}, "latency_ms": 3}
FAILED = {"tool": "lookup", "arguments": {"id": 8}, "error": {"type": "gone", "message": "No such item."}}
DENIED = {"tool": "pay", "arguments": {}, "denied": "Not without Ann."}


def test_it_takes_what_a_node_does() -> None:
    """But for `continues`: there is no execution, and so no earlier task of it."""
    assert Request.model_fields.keys() - set(OF_ITS_OWN) == NODE.config["properties"].keys() - {"continues"}


async def test_a_worker_does_what_was_asked_for_without_a_workflow(gesta: Gesta, acme: Tenant) -> None:
    service, reader = await acme.service("ai_tasks:run", "ai_tasks:read"), await acme.service("ai_tasks:read")
    wanted = {"model": "offline/script", "prompt": "Go.", "input": {"answers": [{"text": "Done."}]}, "name": "Once"}
    assert (await reader.post("/ai-tasks", wanted)).status_code == 403
    key = {"Idempotency_Key": "one"}
    made = [await service.post("/ai-tasks", wanted, **key) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json() == made[1].json() == {"id": made[0].json()["id"], "status": "pending", "version": 1}
    assert made[0].headers["location"] == f"/v1/ai-tasks/{made[0].json()['id']}"
    async with worker_of(gesta.database, provider=Offline()) as worker, at_work(worker):
        done = await ok(service.get(f"/ai-tasks/{made[0].json()['id']}", wait=30))
    assert (done["status"], done["output"], done["execution_id"], done["task_name"]) == ("completed", "Done.", None, "Once")
    wrong = {**wanted, "temprature": 1, "bounds": {"turns": 0}}
    assert [one["path"] for one in (await service.post("/ai-tasks", wrong)).json()["errors"]] == ["/temprature"]
    del wrong["temprature"]
    refused = await service.post("/ai-tasks", {**wrong, "prompt": "=input.claim"})
    assert (refused.status_code, {one["path"] for one in refused.json()["errors"]}) == (422, {"/bounds/turns"})
    other = (await ok(acme.admin.post("/ai-tasks", wanted)))["id"]
    cancelled = await ok(acme.admin.post(f"/ai-tasks/{other}/cancel"))
    assert (cancelled["ai_task"]["status"], cancelled["execution"]) == ("cancelled", None)


async def test_sensitive_values_are_given_with_the_request_and_recorded_nowhere(gesta: Gesta, acme: Tenant) -> None:
    service, reader = await acme.service("ai_tasks:run", "ai_tasks:read"), await acme.service("ai_tasks:read")
    template = {"user": "Greet {{ name }} of {{ account }}."}
    greet = {"key": "greet", "template": template, "variables": {"name": {}, "account": {"sensitive": True}}}
    await ok(acme.admin.post("/prompts", greet))
    await ok(acme.admin.post("/prompts/greet/publish"))

    def asking(account: Any, **more: Any) -> dict[str, Any]:
        prompt = {"key": "greet", "variables": {"name": "Ada", "account": account}}
        return {"model": "offline/script", "prompt": prompt, "input": {"answers": [{"text": "Done."}]}, **more}

    assert (await reader.post("/ai-tasks", asking(CANARY))).status_code == 403
    short = await service.post("/ai-tasks", asking("DE"))
    assert (short.status_code, short.json()["errors"][0]["path"]) == (422, "/prompt/variables/account")
    sealed = "SELECT task_id FROM runtime.secrets WHERE task_id IS NOT NULL"
    with psycopg.connect(gesta.database.superuser_url, autocommit=True) as connection:
        assert connection.execute(sealed).fetchall() == []
        made = [await ok(service.post("/ai-tasks", asking(CANARY), Idempotency_Key="one")) for _ in range(2)]
        assert made[0] == made[1]
        other = await service.post("/ai-tasks", asking(f"{CANARY}."), Idempotency_Key="one")
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
        connection.execute("UPDATE runtime.secrets SET look_after = now()")
        provider = Offline()
        async with worker_of(gesta.database, provider=provider, master_keys=MASTER_KEYS) as worker:
            await sweep_sensitive_values(worker.context)
            assert connection.execute(sealed).fetchall() == [(UUID(made[0]["id"]),)]
            async with at_work(worker):
                done = await ok(service.get(f"/ai-tasks/{made[0]['id']}", wait=30))
                reviewed = {"when": "always", "by": {"roles": ["approver"]}}
                await a_reviewer_writes_it(acme, service, asking(CANARY, review=reviewed))
            connection.execute("UPDATE runtime.secrets SET look_after = now()")
            await sweep_sensitive_values(worker.context)  # where the worker was stopped before it could
        assert (done["status"], done["prompt_key"], done["prompt_version"]) == ("completed", "greet", 1)
        assert done["prompt"].startswith("Greet Ada of [sensitive:account:")
        assert [call.prompt for call in provider.calls] == [f"Greet Ada of {CANARY}."] * 3
        assert rows_with_it(gesta.database) == []
        assert connection.execute(sealed).fetchall() == []


async def a_reviewer_writes_it(acme: Tenant, service: Client, wanted: dict[str, Any]) -> None:
    """One by one, and with others at once: it is taken out of what they make of the output, and of what they say to it."""
    approver = (await acme.member("approver")).client
    said = {"outcome": "approved", "form": {"output": f"It is {CANARY}."}, "comment": f"Of {CANARY}"}
    for bulk in (False, True):
        id = (await ok(service.post("/ai-tasks", wanted)))["id"]
        found = list[str]()

        async def asked(id: str = id, found: list[str] = found) -> bool:
            pending = (await ok(approver.get("/approvals", status="pending")))["items"]
            found[:] = [each["id"] for each in pending if each["ai_task_id"] == id]
            return bool(found)

        await until(asked)
        if bulk:
            many = {"action": "decide", "items": [{"id": found[0], **said}]}
            (item,) = (await ok(approver.post("/approvals/bulk", many)))["items"]
            assert item["status"] == 200, item
        else:
            await ok(approver.post(f"/approvals/{found[0]}/decide", said))
        done = await ok(service.get(f"/ai-tasks/{id}", wait=30))
        assert (done["status"], done["output"]) == ("completed", "It is [redacted].")


async def test_an_agent_elsewhere_reports_what_it_did(acme: Tenant) -> None:
    agent = await acme.service("ai_tasks:run", "ai_tasks:read")
    schema = {"type": "object", "required": ["price"]}
    wanted = {"model": "large", "prompt": "What does it cost?", "external": True, "output_schema": schema}
    path = f"/ai-tasks/{(await ok(agent.post('/ai-tasks', wanted)))['id']}"
    failed = {**MODEL, "error": {"type": "overloaded", "message": "Later."}}
    asks = {**MODEL, "text": "Let me see.", "calls": [LOOKED_UP, FAILED, DENIED]}
    reported = await ok(agent.post(f"{path}/turns", {"turns": [failed, asks]}))
    assert (reported["status"], reported["turns"]) == ("pending", 1)
    unfit = await agent.post(f"{path}/turns", {"turns": [{**MODEL, "output": {"cost": 12}}]})
    assert (unfit.status_code, unfit.json()["errors"][0]["path"]) == (422, "/turns/0/output")
    assert (await agent.post(f"{path}/turns", {"finish": {}})).json()["code"] == "no_output"
    finished = await ok(agent.post(f"{path}/turns", {"turns": [{**MODEL, "output": {"price": 12}}], "finish": {}}))
    assert (finished["status"], finished["turns"]) == ("completed", 2)
    done = await ok(agent.get(path))
    assert (done["output"], done["actual_cost"], done["input_tokens"], done["external"]) == (
        {"price": 12},
        "0.0093000000",
        630,
        True,
    )
    assert [each["status"] for each in done["attempts"]] == ["failed", "succeeded", "succeeded"]
    assert [(each["status"], each["tool"]) for each in done["calls"]] == [
        ("succeeded", "lookup"),
        ("failed", "lookup"),
        ("denied", "pay"),
    ]
    assert done["calls"][2]["message"] == "Not without Ann."
    over = await agent.post(f"{path}/turns", {"turns": [{**MODEL, "text": "More."}]})
    assert (over.status_code, over.json()["code"]) == (409, "ai_task_closed")
    ours = (await ok(agent.post("/ai-tasks", {"model": "offline/echo", "prompt": "Say it."})))["id"]
    refused = await agent.post(f"/ai-tasks/{ours}/turns", {"turns": [{**MODEL, "text": "Mine."}]})
    assert (refused.status_code, refused.json()["code"]) == (409, "ai_task_not_external")
    audited = (await ok(acme.admin.get("/audit-logs", resource="ai_task", resource_id=done["id"], limit=200)))["items"]
    assert {each["action"] for each in audited} >= {
        "ai_task.tool_call_denied",
        "ai_task.tool_call_succeeded",
        "ai_task.completed",
    }


async def test_what_is_said_is_followed_from_an_offset_until_the_task_is_over(gesta: Gesta, acme: Tenant) -> None:
    agent = await acme.service("ai_tasks:run", "ai_tasks:read")
    path = f"/ai-tasks/{(await ok(agent.post('/ai-tasks', {'model': 'large', 'prompt': 'Go.', 'external': True})))['id']}"
    task_id, attempt_id = UUID(path.rpartition("/")[2]), uuid4()

    async def says(*pieces: str) -> None:
        async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
            for piece in pieces:
                await ai_streams.write(conn, JSON, acme.id, task_id, attempt_id, piece)

    await says("Dear ", "Ann, ")
    page = await ok(agent.get(f"{path}/stream", offset=3))
    assert [(each["offset"], each["text"]) for each in page["items"]] == [(3, "r "), (5, "Ann, ")]
    assert (page["next_offset"], page["status"]) == (10, "pending")
    sent = {"Authorization": f"Bearer {agent.token}", "Accept": "text/event-stream", "Last-Event-ID": "5"}
    async with agent.http.stream("GET", f"/v1{path}/stream", headers=sent) as response:
        stream = Stream(response)
        first = await stream.next()
        assert (first["id"], first["event"], first["data"]) == (10, "text", {"attempt_id": str(attempt_id), "text": "Ann, "})
        await says("hello.")
        assert (await stream.next())["data"]["text"] == "hello."
        await ok(agent.post(f"{path}/turns", {"finish": {"error": {"type": "given_up"}}}))
        assert (await stream.next())["data"] == {"status": "failed"}
    assert (await agent.get(f"/ai-tasks/{uuid4()}/stream")).status_code == 404
