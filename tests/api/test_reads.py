"""Reading: what was just written, page by page, waiting for an end, in one's own tenant only."""

import asyncio
import time
from typing import Any

import psycopg
import pytest

from api import reads
from api.positions import Position
from api.reads import Question, Read, Reads
from api.waiter import open_waiter
from domain.envelope import PLATFORM
from runtime.pools import open_pool
from tests.api.conftest import Client, Gesta, Tenant, platform_key, serving
from tests.api.definitions import AI_TASK, APPROVAL, INSTANT
from tests.conftest import Database


async def everything(client: Client, path: str, **params: Any) -> list[dict[str, Any]]:
    """All items, page by page."""
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = await client.get(path, **params, **({} if cursor is None else {"cursor": cursor}))
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return items


async def with_executions(gesta: Gesta, count: int) -> tuple[Tenant, list[str]]:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    items = [{"business_key": f"B-{n}", "input": {"amount": n % 3}} for n in range(count)]
    answer = await acme.admin.post("/executions/bulk", {"workflow_key": "purchase", "items": items})
    return acme, [one["execution"]["id"] for one in answer.json()["items"]]


async def test_a_list_is_paged_through_without_gaps_or_repetitions(gesta: Gesta) -> None:
    acme, ids = await with_executions(gesta, 23)
    for order in ("created_at", "-created_at"):
        found = [row["id"] for row in await everything(acme.admin, "/executions", limit="5", order=order)]
        assert len(found) == 23
        assert set(found) == set(ids)
    newest = await everything(acme.admin, "/executions", limit="7")
    assert [row["created_at"] for row in newest] == sorted((row["created_at"] for row in newest), reverse=True)


async def test_filters_find_what_they_say(gesta: Gesta) -> None:
    acme, ids = await with_executions(gesta, 9)
    await acme.admin.post(f"/executions/{ids[0]}/cancel", {})
    moment = (await acme.admin.get(f"/executions/{ids[0]}")).json()["created_at"]
    for params, expected in [
        ({"status": "running"}, 8),
        ({"status": "cancelled"}, 1),
        ({"workflow_key": "purchase"}, 9),
        ({"workflow_key": "other"}, 0),
        ({"business_key": "B-3"}, 1),
        ({"node_id": "review"}, 8),
        ({"node_id": "review", "status": "running", "attr.amount": "1"}, 3),
        ({"attr.amount": "0"}, 3),
        ({"attr.amount": "2", "attr.other": "x"}, 0),
        ({"created_from": moment}, 9),
        ({"created_to": moment}, 0),
    ]:
        for order in ("created_at", "-created_at"):
            found = await everything(acme.admin, "/executions", limit="2", order=order, **params)
            assert len({row["id"] for row in found}) == len(found) == expected, params


async def test_approvals_are_found_by_those_who_may_decide_them(gesta: Gesta) -> None:
    acme, _ = await with_executions(gesta, 5)
    approver, viewer = await acme.member("approver", "viewer"), await acme.member("viewer")
    mine = await everything(approver.client, "/approvals", mine="true", limit="2")
    assert len({row["id"] for row in mine}) == len(mine) == 5
    assert await everything(viewer.client, "/approvals", mine="true") == []
    await approver.client.post(f"/approvals/{mine[0]['id']}/decide", {"outcome": "rejected"})
    assert len(await everything(approver.client, "/approvals", mine="true")) == 4
    assert len(await everything(viewer.client, "/approvals", role="approver", limit="2")) == 5
    assert len(await everything(viewer.client, "/approvals", role="approver", status="pending", limit="2")) == 4
    assert len(await everything(viewer.client, "/approvals", execution_id=mine[0]["execution_id"])) == 1
    assert await everything(viewer.client, "/approvals", overdue="true") == []
    assert await everything(viewer.client, "/approvals", overdue="true", role="approver") == []
    assert len(await everything(viewer.client, "/approvals", role="approver", mine="true")) == 0


async def test_a_cursor_belongs_to_its_list_its_filters_and_its_order(gesta: Gesta) -> None:
    acme, _ = await with_executions(gesta, 5)
    cursor = (await acme.admin.get("/executions", limit="2")).json()["next_cursor"]
    assert (await acme.admin.get("/executions", limit="3", cursor=cursor)).status_code == 200
    for params in ({"order": "created_at"}, {"status": "running"}):
        assert (await acme.admin.get("/executions", cursor=cursor, **params)).status_code == 422
    assert (await acme.admin.get("/approvals", cursor=cursor)).status_code == 422
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    assert (await acme.admin.get("/executions", cursor=changed)).status_code == 422


async def test_everybody_reads_what_they_wrote(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    for number in range(20):
        started = await acme.admin.post("/executions", {"workflow_key": "instant", "business_key": f"B-{number}"})
        read = await acme.admin.get(f"/executions/{started.json()['id']}")
        assert (read.status_code, read.json()["status"]) == (200, "completed")
        assert "Gesta-Stale" not in read.headers


async def test_a_read_says_how_stale_it_is_and_waits_only_if_it_may(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits in vain would do so for an hour here, but where a short wait is meant."""
    monkeypatch.setattr(reads, "WAIT_SECONDS", 3600.0)
    token = await platform_key(database)
    async with serving(database) as http:  # and no projector
        platform = Client(http, token)
        await platform.post("/tenants", {"slug": "acme", "name": "Acme"})
        acme = platform.with_headers(Gesta_Tenant="acme")
        made = await acme.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})
        eventual = await acme.get("/roles", consistency="eventual")
        assert (eventual.status_code, eventual.json()["items"]) == (200, [])
        assert int(eventual.headers["Gesta-Stale"]) > 0
        not_yet = await acme.get(f"/roles/{made.json()['id']}", consistency="eventual")
        assert (not_yet.status_code, not_yet.headers["Retry-After"]) == (404, "1")
        assert int(not_yet.headers["Gesta-Stale"]) > 0
        with monkeypatch.context() as patched:
            patched.setattr(reads, "WAIT_SECONDS", 0.1)
            behind = await acme.get("/workflows", at_least=made.headers["Gesta-Position"])
        assert behind.status_code == 200
        assert int(behind.headers["Gesta-Stale"]) == 8  # seven seeded roles and this one
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection:
            await connection.execute(STOP, {"tenant": (await acme.get("/me")).json()["tenant_id"]})
        stopped = await acme.get("/workflows")
        assert stopped.headers["Gesta-Stale"] == "8"


async def test_a_read_leaves_nothing_of_its_tenant_on_the_connection(database: Database) -> None:
    async with open_pool(database.api_url, name="test", size=1) as pool, open_waiter(pool) as waiter:
        seen = Question("SELECT current_setting('gesta.tenant_id') AS tenant", {})
        answer = await Reads(pool, pool, waiter).ask(Read(PLATFORM, eventual=True), [seen])
        assert answer.rows == [[{"tenant": str(PLATFORM)}]]
        async with pool.connection() as connection:
            after = await (await connection.execute("SELECT current_setting('gesta.tenant_id')")).fetchone()
            assert after == ("",)


STOP = """
INSERT INTO runtime.projection_faults (tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at)
VALUES (%(tenant)s, 1, 'poison', 1, now(), now(), now())
"""


async def test_a_position_of_another_epoch_or_tenant_is_refused(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    made = await acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})
    token = made.headers["Gesta-Position"]
    position = Position.parse(token)
    assert position is not None
    assert (await acme.admin.get("/roles", at_least=token)).status_code == 200
    assert (await other.admin.get("/roles", at_least=token)).status_code == 422
    restored = Position(position.tenant_id, position.epoch + 1, position.position)
    assert (await acme.admin.get("/roles", at_least=str(restored))).status_code == 409


async def test_a_client_that_waits_hears_of_the_end_at_once(gesta: Gesta) -> None:
    acme, (execution, _) = await with_executions(gesta, 2)
    approver = await acme.member("approver")
    (request,) = (await approver.client.get("/approvals", execution_id=execution)).json()["items"]
    waiting = asyncio.create_task(acme.admin.get(f"/executions/{execution}", wait="30"))
    still = await acme.admin.get(f"/executions/{execution}", wait="1")
    assert still.json()["status"] == "running"
    assert not waiting.done()
    began = time.monotonic()
    await approver.client.post(f"/approvals/{request['id']}/decide", {"outcome": "approved"})
    assert (await waiting).json()["status"] == "completed"
    assert time.monotonic() - began < 25, "not at the end of the 30 seconds"


async def test_an_ended_execution_does_not_keep_anybody_waiting(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    started = (await acme.admin.post("/executions", {"workflow_key": "instant"})).json()
    began = time.monotonic()
    assert (await acme.admin.get(f"/executions/{started['id']}", wait="30")).json()["status"] == "completed"
    assert time.monotonic() - began < 25, "not at the end of the 30 seconds"


async def test_events_are_read_in_order_and_after_a_position(gesta: Gesta) -> None:
    acme, _ = await with_executions(gesta, 3)
    items = await everything(acme.admin, "/events", limit="7")
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    later = (await acme.admin.get("/events", after="10", limit="2")).json()["items"]
    assert [item["position"] for item in later] == [11, 12]
    started = (await acme.admin.get("/events", topics="execution.started.v1,workflow.published.v1")).json()["items"]
    assert {item["topic"] for item in started} == {"execution.started.v1", "workflow.published.v1"}
    assert len(started) == 4


async def test_events_with_spans_of_time_are_read_as_they_were_written(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(AI_TASK)
    started = await acme.admin.post("/executions", {"workflow_key": "classify", "input": {"claim": "Taxi"}})
    assert started.status_code == 201, started.text
    answer = await acme.admin.get("/events", topics="ai_task.requested.v1")
    assert answer.status_code == 200, answer.text
    (requested,) = answer.json()["items"]
    assert requested["data"]["retry"]["initial_interval"] == "PT1H"


async def test_a_history_is_that_of_an_execution_only(gesta: Gesta) -> None:
    acme, (execution,) = await with_executions(gesta, 1)
    steps = await everything(acme.admin, f"/executions/{execution}/history", limit="2")
    assert steps[0]["topic"] == "execution.started.v1"
    assert [step["node_id"] for step in steps if "node_id" in step] == ["start", "start", "review"]
    workflow = (await acme.admin.get("/workflows")).json()["items"][0]["id"]
    assert (await acme.admin.get(f"/executions/{workflow}/history")).status_code == 404
