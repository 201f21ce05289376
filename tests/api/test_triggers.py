"""Triggers over HTTP: published, looked at, paused, run, made up for; and what starts by an event."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import INSTANT, SCHEDULED
from tests.worker.house import PATIENCE, at_work, worker_of

PAID = {"type": "event", "event_type": "paid", "input": {"order": "=event.data.order"}, "business_key": "=event.data.order"}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look until it holds: a worker of another process works on it."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what happens elsewhere sets no event here
            await asyncio.sleep(0.05)


async def the_trigger(tenant: Tenant, query: str = "") -> dict[str, Any]:
    (found,) = (await tenant.admin.get(f"/triggers{query}")).json()["items"]
    return dict((await tenant.admin.get(f"/triggers/{found['id']}")).json())


async def test_a_schedule_shows_its_next_ten_times_once_a_worker_has_seen_it(gesta: Gesta, acme: Tenant) -> None:
    schedule = {"type": "schedule", "id": "mornings", "name": "Every morning", "cron": "30 9 * * *", "timezone": "Europe/Berlin"}
    await acme.publish({**INSTANT, "triggers": [schedule]})
    found = await the_trigger(acme)
    assert (found["key"], found["name"], found["type"], found["status"]) == ("mornings", "Every morning", "schedule", "active")
    assert (found["config"], found["next_times"]) == (schedule, [])
    async with worker_of(gesta.database) as worker, at_work(worker):
        await until(lambda: has_times(acme))
    times = [datetime.fromisoformat(at) for at in (await the_trigger(acme))["next_times"]]
    assert len(times) == 10
    assert {later.date() - earlier.date() for earlier, later in pairwise(times)} == {timedelta(days=1)}
    assert {at.hour for at in times} <= {7, 8}


async def has_times(tenant: Tenant) -> bool:
    return bool((await the_trigger(tenant))["next_times"])


async def test_a_backfill_starts_executions_which_say_which_time_they_are_for(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish({**SCHEDULED, "triggers": [{**SCHEDULED["triggers"][0], "input": {"at": "=scheduled_at"}}]})
    trigger = await the_trigger(acme)
    paused = await acme.admin.post(f"/triggers/{trigger['id']}/pause", {"reason": "first the past"})
    assert paused.json() | {"version": 0} == {
        **{name: trigger[name] for name in ("id", "key", "type")},
        "status": "paused",
        "version": 0,
    }
    ever = {"from": "0001-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z"}
    refused = await acme.admin.post(f"/triggers/{trigger['id']}/backfill", ever)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/to"), "too many"
    body = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T02:00:00Z"}
    filled = await acme.admin.post(f"/triggers/{trigger['id']}/backfill", body)
    assert (filled.status_code, filled.json()["times"]) == (200, 3), filled.text
    assert (await the_trigger(acme))["waiting"] == [f"2026-01-01T0{hour}:00:00Z" for hour in range(3)]
    assert (await acme.admin.post(f"/triggers/{trigger['id']}/resume")).status_code == 200
    async with worker_of(gesta.database) as worker, at_work(worker):
        await until(lambda: ran(acme, trigger["id"], 3))
    runs = (await acme.admin.get(f"/triggers/{trigger['id']}/runs?outcome=started")).json()["items"]
    assert [run["scheduled_at"] for run in runs] == [f"2026-01-01T0{hour}:00:00Z" for hour in (2, 1, 0)]
    execution = (await acme.admin.get(f"/executions/{runs[0]['execution_id']}")).json()
    assert (execution["scheduled_at"], execution["trigger_type"]) == ("2026-01-01T02:00:00Z", "scheduled")
    assert execution["input"] == {"at": "2026-01-01T02:00:00Z"}
    shown = await the_trigger(acme, "?type=schedule&status=active")
    assert (shown["last_outcome"], shown["started_count"], shown["waiting"]) == ("started", 3, [])
    assert shown["last_execution_id"] == runs[0]["execution_id"]


async def ran(tenant: Tenant, trigger_id: str, count: int) -> bool:
    return len((await tenant.admin.get(f"/triggers/{trigger_id}/runs?outcome=started")).json()["items"]) == count


async def test_an_event_starts_an_execution_and_what_clashes_is_recorded(gesta: Gesta, acme: Tenant) -> None:
    nodes = [INSTANT["nodes"][0], {"id": "w", "type": "wait", "config": {"duration": "P1D"}}, INSTANT["nodes"][1]]
    edges = [{"source": "start", "target": "w"}, {"source": "w", "target": "end"}]
    await acme.publish({**INSTANT, "nodes": nodes, "edges": edges, "triggers": [PAID]})
    trigger = await the_trigger(acme)
    for number in "12":
        event = {"specversion": "1.0", "id": number, "source": "shop", "type": "paid", "data": {"order": "E-1"}}
        assert (await acme.admin.post("/events", event)).status_code == 200
    async with worker_of(gesta.database) as worker, at_work(worker):
        await until(lambda: told(acme, 2))
    (execution,) = (await acme.admin.get("/executions")).json()["items"]
    assert (execution["business_key"], execution["trigger_type"], execution["created_by"]) == ("E-1", "event", None)
    outcomes = {run["outcome"]: run["code"] for run in (await acme.admin.get(f"/triggers/{trigger['id']}/runs")).json()["items"]}
    assert outcomes == {"started": None, "skipped": "business_key_taken"}
    logs = (await acme.admin.get("/audit-logs?action=execution.started")).json()["items"]
    assert [(log["actor_type"], log["actor_id"]) for log in logs] == [("event", trigger["id"])]


async def test_an_execution_reads_the_event_that_started_it(gesta: Gesta, acme: Tenant) -> None:
    """So does its fork, and one that is started by hand as the trigger would; another one has none."""
    output = {"order": "=event == null ? 'none' : event.data.order"}
    nodes = [INSTANT["nodes"][0], {"id": "end", "type": "end", "config": {"output": output}}]
    edges = [{"source": "start", "target": "end"}]
    await acme.publish({**INSTANT, "nodes": nodes, "edges": edges, "triggers": [{"type": "event", "event_type": "paid"}]})
    event = {"specversion": "1.0", "id": "1", "source": "shop", "type": "paid", "data": {"order": "E-1"}}
    assert (await acme.admin.post("/events", event)).status_code == 200
    async with worker_of(gesta.database) as worker, at_work(worker):
        await until(lambda: told(acme, 1))
    (first,) = (await acme.admin.get("/executions")).json()["items"]
    forked = (await acme.admin.post(f"/executions/{first['id']}/fork", {"node_id": "end"})).json()
    again = (await acme.admin.post(f"/executions/{forked['id']}/fork", {"node_id": "end"})).json()
    trigger = await the_trigger(acme)
    by_hand = (await acme.admin.post(f"/triggers/{trigger['id']}/run", {"payload": {"order": "E-7"}})).json()
    other = (await acme.admin.post("/executions", {"workflow_key": INSTANT["key"]})).json()
    ids = [first["id"], forked["id"], again["id"], by_hand["id"], other["id"]]
    outputs = [(await acme.admin.get(f"/executions/{id}")).json()["output"]["order"] for id in ids]
    assert outputs == ["E-1", "E-1", "E-1", "E-7", "none"]


async def told(tenant: Tenant, count: int) -> bool:
    return len((await tenant.admin.get("/audit-logs?action=event.delivered")).json()["items"]) == count


async def test_run_now_answers_the_execution_or_what_is_wrong(acme: Tenant) -> None:
    await acme.publish({**INSTANT, "triggers": [PAID]})
    trigger = await the_trigger(acme)
    wrong = await acme.admin.post(f"/triggers/{trigger['id']}/run", {"payload": {}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "expression_error"), wrong.text
    run = await acme.admin.post(f"/triggers/{trigger['id']}/run", {"payload": {"order": "E-7"}}, **{"Idempotency-Key": "k"})
    again = await acme.admin.post(f"/triggers/{trigger['id']}/run", {"payload": {"order": "E-7"}}, **{"Idempotency-Key": "k"})
    assert (run.status_code, again.json()) == (201, run.json())
    execution = (await acme.admin.get(run.headers["Location"].removeprefix("/v1"))).json()
    assert (execution["input"], execution["trigger_type"]) == ({"order": "E-7"}, "manual")


async def test_an_archived_workflow_s_triggers_are_retired(acme: Tenant) -> None:
    workflow_id = await acme.publish(SCHEDULED)
    trigger = await the_trigger(acme)
    await acme.admin.post(f"/workflows/{workflow_id}/archive")
    assert (await the_trigger(acme))["status"] == "retired"
    refused = await acme.admin.post(f"/triggers/{trigger['id']}/run")
    assert (refused.status_code, refused.json()["code"]) == (409, "trigger_retired")
    await acme.admin.post(f"/workflows/{workflow_id}/restore")
    assert (await the_trigger(acme, f"?workflow_id={workflow_id}"))["status"] == "active"


async def test_a_definition_with_faulty_triggers_is_not_published(acme: Tenant) -> None:
    made = await acme.admin.post("/workflows", {"definition": {**SCHEDULED, "triggers": [{"type": "schedule", "cron": "soon"}]}})
    refused = await acme.admin.post(f"/workflows/{made.json()['id']}/publish")
    assert refused.status_code == 422
    assert [error["path"] for error in refused.json()["errors"]] == ["/definition/triggers/0/cron"]
