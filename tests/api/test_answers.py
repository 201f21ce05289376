"""What the document says of answers is what is answered: every shape is met in a story, and whatever else it is refused.

Every answer to the client of these tests, and of all others of the API, is held against the document (`tests.api.documented`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg
import pytest

from domain.ai_task import Usage
from domain.envelope import Envelope
from engine import archiving
from store import ai_streams
from store.codec import JSON
from store.command import Command
from store.handler import open_handler
from tests.api.ai_views import counted
from tests.api.behind import IN_STEPS, one_time
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import AI_TASK, APPROVAL, HOOKED, INSTANT, SCHEDULED, TASK, UNDOABLE
from tests.api.documented import Undocumented, document
from tests.api.rights import RUN, SUITE
from tests.api.test_budgets import MONTHLY, spend
from tests.api.test_http_nodes import worker
from tests.api.working import BURY, execution, leased, report, run_sql, start
from tests.engine.drawing import drawing
from tests.engine.working import task
from tests.worker.house import ScriptedProvider, at_work, worker_of
from tests.worker.outbound.servers import LOOPBACK
from tests.worker.test_ai_loop import Offline, agent_with, tool
from worker.ai.provider import AiError, CallReport
from worker.outbound.client import Outbound

OTHER_SCHEMA = "UPDATE gesta_meta.migrations SET version = version + 100 WHERE version = 1"
FAILING_TASK = "INSERT INTO runtime.failing_tasks SELECT 'worker a', 'x', 'y', 1, now(), now(), now()"


async def people(gesta: Gesta, acme: Tenant) -> None:
    """Tenants, users, members, roles, keys, and who the caller is."""
    somebody = await acme.member("viewer")
    at = acme.admin
    await at.call("PATCH", f"/users/{somebody.user_id}", {"display_name": "Somebody else"})
    role = await at.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": ["executions:read"]})
    await at.call("PATCH", f"/roles/{role.json()['id']}", {"description": "Looks."})
    await at.call("PATCH", f"/members/{somebody.user_id}", {"role_ids": [role.json()["id"]]})
    await at.call("PATCH", "/tenant", {"description": "Anvils."})
    await gesta.platform.post(f"/tenants/{acme.id}/suspend")
    await gesta.platform.post(f"/tenants/{acme.id}/reactivate")
    key = (await at.post("/api-keys", {"name": "old", "permissions": [], "expires_at": "2999-01-01T00:00:00Z"})).json()["id"]
    await at.call("DELETE", f"/api-keys/{key}")
    service = (await at.post("/api-keys", {"name": "importer", "permissions": []})).json()["id"]
    await at.post(f"/api-keys/{service}/hand-over", {"owner_id": somebody.user_id})
    for verb in ("suspend", "reactivate"):
        await at.post(f"/members/{somebody.user_id}/{verb}", {"reason": "leave"})
    await somebody.client.get("/me")
    for path in ("/tenant", f"/users/{somebody.user_id}", f"/members/{somebody.user_id}", f"/api-keys/{key}"):
        await at.get(path)
    guest = await at.post("/invitations", {"email": "guest@else.example"})
    await at.get(f"/invitations/{guest.json()['id']}")
    for path in ("/invitations", "/users", "/members", "/roles", "/permissions", "/api-keys", f"/roles/{role.json()['id']}"):
        await at.get(path)
    secret = f"/secrets/{(await at.post('/secrets', {'name': 'token', 'value': 'sesame, open'})).json()['id']}"
    await at.post(f"{secret}/rotate", {"value": "sesame, close", "hosts": ["api.example.com"]})
    for path in ("/secrets", secret):
        await at.get(path)
    await at.call("DELETE", secret)
    for path in ("/tenants", f"/tenants/{acme.id}", "/users"):
        await gesta.platform.get(path)
    await at.call("DELETE", f"/members/{somebody.user_id}")


async def approvals(acme: Tenant) -> None:
    workflow, approver = await acme.publish(APPROVAL), await acme.member("approver")
    for outcome in ("approved", "rejected"):
        body = {"workflow_key": "purchase", "business_key": outcome, "input": {"amount": 12.5}}
        started = (await acme.admin.post("/executions", body)).json()
        (opened,) = started["open"]
        await acme.admin.get("/approvals")
        await acme.admin.get(f"/executions/{started['id']}")
        await acme.admin.get(f"/executions/{started['id']}/waits")
        await acme.admin.post("/events", {"specversion": "1.0", "id": "1", "source": "shop", "type": "paid"})
        await approver.client.get("/inbox")
        await approver.client.get("/inbox/counts")
        await approver.client.post(f"/approvals/{opened['id']}/decide", {"outcome": outcome, "comment": "So be it."})
        for path in ("/executions", f"/executions/{started['id']}", f"/approvals/{opened['id']}"):
            await acme.admin.get(path)
        await acme.admin.get(f"/executions/{started['id']}/history")
        await acme.admin.get(f"/executions/{started['id']}/timeline", limit=1)
        await acme.admin.get("/events", stream_id=started["id"], changes="true")
    for path in ("/workflows", f"/workflows/{workflow}", f"/workflows/{workflow}/versions", f"/workflows/{workflow}/versions/1"):
        await acme.admin.get(path)
    await acme.admin.post("/workflows/validate", {"definition": {**APPROVAL, "edges": []}})
    await acme.publish(IN_STEPS)
    started = (await acme.admin.post("/executions", {"workflow_key": "in-steps"})).json()
    await acme.admin.get(f"/approvals/{started['open'][0]['id']}")
    items = [{"business_key": key, "input": {"amount": 1}} for key in ("one", "one")]
    await acme.admin.post("/executions/bulk", {"workflow_key": "purchase", "items": items})


async def work(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(TASK)
    worker = acme.admin
    for _ in range(4):
        await start(acme)
    for given in ({"concurrency": 100}, {"rate": {"count": 1_000, "per": "PT1S"}}):
        limit = await worker.post("/limits", {"scope": "job_type", "name": "resize-image", **given})
        await worker.get("/limits")
        await worker.call("DELETE", f"/limits/{limit.json()['id']}")
    job = await leased(worker)
    await worker.get(f"/jobs/{job['id']}")
    await report(worker, job, "heartbeat")
    await report(worker, job, "release")
    await report(worker, await leased(worker), "complete", {"output": {"url": "b.png"}})
    await report(worker, await leased(worker), "fail", {"error": {"type": "Timeout"}})
    job = await leased(worker)
    reports = [{"id": job["id"], "fence": fence, "output": None} for fence in (job["fence"], job["fence"] + 1)]
    await worker.post("/jobs/report", {"reports": reports})
    job = await leased(worker)
    await run_sql(gesta.database, BURY)
    await worker.get("/jobs/dead")
    await worker.post(f"/jobs/{job['id']}/retry")
    await acme.publish(UNDOABLE)
    trip = await start(acme, "trip")
    await report(worker, await leased(worker, "book"), "complete", {"output": "B"})
    for job_type in ("pay", "free"):
        await report(worker, await leased(worker, job_type), "fail", {"error": {"type": "closed"}})
    assert (await execution(acme, trip))["compensation"] == "failed"


async def migrations(acme: Tenant) -> None:
    """What would be given up, and what stands in the way."""
    id = await acme.publish(meeting("all"))
    await acme.admin.call("PUT", f"/workflows/{id}/draft", {"definition": meeting("any")})
    await acme.admin.post(f"/workflows/{id}/publish")
    started = await acme.admin.post("/executions", {"workflow_key": "meeting", "version": 1})
    execution_id = started.json()["id"]
    await report(acme.admin, await leased(acme.admin, "meet-a"), "complete")
    for dry_run, mapping in ((True, {}), (True, {"b": "join"}), (False, {})):
        body = {"to_version": 2, "mapping": mapping, "dry_run": dry_run}
        await acme.admin.post(f"/executions/{execution_id}/migrate", body)


def meeting(mode: str) -> Any:
    nodes = {"s": "start", "a": task("meet-a"), "b": task("meet-b"), "join": ("join", {"mode": mode}), "e": "end"}
    return drawing(nodes, "s > a", "s > b", "a > join", "b > join", "join > e", key="meeting")


async def bulk_operations(gesta: Gesta, acme: Tenant) -> None:
    """One of them could not be acted on; one was looked at, and one was cancelled."""
    nobody = {"action": "pause", "execution_ids": [str(uuid4())]}
    made = (await acme.admin.post("/bulk-operations", nobody)).json()
    async with worker_of(gesta.database) as process, at_work(process):
        await acme.admin.get(f"/bulk-operations/{made['id']}", wait=30)
    await acme.admin.post("/bulk-operations", {"action": "pause", "filter": {"status": "running"}, "dry_run": True})
    await acme.admin.post("/bulk-operations", {**nobody, "action": "migrate", "to_version": 1, "dry_run": True})
    other = (await acme.admin.post("/bulk-operations", nobody)).json()
    await acme.admin.post(f"/bulk-operations/{other['id']}/cancel")
    await acme.admin.get("/bulk-operations")


async def budgets(gesta: Gesta, acme: Tenant) -> None:
    await acme.admin.call("PUT", "/budgets/monthly", MONTHLY)
    await spend(gesta, acme, UUID(int=1), "0.10")
    for path in ("/budgets", "/budgets/monthly", "/budgets/monthly/periods"):
        await acme.admin.get(path)
    await acme.admin.call("DELETE", "/budgets/monthly")


async def evaluations(gesta: Gesta, acme: Tenant) -> None:
    """One that is judged, and one that was cancelled."""
    judge = {"type": "judge", "model": "offline/echo", "prompt": "Is it sorted?"}
    made = (await acme.admin.post("/evaluations", {**SUITE, "checks": [judge]})).json()
    async with worker_of(gesta.database) as process, at_work(process):
        while (run := (await acme.admin.post(f"/evaluations/{made['id']}/runs", RUN)).json()["run"])["waits_for"]:
            await acme.admin.get(f"/ai-tasks/{run['waits_for'][0]}", wait=30)
    other = (await acme.admin.post("/evaluations", SUITE)).json()
    await acme.admin.post(f"/evaluations/{other['id']}/cancel")
    for path in ("", f"/{made['id']}", f"/{made['id']}/results"):
        await acme.admin.get(f"/evaluations{path}")


async def archive_of(gesta: Gesta, acme: Tenant) -> None:
    """An execution that was over before its time in the tables began to count."""
    policy = (await acme.admin.post("/retention", {"days": 30})).json()
    await acme.publish(INSTANT)
    started = await acme.admin.post("/executions", {"workflow_key": INSTANT["key"], "business_key": "old"})
    id = UUID(started.json()["id"])
    long_ago = datetime.now(UTC) - timedelta(days=31)
    async with open_handler(gesta.database.system_url) as handler:
        command = Command(acme.id, "execution.archive", Envelope("system", "test"))
        await handler.handle(command, lambda view: archiving.archive(view, id, long_ago))
    await gesta.projector.catch_up()
    for path in ("", f"/{id}", f"/{id}/rows", f"/{id}/rows/workflow_executions/1"):
        answer = await acme.admin.get(f"/archived-executions{path}")
        assert answer.status_code == 200, (path, answer.text)
    for path in (f"/executions/{id}", f"/executions/{id}/waits", f"/executions/{id}/timeline"):
        gone = await acme.admin.get(path)
        assert (gone.status_code, gone.json()["code"], gone.json()["href"]) == (404, "archived", f"/v1/archived-executions/{id}")
    for filters, found in (({"business_key": "old"}, [str(id)]), ({"business_key": "new"}, [])):
        assert [item["id"] for item in (await acme.admin.get("/archived-executions", **filters)).json()["items"]] == found
    assert (await acme.admin.get("/archived-executions", month="2026-13")).status_code == 422
    unknown = await acme.admin.post("/retention", {"days": 30, "workflow_key": "instnat"})
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "/workflow_key")
    await acme.admin.get("/retention")
    await acme.admin.call("DELETE", f"/retention/{policy['id']}")


async def own_jobs(acme: Tenant) -> None:
    worker, body = acme.admin, {"type": "letter", "unique_key": "k"}
    for _ in range(2):
        await worker.post("/jobs", body)
    await worker.post("/jobs/bulk", {"items": [body, {"type": "letter"}, {"type": "gesta.ai"}]})
    (job, other) = (await worker.post("/jobs/lease", {"types": ["letter"], "worker_id": "w", "max": 2})).json()["items"]
    for path in ("/jobs", f"/jobs/{job['id']}"):
        await worker.get(path)
    await report(worker, job, "fail", {"error": {"type": "broken"}})
    await worker.post(f"/jobs/{other['id']}/cancel")
    for path in ("/jobs", f"/jobs/{job['id']}"):
        await worker.get(path)


async def ai_tasks(gesta: Gesta, acme: Tenant) -> None:
    """One that is tried twice, one that fails, one that is cancelled, one that uses tools."""
    await acme.publish(AI_TASK)
    report = CallReport(7, Usage(30, 4, details={"audio_tokens": 0}))
    script = [AiError("rate_limit", "Slowly.", report=report), "travel", AiError("refused", "No.")]
    provider = ScriptedProvider(script, report=report)
    async with worker_of(gesta.database, provider=provider) as worker, at_work(worker):
        first = await start(acme, "classify", claim="Taxi")
        (task,) = (await execution(acme, first))["open"]
        while not any(one["status"] == "failed" for one in (await at(acme.admin, f"/ai-tasks/{task['id']}"))["attempts"]):
            pass
        await acme.admin.post(f"/ai-tasks/{task['id']}/retry")
        await acme.admin.get(f"/executions/{first}", wait=30)
        await acme.admin.get(f"/executions/{await start(acme, 'classify', claim='Taxi')}", wait=30)
    third = await start(acme, "classify", claim="Taxi")
    (task,) = (await execution(acme, third))["open"]
    await acme.admin.post(f"/ai-tasks/{task['id']}/cancel")
    answers = [{"calls": [{"tool": name, "arguments": {"id": 1}} for name in ("lookup", "nothing")], "text": "Let me see."}]
    nobodys = {**tool(1), "retry": {"max_attempts": 1}}
    await acme.publish(
        {**agent_with([nobodys], [], input={"answers": [*answers, {"text": "Done."}], "price": "0.01"}), "key": "agent"}
    )
    async with worker_of(gesta.database, provider=Offline(), outbound=Outbound(permitted=LOOPBACK)) as worker, at_work(worker):
        await acme.admin.get(f"/executions/{await start(acme, 'agent')}", wait=30)
    for one in (await at(acme.admin, "/ai-tasks"))["items"]:
        await acme.admin.get(f"/ai-tasks/{one['id']}")
    assert [len((await at(acme.admin, f"/ai-tasks?workflow_key={key}"))["items"]) for key in ("agent", "classify")] == [1, 3]
    elsewhere = (await acme.admin.post("/ai-tasks", {"model": "large", "prompt": "Go.", "external": True})).json()["id"]
    await acme.admin.post(f"/ai-tasks/{elsewhere}/turns", {"turns": [{"model": "a", "provider": "b", "text": "c"}]})
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url, autocommit=True) as connection:
        await ai_streams.write(connection, JSON, acme.id, UUID(elsewhere), uuid4(), "c")
    await acme.admin.get(f"/ai-tasks/{elsewhere}/stream")
    await counted(gesta, acme)


async def triggers(acme: Tenant) -> None:
    await acme.publish(SCHEDULED)
    (trigger,) = (await at(acme.admin, "/triggers"))["items"]
    path = f"/triggers/{trigger['id']}"
    await acme.admin.post(f"{path}/run")
    await acme.admin.post(f"{path}/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z"})
    await acme.admin.post(f"{path}/pause")
    await acme.admin.get(path)
    await acme.admin.get(f"{path}/runs")


async def hooks(acme: Tenant) -> None:
    await acme.publish(HOOKED)
    (trigger,) = (await at(acme.admin, "/triggers?type=webhook"))["items"]
    rotated = (await acme.admin.post(f"/triggers/{trigger['id']}/rotate")).json()
    await acme.admin.http.post(rotated["address"], json={"order": 1})


async def notifications(gesta: Gesta, acme: Tenant) -> None:
    """One that is tried in vain: nobody listens there."""
    made = (await acme.admin.post("/notifications/endpoints", {"url": "http://hooks.example:1/", "events": ["*"]})).json()
    path = f"/notifications/endpoints/{made['id']}"
    async with worker(gesta.database):
        tried = (await acme.admin.post(f"{path}/test")).json()
        while (await at(acme.admin, f"/deliveries/{tried['id']}"))["status"] == "pending":
            pass
    await acme.admin.get("/deliveries")
    await acme.admin.get("/notifications/endpoints")
    await acme.admin.get(path)
    await acme.admin.post(f"{path}/replay", {"from": "2026-01-01T00:00:00Z"})
    await acme.admin.post(f"{path}/disable")
    body = {"url": "http://hooks.example:1/", "events": ["*"], "format": "events"}
    fed = (await acme.admin.post("/notifications/endpoints", body)).json()
    await acme.admin.get(f"/notifications/endpoints/{fed['id']}/feed")
    await acme.admin.post(f"/notifications/endpoints/{fed['id']}/rewind", {"position": 0})
    ann = await acme.member("viewer")
    wishes = {"mail": ["requested"], "digest": {"every": "day"}}
    for client, whose in ((ann.client, ""), (acme.admin, "/default")):
        await client.call("PUT", f"/notifications/preferences{whose}", wishes)
        await client.get(f"/notifications/preferences{whose}")


async def substitutes(acme: Tenant) -> None:
    """One who stands in for another, and when people work."""
    ann, bob = await acme.member("approver"), await acme.member("approver")
    given = (await ann.client.post("/delegations", {"to_user_id": bob.user_id, "reason": "On leave"})).json()
    hours = {"mon": [{"from": "09:00", "to": "17:00"}]}
    calendar = {"key": "de", "name": "Germany", "time_zone": "Europe/Berlin", "hours": hours}
    made = (await acme.admin.post("/calendars", calendar)).json()
    asked = (await acme.admin.post("/approvals", {"title": "A new press?"})).json()["id"]
    items = [{"id": id, "outcome": "approved"} for id in (asked, str(uuid4()))]
    await ann.client.post("/approvals/bulk", {"action": "decide", "items": items})
    await ann.client.call("PUT", "/inbox/filters", {"items": [{"name": "Urgent", "filter": {"overdue": "true"}}]})
    for path in ("/delegations", f"/delegations/{given['id']}", "/calendars", f"/calendars/{made['id']}"):
        await acme.admin.get(path)


async def models(gesta: Gesta, acme: Tenant) -> None:
    """A provider that has been called, and a name for two models."""
    price = {"input": "3", "cached_input": "0.3", "output": "15", "currency": "EUR"}
    await acme.admin.post("/secrets", {"name": "anthropic-key", "value": "sk-of-a-test", "hosts": ["api.anthropic.com"]})
    given = {"kind": "anthropic", "secret": "anthropic-key", "prices": {"claude-sonnet-4-6": price}}
    made = (await acme.admin.call("PUT", "/ai-providers/claude", given)).json()
    named = {"models": ["claude:claude-sonnet-4-6", "offline/echo"], "defaults": {"temperature": 0.5, "timeout_seconds": 20.5}}
    await acme.admin.call("PUT", "/ai-models/careful", named)
    called = "INSERT INTO runtime.ai_provider_states (tenant_id, provider_id) VALUES ('{}', '{}')"
    await run_sql(gesta.database, called.format(acme.id, made["id"]))
    for path in ("/ai-providers", "/ai-providers/claude", "/ai-models", "/ai-models/careful"):
        await acme.admin.get(path)
    for path in ("/ai-providers/claude", "/ai-models/careful"):
        await acme.admin.call("DELETE", path)


async def prompts(acme: Tenant) -> None:
    """One with two versions, rolled back, and a draft."""
    first = {"template": {"user": "Greet {{ name }}."}, "variables": {"name": {"schema": {"type": "string"}}}}
    await acme.admin.post("/prompts", {"key": "greet", **first, "note": "The first try."})
    await acme.admin.post("/prompts/greet/publish")
    await acme.admin.call("PUT", "/prompts/greet/draft", {**first, "model": "careful", "template": {"user": "Hello {{ name }}."}})
    await acme.admin.post("/prompts/greet/publish", {"note": "Shorter."})
    await acme.admin.post("/prompts/greet/rollback", {"version": 1})
    sealed = {"template": {"user": "{{ name }}"}, "variables": {"name": {"sensitive": True}}, "defaults": {"temperature": 0.5}}
    await acme.admin.call("PUT", "/prompts/greet/draft", sealed)
    for version in (None, 2, "draft"):
        await acme.admin.post("/prompts/greet/render", {"version": version, "variables": {"name": "Ada Lovelace"}})
    for path in ("", "/greet", "/greet/versions", "/greet/versions/2", "/greet/difference", "/greet/difference?from=1&to=2"):
        await acme.admin.get(f"/prompts{path}")
    await acme.admin.post("/prompts/greet/archive", {"reason": "Old."})
    await acme.admin.post("/prompts/greet/restore")


async def looked_back(acme: Tenant) -> None:
    """A row, and what made it; and one that was not there yet."""
    role = await acme.role_id("approver")
    ann = await acme.member("approver")
    await acme.admin.call("DELETE", f"/members/{ann.user_id}")
    await acme.admin.get("/permissions/history", permission="approvals:decide")
    await acme.admin.get("/permissions/history", permission="approvals:decide", user_id=ann.user_id)
    for path in (f"/tables/tenant_users/{ann.user_id}", f"/tables/tenant_user_roles/{ann.user_id},{role}"):
        for rest in ("", "/history", "?position=1"):
            await acme.admin.get(path + rest)


async def not_shown(gesta: Gesta, acme: Tenant) -> None:
    """An event that holds up the tables for a moment, and one that was left out."""
    fault = "INSERT INTO runtime.projection_faults SELECT '{}', 2, 'no', 1, now(), now(), now() + interval '1 hour'"
    await run_sql(gesta.database, fault.format(acme.id))
    skip = (
        "INSERT INTO runtime.projection_skips (tenant_id, position, reason, error, recorded_by) VALUES ('{}', 1, 'So.', 'no', 2)"
    )
    await run_sql(gesta.database, skip.format(acme.id))
    assert (await acme.admin.get("/projections/faults", limit=1)).json()["held_up"]["retry_at"]
    await run_sql(gesta.database, "DELETE FROM runtime.projection_faults")


async def people_asked(acme: Tenant) -> None:
    """Who would be asked, who may decide, and who would have been asked; one of these cannot be told."""
    ann, bob = await acme.member("approver"), await acme.member("approver")
    await ann.client.post("/delegations", {"to_user_id": bob.user_id})
    request = {"title": "Sure?", "by": {"users": [ann.user_id]}}
    await acme.admin.post("/approvals/preview", {"request": request})
    made = (await acme.admin.post("/approvals", request)).json()
    await acme.admin.get(f"/approvals/{made['id']}/eligible", limit=200)
    failing = {"title": "Sure?", "by": {"expr": "input.nobody"}}
    await acme.admin.post("/approvals/preview-past", {"definition": failing, "ids": [made["id"]]})


async def changed(acme: Tenant) -> None:
    """A request that is talked about, taken back, changed and asked again."""
    ann, dan = (await acme.member("approver")).client, (await acme.member("operator")).client
    file = {"name": "a.pdf", "reference": "https://files.example/a", "sha256": "ab" * 32}
    path = f"/approvals/{(await dan.post('/approvals', {'title': 'Sure?', 'attachments': [file]})).json()['id']}"
    await ann.post(f"{path}/comments", {"text": "So."})
    await ann.post(f"{path}/watch")
    await ann.call("PUT", f"{path}/draft", {"draft": {"comment": "Hm."}})
    await ann.call("DELETE", f"{path}/draft")
    await dan.post(f"{path}/recall")
    await dan.post(f"{path}/resubmit", {"title": "Quite sure?"})
    for each in (path, f"{path}/comments", f"{path}/versions", f"{path}/versions/2"):
        await ann.get(each)


async def links(acme: Tenant) -> None:
    """By which one decides, and what proves who does."""
    ann = (await acme.member("approver")).client
    made = (await acme.admin.post("/approvals", {"title": "Sure?", "by": {"roles": ["approver"]}})).json()
    link = (await ann.post(f"/approvals/{made['id']}/links", {"outcome": "approved"})).json()
    for path in (f"/approvals/{made['id']}/links", f"/approval-links/{link['id']}"):
        await ann.get(path)
    await ann.call("DELETE", f"/approval-links/{link['id']}")
    begun = (await ann.post("/totp")).json()
    await ann.post("/totp/confirm", one_time(begun["secret"]))


async def at(client: Client, path: str) -> Any:
    return (await client.get(path)).json()


async def test_every_shape_of_the_document_is_met(gesta: Gesta) -> None:
    document().met.clear()
    acme = await gesta.tenant()
    await people(gesta, acme)
    await approvals(acme)
    await work(gesta, acme)
    await migrations(acme)
    await own_jobs(acme)
    await budgets(gesta, acme)
    await archive_of(gesta, acme)
    await ai_tasks(gesta, acme)
    await bulk_operations(gesta, acme)
    await evaluations(gesta, acme)
    await triggers(acme)
    await hooks(acme)
    await notifications(gesta, acme)
    await substitutes(acme)
    await links(acme)
    await people_asked(acme)
    await not_shown(gesta, acme)
    await models(gesta, acme)
    await prompts(acme)
    await changed(acme)
    await looked_back(acme)
    await acme.admin.get("/catalog")
    await acme.admin.post("/query", {"sql": "SELECT slug FROM tenants"})
    await acme.admin.get("/audit-logs", limit=200)
    await acme.admin.get("/events", limit=200)
    await acme.admin.get("/events", colour="red")
    await gesta.http.get("/healthz")
    await run_sql(gesta.database, FAILING_TASK)
    await gesta.http.get("/readyz")
    async with await psycopg.AsyncConnection.connect(gesta.database.owner_url, autocommit=True) as connection:
        await connection.execute(OTHER_SCHEMA)
    await gesta.http.get("/readyz")
    assert document().of_answers() - document().met == set()


@pytest.mark.parametrize(
    ("answered", "why"),
    [
        ({"status": "ok", "since": "noon"}, "since"),
        ({}, "status"),
        ({"status": None}, "null"),
        ({"status": "fine"}, "fine"),
    ],
    ids=["one field more", "one field less", "null", "another word"],
)
async def test_what_is_not_as_documented_is_refused(answered: Any, why: str) -> None:
    response = httpx2.Response(200, json=answered, request=httpx2.Request("GET", "http://gesta/healthz"))
    with pytest.raises(Undocumented, match=why):
        await document().hold(response)


async def test_a_status_that_is_not_documented_is_refused() -> None:
    response = httpx2.Response(202, json={"status": "ok"}, request=httpx2.Request("GET", "http://gesta/healthz"))
    with pytest.raises(Undocumented, match="may not answer 202"):
        await document().hold(response)


def test_every_answer_in_json_has_a_shape_with_a_name() -> None:
    described = document().described
    for path, item in described["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                assert content or status == "304", (method, path, status)
                for media_type in content.keys() & {"application/json", "application/problem+json"}:
                    assert set(content[media_type]["schema"]) == {"$ref"}, (method, path, status)
