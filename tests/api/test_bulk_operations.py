"""Bulk operations over HTTP, through two API processes and a worker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from api import reads
from api.routes import bulk_operations
from domain import bulk_operation
from store import platform
from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.definitions import APPROVAL, INSTANT, TASK
from tests.api.test_children import assert_verified
from tests.api.working import LAPSE, run_sql
from tests.conftest import Database
from tests.in_turn import in_turn
from tests.worker.house import PATIENCE, at_work, worker_of
from tests.worker.test_killed import started
from worker import bulk_runner
from worker.leases import Leasing

MANY = int(os.environ.get("GESTA_TEST_MANY", "210"))
"""More than two steps."""
RETRYABLE = {
    **TASK,
    "key": "retryable",
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "check", "type": "condition", "config": {"branches": [{"handle": "ok", "when": "input.good"}], "default": "bad"}},
        {"id": "work", "type": "set", "config": {"values": {"half": "=10 / input.divisor"}}},
        {"id": "end", "type": "end", "config": {"output": "=nodes.work.output"}},
        {"id": "none", "type": "end", "config": {}},
    ],
    "edges": [
        {"source": "start", "target": "check"},
        {"source": "check", "source_handle": "ok", "target": "work"},
        {"source": "check", "source_handle": "bad", "target": "none"},
        {"source": "work", "target": "end"},
    ],
}


@asynccontextmanager
async def working(gesta: Gesta) -> AsyncIterator[None]:
    async with worker_of(gesta.database) as process, at_work(process):
        yield


@pytest.fixture
async def other(gesta: Gesta, acme: Tenant) -> AsyncIterator[Client]:
    """The same tenant's admin at another process."""
    async with serving(gesta.database) as http:
        yield Client(http, acme.admin.token, acme.admin.headers)


async def begun(tenant: Tenant, key: str, count: int, **input: Any) -> list[str]:
    """The ids of so many new executions."""
    ids: list[str] = []
    for start in range(0, count, 500):
        items = [{"input": {"amount": number, **input}} for number in range(start, min(start + 500, count))]
        answer = await tenant.admin.post("/executions/bulk", {"workflow_key": key, "items": items})
        assert answer.status_code == 200, answer.text
        ids += [item["execution"]["id"] for item in answer.json()["items"]]
    return ids


async def requested(client: Client, action: str, **body: Any) -> dict[str, Any]:
    answer = await client.post("/bulk-operations", {"action": action, **body})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/bulk-operations/{answer.json()['id']}"
    return dict(answer.json())


async def ended(client: Client, id: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = (await client.get(f"/bulk-operations/{id}", wait=20)).json()
            if found["status"] != "running":
                return dict(found)


async def statuses(tenant: Tenant, key: str) -> dict[str, int]:
    found: dict[str, int] = {}
    more: dict[str, str] = {}
    while True:
        page = (await tenant.admin.get("/executions", workflow_key=key, limit=200, **more)).json()
        for item in page["items"]:
            found[item["status"]] = found.get(item["status"], 0) + 1
        if page["next_cursor"] is None:
            return found
        more = {"cursor": page["next_cursor"]}


def counts(operation: dict[str, Any]) -> tuple[int, ...]:
    return tuple(operation[name] for name in ("matched", "done", "failed", "skipped"))


async def test_many_executions_are_cancelled_and_one_can_see_how_far_it_is(
    gesta: Gesta, acme: Tenant, other: Client, tmp_path: Path
) -> None:
    """One looks when the worker has just died, after two steps."""
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", MANY)
    made = await requested(acme.admin, "cancel", filter={"workflow_key": "purchase", "status": "running"}, reason="wrong price")
    assert counts(made) == (MANY, 0, 0, 0)
    later = await begun(acme, "purchase", 1)
    first = await started(gesta.database, tmp_path / "calls", "worker.bulk_step_taken:2")
    assert await asyncio.wait_for(first.wait(), PATIENCE) == -signal.SIGKILL
    found = (await other.get(f"/bulk-operations/{made['id']}")).json()
    assert (found["status"], counts(found), found["completed_at"]) == ("running", (MANY, 200, 0, 0), None)
    await run_sql(gesta.database, LAPSE)
    async with working(gesta):
        found = await ended(other, made["id"])
    assert (found["status"], counts(found)) == ("completed", (MANY, MANY, 0, 0))
    assert await statuses(acme, "purchase") == {"cancelled": MANY, "running": 1}
    assert (await acme.admin.get(f"/executions/{later[0]}")).json()["status"] == "running", "what comes later is not meant"
    (listed,) = (await other.get("/bulk-operations", status="completed", action="cancel")).json()["items"]
    assert (listed["id"], listed["reason"]) == (made["id"], "wrong price")
    await assert_verified(gesta, acme)


async def test_what_it_did_is_told_by_the_executions_own_events(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    (id,) = await begun(acme, "purchase", 1)
    operator = await acme.member("operator")
    made = await requested(operator.client, "cancel", execution_ids=[id], reason="why")
    async with working(gesta):
        await ended(acme.admin, made["id"])
    caused = (await acme.admin.get("/audit-logs", correlation_id=made["id"])).json()["items"]
    assert {entry["resource"] for entry in caused} >= {"execution", "bulk_operation"}
    (cancelled,) = [entry for entry in caused if entry["action"] == "execution.cancelled"]
    assert (cancelled["resource_id"], cancelled["causation_id"], cancelled["user_id"]) == (id, made["id"], operator.user_id)
    shown = (await acme.admin.get(f"/executions/{id}")).json()
    assert (shown["status"], shown["cancelled_by"]) == ("cancelled", operator.user_id)


async def test_all_that_failed_are_forked_from_where_each_of_them_did(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(RETRYABLE)
    failed = await begun(acme, "retryable", 5, good=True, divisor=0)
    await begun(acme, "retryable", 2, good=False)
    made = await requested(
        acme.admin, "fork", filter={"status": "failed", "workflow_key": "retryable"}, input={"good": True, "divisor": 4}
    )
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
    assert (found["status"], counts(found)) == ("completed", (5, 5, 0, 0))
    forks = (await acme.admin.get("/executions", workflow_key="retryable", status="completed", limit=50)).json()["items"]
    forked = [(await acme.admin.get(f"/executions/{fork['id']}")).json() for fork in forks if fork["trigger_type"] == "fork"]
    assert {fork["trigger_data"]["execution_id"] for fork in forked} == set(failed)
    assert {fork["trigger_data"]["node_id"] for fork in forked} == {"work"}
    assert [fork["output"] for fork in forked] == [{"half": 2.5}] * 5
    await assert_verified(gesta, acme)


async def test_what_cannot_be_forked_is_told_and_does_not_stop_the_others(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(RETRYABLE)
    good = await begun(acme, "retryable", 1, good=True, divisor=0)
    bad = await begun(acme, "retryable", 1, good=False)
    nobody = str(uuid4())
    made = await requested(acme.admin, "fork", execution_ids=[*bad, nobody, *good], node_id="work")
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
    assert counts(found) == (3, 1, 2, 0)
    told = [(one["index"], one["execution_id"], one["code"]) for one in found["failures"]]
    assert told == [(0, bad[0], "invalid"), (1, nobody, "not_found")]


@pytest.mark.parametrize(
    ("before", "action", "status"),
    [(None, "pause", "paused"), ("pause", "resume", "running"), (None, "terminate", "cancelled"), (None, "signal", "running")],
)
async def test_every_action_is_that_of_the_single_command(
    gesta: Gesta, acme: Tenant, before: str | None, action: str, status: str
) -> None:
    await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 2)
    if before is not None:
        for id in ids:
            await acme.admin.post(f"/executions/{id}/{before}")
    also = {"name": "went", "payload": {"by": "train"}} if action == "signal" else {}
    made = await requested(acme.admin, action, filter={"workflow_key": "purchase"}, **also)
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
        assert counts(found) == (2, 2, 0, 0)
        assert await statuses(acme, "purchase") == {status: 2}
        if action != "signal":
            again = await requested(acme.admin, action, filter={"workflow_key": "purchase"})
            assert counts(await ended(acme.admin, again["id"])) == (2, 0, 0, 2), "there is nothing to do any more"
    if action == "signal":
        history = (await acme.admin.get(f"/executions/{ids[0]}/history")).json()["items"]
        assert history[-1]["data"] == {"name": "went", "payload": {"by": "train"}}


async def test_executions_are_started_from_a_list(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    items = [{"business_key": f"K-{number % 120}", "input": {"amount": number}} for number in range(150)]
    items.append({"input": {"amount": "much"}})
    made = await requested(acme.admin, "start", workflow_key="purchase", items=items)
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
    assert counts(found) == (151, 120, 31, 0)
    assert {one["code"] for one in found["failures"]} == {"name_taken", "invalid_input"}
    assert await statuses(acme, "purchase") == {"running": 120}
    (one,) = (await acme.admin.get("/executions", business_key="K-7")).json()["items"]
    shown = (await acme.admin.get(f"/executions/{one['id']}")).json()
    assert (shown["input"], shown["trigger_data"]) == ({"amount": 7}, {"bulk_operation_id": made["id"]})
    await assert_verified(gesta, acme)


async def test_what_ran_is_started_anew_with_the_same_input(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(INSTANT)
    body = {"workflow_key": "instant", "business_key": "K-1", "input": {"n": 1}, "labels": {"team": "north"}}
    origin = (await acme.admin.post("/executions", body)).json()["id"]
    made = await requested(acme.admin, "start", filter={"label.team": "north"}, keep_business_key=True)
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
    assert counts(found) == (1, 1, 0, 0)
    first, second = (await acme.admin.get("/executions", order="created_at", **{"label.team": "north"})).json()["items"]
    assert (first["id"], second["business_key"]) == (origin, "K-1")
    assert (await acme.admin.get(f"/executions/{second['id']}")).json()["input"] == {"n": 1}


async def test_what_somebody_had_asked_for_stays_theirs_when_another_starts_it_anew(gesta: Gesta, acme: Tenant) -> None:
    definition = deepcopy(APPROVAL)
    for outcome in definition["nodes"][1]["config"]["outcomes"]:
        outcome["exclude"] = ["requester"]
    await acme.publish(definition)
    ann, ben = await acme.member("operator", "approver"), await acme.member("operator", "approver")
    begun = (await ann.client.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    made = await requested(ben.client, "start", execution_ids=[begun["id"]])
    async with working(gesta):
        assert counts(await ended(ben.client, made["id"])) == (1, 1, 0, 0)
    (row,) = [each for each in (await acme.admin.get("/approvals")).json()["items"] if each["id"] != begun["open"][0]["id"]]
    for member in (ann, ben):
        assert (await member.client.post(f"/approvals/{row['id']}/decide", {"outcome": "approved"})).json()["code"] == "excluded"


async def test_a_dry_run_says_what_it_would_act_on_and_does_nothing(acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 12)
    before = await acme.gesta.events()
    wanted = {"workflow_key": "purchase", "node_id": "review", "attr.amount.gte": "2"}
    answer = await acme.admin.post("/bulk-operations", {"action": "cancel", "filter": wanted, "dry_run": True})
    told = answer.json()
    assert (answer.status_code, told["matched"], told["too_many"]) == (200, 10, False)
    assert [item["id"] for item in told["sample"]] == ids[2:12]
    assert await acme.gesta.events() == before


@in_turn(
    ("body", "path", "code"),
    [
        ({"action": "cancel"}, "/filter", "one_of"),
        ({"action": "cancel", "filter": {}}, "/filter", "too_short"),
        ({"action": "cancel", "filter": {"status": "running"}, "execution_ids": [str(uuid4())]}, "/filter", "one_of"),
        ({"action": "cancel", "filter": {"state": "running"}}, "/filter/state", "unknown_field"),
        ({"action": "cancel", "filter": {"attr.": "x"}}, "/filter/attr.", "unknown_field"),
        ({"action": "cancel", "filter": {"attr.a.about": "x"}}, "/filter/attr.a.about", "unknown_field"),
        ({"action": "cancel", "filter": {"status": "gone"}}, "/filter/status", "value"),
        ({"action": "cancel", "filter": {"created_to": "today"}}, "/filter/created_to", "value"),
        ({"action": "cancel", "filter": {"status": 1}}, "/filter/status", "string_type"),
        ({"action": "erase", "filter": {"status": "failed"}}, "/action", "literal_error"),
        ({"action": "cancel", "filter": {"status": "failed"}, "node_id": "a"}, "/node_id", "not_of_action"),
        ({"action": "signal", "filter": {"status": "failed"}}, "/name", "required"),
        ({"action": "cancel", "items": [{}]}, "/items", "not_of_action"),
        ({"action": "start", "items": [{}]}, "/workflow_key", "one_of"),
        ({"action": "start", "workflow_key": "w", "filter": {"status": "failed"}}, "/workflow_key", "one_of"),
        ({"action": "start", "workflow_key": "w", "items": [{}] * 1_001}, "/items", "too_long"),
        ({"action": "cancel", "execution_ids": ["x"]}, "/execution_ids/0", "value_error"),
        ({"action": "start", "workflow_key": "unheard-of", "items": [{}]}, "/workflow_key", "invalid"),
        ([], "", "model_type"),
    ],
)
async def test_what_makes_no_sense_is_refused_where_it_stands(acme: Tenant, body: Any, path: str, code: str) -> None:
    answer = await acme.admin.post("/bulk-operations", body)
    assert answer.status_code == 422, answer.text
    assert [(error["path"], error["code"]) for error in answer.json()["errors"]] == [(path, code)]


async def test_each_action_needs_what_the_single_command_does_and_a_filter_the_right_to_look(acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    (id,) = await begun(acme, "purchase", 1)
    control, start, read = [await acme.service(f"executions:{verb}") for verb in ("control", "start", "read")]
    named, found = {"execution_ids": [id]}, {"filter": {"status": "running"}}
    items = {"workflow_key": "purchase", "items": [{"input": {"amount": 1}}]}

    async def answered(client: Client, **body: Any) -> int:
        return (await client.post("/bulk-operations", body)).status_code

    assert await answered(control, action="cancel", **named) == 202
    assert await answered(control, action="cancel", **found) == 403
    assert await answered(control, action="cancel", **found, dry_run=True) == 403
    assert await answered(control, action="start", **items) == 403
    assert await answered(start, action="start", **items) == 202
    assert await answered(start, action="start", **items, on_conflict="replace") == 403
    assert await answered(start, action="cancel", **named) == 403
    assert await answered(read, action="cancel", **found) == 403
    assert (await control.get("/bulk-operations")).status_code == 403
    assert len((await read.get("/bulk-operations")).json()["items"]) == 2


async def test_who_loses_the_right_meanwhile_stops_it(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 40)
    operator = await acme.member("operator")
    made = await requested(operator.client, "cancel", filter={"workflow_key": "purchase"})
    viewer = await acme.role_id("viewer")
    assert (await acme.admin.call("PATCH", f"/members/{operator.user_id}", {"role_ids": [viewer]})).status_code == 200
    async with working(gesta):
        found = await ended(acme.admin, made["id"])
    assert (found["status"], found["error_code"], counts(found)) == ("failed", "permission_denied", (40, 0, 0, 0))
    assert await statuses(acme, "purchase") == {"running": 40}
    await assert_verified(gesta, acme)


async def test_a_key_that_is_revoked_meanwhile_stops_it(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 3)
    made = (await acme.admin.post("/api-keys", {"name": "k", "permissions": ["executions:control"]})).json()
    asked = await requested(Client(gesta.http, made["token"]), "cancel", execution_ids=ids)
    assert (await acme.admin.call("DELETE", f"/api-keys/{made['id']}")).status_code == 200
    async with working(gesta):
        found = await ended(acme.admin, asked["id"])
    assert (found["status"], found["error_code"], found["done"]) == ("failed", "key_not_valid", 0)


async def test_after_it_was_cancelled_nothing_further_is_acted_on(
    gesta: Gesta, acme: Tenant, other: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled elsewhere in the midst of a step."""
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 80)
    made = await requested(acme.admin, "pause", filter={"workflow_key": "purchase"})
    answers, taken = list[httpx2.Response](), list[Any]()

    async def deciding(handler: Any, streams: Any, command: Any) -> Any:
        taken.append(command)
        if len(taken) == 3:
            answers.append(await other.post(f"/bulk-operations/{made['id']}/cancel", {"reason": "enough"}))
        return await platform.deciding(handler, streams, command)

    monkeypatch.setattr(bulk_runner, "deciding", deciding)
    async with working(gesta):
        await no_jobs(gesta)
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "cancelled")]
    found = (await acme.admin.get(f"/bulk-operations/{made['id']}")).json()
    assert (found["status"], counts(found)) == ("cancelled", (80, 2 * bulk_runner.TOGETHER, 0, 0)), "what it did is counted"
    assert (await statuses(acme, "purchase"))["paused"] == found["done"]
    again = await other.post(f"/bulk-operations/{made['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "bulk_operation_over")
    await assert_verified(gesta, acme)


async def no_jobs(gesta: Gesta) -> None:
    async with asyncio.timeout(PATIENCE):
        while await run_sql(gesta.database, "SELECT count(*) FROM runtime.jobs"):  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.01)


async def test_a_repeated_request_is_one_operation(acme: Tenant, other: Client) -> None:
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 2)
    body = {"action": "cancel", "filter": {"workflow_key": "purchase"}}
    first = await acme.admin.post("/bulk-operations", body, Idempotency_Key="once")
    await begun(acme, "purchase", 1)
    second = await other.post("/bulk-operations", body, Idempotency_Key="once")
    assert (second.status_code, second.json(), second.headers["Idempotency-Replayed"]) == (202, first.json(), "true")
    assert len((await acme.admin.get("/bulk-operations")).json()["items"]) == 1


async def test_more_than_an_operation_may_have_are_refused(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_operations, "MOST", 3)
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 4)
    body = {"action": "cancel", "filter": {"workflow_key": "purchase"}}
    preview = (await acme.admin.post("/bulk-operations", {**body, "dry_run": True})).json()
    assert (preview["matched"], preview["too_many"]) == (3, True)
    refused = await acme.admin.post("/bulk-operations", body)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/filter")


async def test_while_the_tables_are_behind_nobody_acts_on_what_they_show(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "WAIT_SECONDS", 0.01)
    token = await platform_key(database)
    async with serving(database) as http:
        async with projecting(database) as projector:
            acme = await Gesta(http, database, Client(http, token), projector).tenant()
            await acme.publish(APPROVAL)
        ids = await begun(acme, "purchase", 2)
        refused = await acme.admin.post("/bulk-operations", {"action": "cancel", "filter": {"status": "running"}})
        assert (refused.status_code, refused.json()["code"]) == (503, "tables_behind")
        assert (await acme.admin.post("/bulk-operations", {"action": "cancel", "execution_ids": ids})).status_code == 202


async def test_who_acts_on_behalf_of_somebody_does_so_in_each_command(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 2)
    operator = await acme.member("operator")
    service = (await acme.service("users:act_as", "executions:control")).with_headers(Gesta_On_Behalf_Of=operator.user_id)
    made = await requested(service, "fork", execution_ids=ids, node_id="review")
    await assert_verified(gesta, acme)
    async with working(gesta):
        assert counts(await ended(acme.admin, made["id"])) == (2, 2, 0, 0)
    forks = (await acme.admin.get("/audit-logs", correlation_id=made["id"], action="execution.started")).json()["items"]
    assert {(entry["user_id"], entry["on_behalf_of"], entry["actor_type"]) for entry in forks} == {
        (operator.user_id, operator.user_id, "api_key")
    }
    shown = (await acme.admin.get(f"/executions/{forks[0]['resource_id']}")).json()
    assert shown["created_by"] == operator.user_id


async def test_ids_of_other_things_are_no_executions(gesta: Gesta, acme: Tenant) -> None:
    workflow = await acme.publish(APPROVAL)
    globex = await gesta.tenant("globex")
    await globex.publish(APPROVAL)
    foreign = await begun(globex, "purchase", 1)
    async with working(gesta):
        for action, also in (("cancel", {}), ("fork", {}), ("start", {}), ("signal", {"name": "s"})):
            made = await requested(acme.admin, action, execution_ids=[workflow, *foreign], **also)
            found = await ended(acme.admin, made["id"])
            assert counts(found) == (2, 0, 2, 0)
            assert {one["code"] for one in found["failures"]} == {"not_found"}
    assert await statuses(globex, "purchase") == {"running": 1}


async def test_what_matches_nothing_is_completed(acme: Tenant) -> None:
    made = await requested(acme.admin, "cancel", filter={"workflow_key": "nothing"})
    assert (made["status"], counts(made)) == ("completed", (0, 0, 0, 0))
    assert (await ended(acme.admin, made["id"]))["completed_at"] is not None


async def test_two_workers_share_it_with_other_operations(
    gesta: Gesta, acme: Tenant, other: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_operation, "STEP", 20)
    await acme.publish(APPROVAL)
    await begun(acme, "purchase", 90)
    made = [await requested(client, "cancel", filter={"workflow_key": "purchase"}) for client in (acme.admin, other)]
    async with working(gesta), working(gesta):
        one, two = [await ended(acme.admin, each["id"]) for each in made]
    assert one["done"] + two["done"] == 90
    assert one["skipped"] + two["skipped"] == 90
    assert one["failed"] + two["failed"] == 0
    await assert_verified(gesta, acme)


async def test_another_tenant_has_its_turn_between_the_steps(gesta: Gesta, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_operation, "STEP", 20)
    globex = await gesta.tenant("globex")
    asked = []
    for tenant, count in ((acme, 60), (globex, 1)):
        await tenant.publish(APPROVAL)
        await begun(tenant, "purchase", count)
        asked.append(await requested(tenant.admin, "cancel", filter={"workflow_key": "purchase"}))
    async with worker_of(gesta.database, leasing=Leasing(concurrency=1)) as process, at_work(process):
        small, large = await ended(globex.admin, asked[1]["id"]), await ended(acme.admin, asked[0]["id"])
    assert (small["done"], large["done"]) == (1, 60)
    assert small["completed_at"] < large["completed_at"]


async def test_a_suspended_tenants_operation_waits(gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(APPROVAL)
    ids = await begun(acme, "purchase", 2)
    operator = await acme.member("operator")
    made = await requested(operator.client, "cancel", execution_ids=ids)
    assert (await gesta.platform.post(f"/tenants/{acme.id}/suspend")).status_code == 200
    async with working(gesta):
        assert (await gesta.platform.post(f"/tenants/{acme.id}/reactivate")).status_code == 200
        assert counts(await ended(acme.admin, made["id"])) == (2, 2, 0, 0)
