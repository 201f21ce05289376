"""Notifications, from what happens to a receiver on loopback and the log of its deliveries."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from domain.notification_delivery import AT_A_TIME
from tests.api.conftest import Client, Gesta, Tenant, serving
from tests.api.definitions import APPROVAL, INSTANT
from tests.api.receiving import deliveries, endpoint, received, receiver, settled, until
from tests.api.test_http_nodes import NOTATIONS, echoing, saying, worker
from tests.api.working import leased, report, run_sql
from tests.conftest import Database
from tests.in_turn import in_turn
from tests.planted import everywhere
from tests.worker.outbound.servers import server
from worker.outbound.client import Outbound

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def ran(tenant: Tenant, key: str = "instant", client: Client | None = None, **more: Any) -> str:
    started = await (client or tenant.admin).post("/executions", {"workflow_key": key, "input": {}, **more})
    assert started.status_code == 201, started.text
    return str(started.json()["id"])


async def test_what_happens_is_told_signed_to_who_wishes_for_it(acme: Tenant, database: Database) -> None:
    """Through two API processes and two workers."""
    service, other = receiver(), receiver()
    await acme.publish(INSTANT)
    async with (
        server(service.handle) as port,
        server(other.handle) as second,
        worker(database),
        worker(database),
        serving(database) as beside,
    ):
        made = await endpoint(acme, f"http://hooks.example:{port}/gesta", "execution.completed", "execution.started")
        await endpoint(Client(beside, acme.admin.token, acme.admin.headers), f"http://hooks.example:{second}/", "approval.*")
        execution = await ran(acme, business_key="E-1")
        await settled(acme, 2)
        await run_all(acme)
    assert made["secret"].startswith("whsec_")
    assert other.seen == []
    by_type = {each["type"]: each for each in service.messages()}
    assert set(by_type) == {"execution.started", "execution.completed"}
    assert len(service.seen) == len(set(service.ids())) == 2
    told = by_type["execution.completed"]
    assert by_type["execution.started"]["position"] < told["position"]
    shown = (await acme.admin.get(f"/executions/{execution}")).json()
    for name in ("id", "workflow_id", "workflow_key", "workflow_version", "business_key", "status", "output", "started_at"):
        assert told["data"][name] == shown[name], name
    assert told["timestamp"] == shown["completed_at"] == told["data"]["completed_at"]
    for number in range(2):
        assert service.is_signed(made["secret"], number)
        assert not service.is_signed(SECRET, number)
        assert service.headers(number)["content-type"] == "application/json"
    found = {each["id"]: each for each in await deliveries(acme)}
    assert set(found) == set(service.ids())
    assert all(
        (each["attempts"], each["last_status_code"], each["resource_id"]) == (1, 204, execution) for each in found.values()
    )


async def run_all(tenant: Tenant) -> None:
    """Nothing is left to be done."""

    async def done() -> bool:
        left: int = await run_sql(tenant.gesta.database, "SELECT count(*) FROM runtime.jobs")
        return left == 0

    await until(done)


async def test_approvals_are_told_of(acme: Tenant, database: Database) -> None:
    service = receiver()
    await acme.publish(APPROVAL)
    person = await acme.member("approver")
    async with server(service.handle) as port, worker(database):
        await endpoint(acme, f"http://hooks.example:{port}/", "approval.*", workflow_key=APPROVAL["key"])
        await endpoint(acme, f"http://hooks.example:{port}/", "approval.*", workflow_key="another")
        started = await acme.admin.post("/executions", {"workflow_key": APPROVAL["key"], "input": {"amount": 7}})
        (asked,) = started.json()["open"]
        outcome = (await acme.admin.get(f"/approvals/{asked['id']}")).json()["request_data"]
        assert outcome is not None
        done = await person.client.post(f"/approvals/{asked['id']}/decide", {"outcome": "approved", "comment": "Fine."})
        assert done.status_code == 200, done.text
        await settled(acme, 3)
        await run_all(acme)
    told = sorted(service.messages(), key=lambda each: each["position"])
    assert [each["type"] for each in told] == ["approval.requested", "approval.decided", "approval.resolved"]
    assert {each["data"]["id"] for each in told} == {asked["id"]}
    assert told[1]["data"]["decision"]["comment"] == "Fine."
    assert (told[2]["data"]["outcome"], told[2]["data"]["decided_by"]) == ("approved", [person.user_id])


async def test_what_fails_is_tried_again_when_its_time_has_come(acme: Tenant, database: Database) -> None:
    """The time between is skipped by asking for it now; the log says what it would have been."""
    await acme.publish(INSTANT)
    service = receiver(saying(500, {"error": "later"}), saying(429, None, Retry_After="900"), saying(302), saying(200, "ok"))
    async with server(service.handle) as port, worker(database):
        await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        await ran(acme)
        for count in range(1, 4):
            await received(service, count)
            (waiting,) = await attempted(acme, count)
            assert waiting["status"] == "pending"
            assert waiting["next_attempt_at"] is not None
            retried = await acme.admin.post(f"/deliveries/{waiting['id']}/retry")
            assert retried.json()["status"] == "pending"
        (done,) = await settled(acme, 1)
        again = await acme.admin.post(f"/deliveries/{done['id']}/retry")
        assert again.status_code == 200
        await received(service, 5)
        await attempted(acme, 5)
        await run_all(acme)
    assert set(service.ids()) == {done["id"]}, "it keeps its id"
    log = (await acme.admin.get(f"/deliveries/{done['id']}")).json()["attempt_log"]
    assert [(each["attempt"], each["status_code"], each["is_accepted"]) for each in log] == [
        *((1, 500, False), (2, 429, False), (3, 302, False), (4, 200, True), (5, 200, True)),
    ]
    assert json.loads(log[0]["response"]) == {"error": "later"}
    delays = [
        each["payload"]["delay_ms"]
        for each in (await acme.admin.get("/audit-logs", action="notification_delivery.attempt_failed", order="position")).json()[
            "items"
        ]
    ]
    assert 4_000 <= delays[0] <= 6_000
    assert delays[1] == 900_000, "as long as the receiver asks for"


async def attempted(tenant: Tenant, count: int) -> list[dict[str, Any]]:
    """The deliveries, when there were so many attempts."""

    async def so_many() -> bool:
        return sum(int(each["attempts"]) for each in await deliveries(tenant)) >= count

    await until(so_many)
    return await deliveries(tenant)


async def test_an_endpoint_that_is_gone_is_disabled(acme: Tenant, database: Database) -> None:
    await acme.publish(INSTANT)
    service = receiver(saying(410))
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        await ran(acme)
        (failed,) = await settled(acme, 1, "failed")
        shown = (await acme.admin.get(f"/notifications/endpoints/{made['id']}")).json()
        assert (shown["status"], shown["disabled_why"]) == ("disabled", "gone")
        await ran(acme)
        refused = await acme.admin.post(f"/deliveries/{failed['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        service.answers = [saying(204)]
        enabled = await acme.admin.post(f"/notifications/endpoints/{made['id']}/enable", {"reason": "It is back."})
        assert enabled.json()["status"] == "enabled"
        await ran(acme)
        await settled(acme, 1)
        await run_all(acme)
    assert len(service.seen) == 2, "what happened while it was disabled is not told"


async def test_an_endpoint_that_accepts_nothing_for_days_is_disabled(acme: Tenant, database: Database) -> None:
    await acme.publish(INSTANT)
    service = receiver(saying(500))
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        await ran(acme)
        await attempted(acme, 1)
        await run_sql(database, "UPDATE runtime.notification_failures SET failing_since = failing_since - interval '6 days'")
        await ran(acme)
        await attempted(acme, 2)
        shown = (await acme.admin.get(f"/notifications/endpoints/{made['id']}")).json()
        assert (shown["status"], shown["disabled_why"]) == ("disabled", "failing")
        await run_sql(database, "UPDATE runtime.jobs SET state = 'ready', run_at = clock_timestamp() WHERE state = 'waiting'")
        await run_sql(database, "SELECT pg_notify('gesta_jobs', '')")
        await settled(acme, 2, "cancelled")
        await run_all(acme)
    assert len(service.seen) == 2


async def test_what_was_missed_of_a_time_is_delivered_when_it_is_asked_for(
    acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened while it was disabled and what was given up; what was delivered is not sent again."""
    monkeypatch.setattr("api.notifying.MOST_EVENTS", 4)
    await acme.publish(INSTANT)
    service = receiver(saying(204), saying(410), saying(204))
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        path, executions = f"/notifications/endpoints/{made['id']}", [await ran(acme)]
        await settled(acme, 1)
        executions.append(await ran(acme))
        await settled(acme, 1, "failed")
        executions += [await ran(acme) for _ in range(3)]
        body: dict[str, Any] = {"from": "2020-01-01T00:00:00Z"}
        refused = await acme.admin.post(f"{path}/replay", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        await acme.admin.post(f"{path}/enable")
        told = []
        while body.get("after", 0) is not None:
            told.append((await acme.admin.post(f"{path}/replay", body)).json())
            body["after"] = told[-1]["continue_after"]
        assert (sum(each["sent"] for each in told), sum(each["kept"] for each in told)) == (4, 1)
        await settled(acme, 5)
        again = (await acme.admin.post(f"{path}/replay", {"from": "0001-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"})).json()
        assert again == {"sent": 0, "kept": 0, "continue_after": None}
        await run_all(acme)
    assert len(told) > 2
    assert len(service.seen) == 6, "one was refused first"
    assert {each["resource_id"] for each in await deliveries(acme, status="delivered")} == set(executions)


async def test_what_is_deleted_or_suspended_is_sent_nothing(gesta: Gesta, acme: Tenant, database: Database) -> None:
    await acme.publish(INSTANT)
    service = receiver(saying(500))
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        await ran(acme)
        (waiting,) = await attempted(acme, 1)
        await acme.admin.call("DELETE", f"/notifications/endpoints/{made['id']}")
        refused = await acme.admin.post(f"/deliveries/{waiting['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        await run_sql(database, "UPDATE runtime.jobs SET state = 'ready', run_at = clock_timestamp() WHERE state = 'waiting'")
        await run_sql(database, "SELECT pg_notify('gesta_jobs', '')")
        await settled(acme, 1, "cancelled")
        other = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        service.answers = [saying(204)]
        await gesta.platform.post(f"/tenants/{acme.id}/suspend", {"reason": "unpaid"})
        await run_sql(database, "SELECT pg_notify('gesta_events', '')")
        assert len(service.seen) == 1
        await gesta.platform.post(f"/tenants/{acme.id}/reactivate")
        await ran(acme)
        await settled(acme, 1, endpoint_id=other["id"])
    assert len(service.seen) == 2


async def test_secrets_are_rotated_with_both_signing_for_a_while(acme: Tenant, database: Database) -> None:
    service = receiver()
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "*", secret=SECRET)
        assert made["secret"] == SECRET
        path = f"/notifications/endpoints/{made['id']}"
        await tried(acme, path)
        rotated = (await acme.admin.post(f"{path}/rotate")).json()
        await tried(acme, path)
        last = (await acme.admin.post(f"{path}/rotate", {"overlap_seconds": 0})).json()
        await tried(acme, path)
        names = [each["name"] for each in (await acme.admin.get("/secrets")).json()["items"]]
        assert names == [f"endpoint-{made['id'].replace('-', '')}-3"]
        gone = await acme.admin.call("DELETE", path)
        assert gone.status_code == 200
        assert (await acme.admin.get("/secrets")).json()["items"] == []
    secrets = (SECRET, rotated["secret"], last["secret"])
    assert len(set(secrets)) == 3
    signed = [[service.is_signed(secret, number) for secret in secrets] for number in range(3)]
    assert signed == [[True, False, False], [True, True, False], [False, False, True]]
    assert service.messages()[0]["type"] == "endpoint.test"


async def tried(tenant: Tenant, path: str) -> None:
    asked = await tenant.admin.post(f"{path}/test")
    assert asked.status_code == 201, asked.text

    async def over() -> bool:
        shown = await tenant.admin.get(f"/deliveries/{asked.json()['id']}")
        return bool(shown.json()["status"] == "delivered")

    await until(over)


async def test_a_start_names_where_its_end_is_told(acme: Tenant, database: Database) -> None:
    """At an address of its own, signed by the tenant's secret for that; or at an endpoint, whatever that wishes for, once."""
    await acme.publish(INSTANT)
    service, named = receiver(), receiver()
    async with server(service.handle) as port, server(named.handle) as other, worker(database):
        url = f"http://hooks.example:{port}/done"
        unsigned = await acme.admin.post("/executions", {"workflow_key": "instant", "callback": {"url": url}})
        assert (unsigned.status_code, unsigned.json()["errors"][0]["path"]) == (422, "/callback/url")
        await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
        mine = await ran(acme, callback={"url": url})
        quiet = await endpoint(acme, f"http://hooks.example:{other}/", "approval.*")
        loud = await endpoint(acme, f"http://hooks.example:{other}/", "execution.*")
        theirs = await ran(acme, callback={"endpoint_id": quiet["id"]})
        again = await ran(acme, callback={"endpoint_id": loud["id"]})
        await settled(acme, 6)
        await run_all(acme)
    assert [(each["type"], each["data"]["id"]) for each in service.messages()] == [("execution.completed", mine)]
    assert service.is_signed(SECRET)
    by_callback = [each["resource_id"] for each in await deliveries(acme, endpoint_id=quiet["id"])]
    assert by_callback == [theirs]
    wished = [(each["resource_id"], each["event_type"], each["kind"]) for each in await deliveries(acme, endpoint_id=loud["id"])]
    assert sorted(wished) == sorted(
        (id, type, "event") for id in (theirs, again) for type in ("execution.started", "execution.completed")
    )


async def test_a_job_of_its_own_is_told_of_and_may_name_where_its_end_is_told(acme: Tenant, database: Database) -> None:
    service, named = receiver(), receiver()
    async with server(service.handle) as port, server(named.handle) as other, worker(database):
        await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
        await endpoint(acme, f"http://hooks.example:{port}/", "job.*")
        body = {"type": "send-mail", "callback": {"url": f"http://hooks.example:{other}/"}}
        enqueuer = await acme.service("jobs:enqueue")
        assert (await enqueuer.post("/jobs", body)).status_code == 403, "who may not see what became of it"
        made = await acme.admin.post("/jobs", body)
        assert made.status_code == 201, made.text
        await report(acme.admin, await leased(acme.admin, "send-mail"), "complete", {"output": {"sent": True}})
        await settled(acme, 3)
    (told,) = named.messages()
    assert (told["type"], told["data"]["id"], told["data"]["output"]) == ("job.completed", made.json()["id"], {"sent": True})
    assert named.is_signed(SECRET)
    assert sorted(each["type"] for each in service.messages()) == ["job.completed", "job.enqueued"]


@pytest.mark.parametrize(
    ("callback", "path"),
    [
        ({}, "/callback"),
        ({"url": "https://a.example", "endpoint_id": str(uuid4())}, "/callback"),
        ({"endpoint_id": str(uuid4())}, "/callback/endpoint_id"),
        ({"url": "ftp://a.example"}, "/callback/url"),
        ({"url": "https://user:password@a.example"}, "/callback/url"),
    ],
)
async def test_a_callback_is_refused_that_leads_nowhere(acme: Tenant, callback: Any, path: str) -> None:
    await acme.publish(INSTANT)
    refused = await acme.admin.post("/executions", {"workflow_key": "instant", "callback": callback})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)


async def test_who_may_not_see_executions_is_not_told_by_a_callback(acme: Tenant) -> None:
    await acme.publish(INSTANT)
    await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
    starter = await acme.service("executions:start")
    body = {"workflow_key": "instant", "callback": {"url": "https://a.example"}}
    assert (await starter.post("/executions", body)).status_code == 403
    assert (await starter.post("/executions", {"workflow_key": "instant"})).status_code == 201


@in_turn(
    ("wrong", "path"),
    [
        ({"events": ["execution.finished"]}, "/events/0"),
        ({"events": ["approval.*", "command.*"]}, "/events/1"),
        ({"events": []}, "/events"),
        ({"url": "javascript:alert(1)"}, "/url"),
        ({"url": "https://user@a.example/"}, "/url"),
        ({"url": "https://a.example:0/"}, "/url"),
        ({"url": "https://a.example:70000/"}, "/url"),
        ({"url": "https://a.example/hook#part"}, "/url"),
        ({"secret": "whsec_c2hvcnQ="}, "/secret"),
        ({"secret": "plain text that is no key at all"}, "/secret"),
    ],
)
async def test_an_endpoint_is_refused_that_makes_no_sense(acme: Tenant, wrong: Any, path: str) -> None:
    body = {"url": "https://a.example/", "events": ["*"], **wrong}
    refused = await acme.admin.post("/notifications/endpoints", body)
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path), refused.text
    assert "plain text" not in refused.text


async def test_a_large_output_is_left_out_and_said_where_it_is(acme: Tenant, database: Database) -> None:
    large = {**INSTANT, "key": "large", "nodes": [dict(node) for node in INSTANT["nodes"]]}
    next(node for node in large["nodes"] if node["type"] == "end")["config"] = {"output": "=input"}
    await acme.publish(large)
    service = receiver()
    async with server(service.handle) as port, worker(database):
        await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed")
        execution = await ran(acme, "large", input={"text": "x" * 100_000})
        await settled(acme, 1)
    (told,) = service.messages()
    assert (told["data"]["omitted"], told["data"]["href"]) == (["output"], f"/v1/executions/{execution}")
    assert len(service.seen[0][1]) < 2_000


async def test_a_slow_endpoint_delays_neither_others_nor_other_tenants(gesta: Gesta, acme: Tenant, database: Database) -> None:
    other = await gesta.tenant("other")
    for tenant in (acme, other):
        await tenant.publish(INSTANT)
    slow, quick, theirs = receiver(lambda _head, _body: None), receiver(), receiver()
    async with worker(database), server(slow.handle) as one, server(quick.handle) as two, server(theirs.handle) as three:
        dead = await endpoint(acme, f"http://slow.example:{one}/", "execution.completed")
        well = await endpoint(acme, f"http://quick.example:{two}/", "execution.completed")
        await endpoint(other, f"http://other.example:{three}/", "execution.completed")
        await asyncio.gather(*(ran(acme) for _ in range(20)), *(ran(other) for _ in range(3)))
        await settled(acme, 20, endpoint_id=well["id"])
        await settled(other, 3)
        assert len(slow.seen) == AT_A_TIME, "so many at a time go to one endpoint"
        assert len(await deliveries(acme, endpoint_id=dead["id"], status="pending")) == 20


async def test_no_way_of_writing_an_address_leads_inside(acme: Tenant, database: Database) -> None:
    """All notations at once; the system's own resolver reads them, and nothing is permitted."""
    await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
    await acme.publish(INSTANT)
    service = receiver()
    async with server(service.handle) as port, worker(database, permitted=(), outbound=Outbound()):

        async def started(number: int, notation: str) -> int:
            callback = {"url": f"{('https', 'http')[number % 2]}://{notation}:{port}/latest/meta-data/"}
            answer = await acme.admin.post("/executions", {"workflow_key": "instant", "callback": callback})
            return answer.status_code

        statuses = await asyncio.gather(*(started(*each) for each in enumerate(NOTATIONS)))
        assert set(statuses) <= {201, 422}
        count = statuses.count(201)
        assert count > 30
        await attempted(acme, count)
    assert service.seen == []
    told = "SELECT string_agg(DISTINCT error_type, ' ' ORDER BY error_type) FROM projections.notification_attempts"
    assert set((await run_sql(database, told)).split()) <= {"forbidden", "invalid_url", "unreachable"}


async def test_a_redirect_is_no_acceptance_and_a_tenant_says_where_it_goes(acme: Tenant, database: Database) -> None:
    await acme.publish(INSTANT)
    inside = receiver()
    async with server(inside.handle) as port, worker(database):
        outside = receiver(saying(307, None, Location=f"http://127.0.0.1:{port}/"))
        async with server(outside.handle) as other:
            made = await endpoint(acme, f"http://hooks.example:{other}/", "execution.completed")
            await ran(acme)
            (waiting,) = await attempted(acme, 1)
            assert (waiting["status"], waiting["last_status_code"]) == ("pending", 307)
        settings = {"settings": {"outbound": {"hosts": ["api.example"]}}}
        assert (await acme.admin.call("PATCH", "/tenant", settings)).status_code == 200
        await acme.admin.call("PATCH", f"/notifications/endpoints/{made['id']}", {"url": f"http://hooks.example:{port}/"})
        await acme.admin.post(f"/deliveries/{waiting['id']}/retry")
        (failed,) = await settled(acme, 1, "failed")
        assert "not on this tenant's list" in failed["last_error"]
    assert inside.seen == []


async def test_a_signing_secret_is_found_nowhere_but_sealed(acme: Tenant, database: Database) -> None:
    """By a receiver that repeats what it was sent; in answers, tables, events and the log."""
    await acme.publish(INSTANT)
    service = receiver(echoing(500))
    async with server(service.handle) as port, worker(database):
        made = await endpoint(acme, f"http://hooks.example:{port}/", "execution.completed", secret=SECRET)
        service.answers = [saying(500, {"you": SECRET}), saying(200, SECRET.encode())]
        await ran(acme)
        await attempted(acme, 1)
        (waiting,) = await deliveries(acme)
        await acme.admin.post(f"/deliveries/{waiting['id']}/retry")
        await settled(acme, 1)
        await acme.admin.post(f"/notifications/endpoints/{made['id']}/rotate", {"secret": SECRET})
    paths = ("/audit-logs", "/events", "/secrets", "/notifications/endpoints", f"/deliveries/{waiting['id']}")
    told = [(await acme.admin.get(path)).text for path in paths]
    assert "[redacted]" in told[-1]
    assert all(SECRET not in each and SECRET.removeprefix("whsec_") not in each for each in told)
    assert not everywhere(database, SECRET)
    assert not everywhere(database, SECRET.removeprefix("whsec_"))
    assert everywhere(database, "hooks.example"), "what is looked for is found where it is"


async def test_an_answer_with_a_secret_is_given_once(acme: Tenant) -> None:
    body = {"url": "https://a.example/", "events": ["*"]}
    first = await acme.admin.post("/notifications/endpoints", body, Idempotency_Key="one")
    second = await acme.admin.post("/notifications/endpoints", body, Idempotency_Key="one")
    assert first.json()["id"] == second.json()["id"]
    assert "secret" in first.json()
    assert "secret" not in second.json()
    assert "secret" not in (await acme.admin.get(f"/notifications/endpoints/{first.json()['id']}")).json().keys() - {"secret"}
