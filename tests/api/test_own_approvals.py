"""Approval requests of their own: asked without a workflow, decided, expired, told of, and seen like the others."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
import pytest
from psycopg import AsyncConnection

from projections.verify import verify
from store import drafts
from tests.api.behind import Two
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.racing import DUE, REALLY, ROUNDS, at_once, code, racing, together
from tests.api.receiving import deliveries, endpoint, receiver, settled
from tests.api.test_http_nodes import worker
from tests.api.test_notifications import SECRET, run_all
from tests.api.working import run_sql
from tests.conftest import Database
from tests.in_turn import in_turn
from tests.worker.house import worker_of
from tests.worker.outbound.servers import server
from worker.maintenance import fire_timers

CLERKS = {"by": {"roles": ["approver"]}}
YES, NO = {"name": "approved", "kind": "approve"}, {"name": "rejected", "kind": "reject"}


@pytest.fixture
async def two(gesta: Gesta, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    async with racing(gesta, getattr(request, "param", "of one process")) as made:
        yield made


async def asked(client: Client, **fields: Any) -> str:
    answer = await client.post("/approvals", {"title": "A new press?", **CLERKS, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/v1/approvals/{answer.json()['id']}"
    return str(answer.json()["id"])


async def found(client: Client, id: str, **params: Any) -> dict[str, Any]:
    answer = await client.get(f"/approvals/{id}", **params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def decided(member: Member, id: str, outcome: str = "approved", **more: Any) -> httpx2.Response:
    return await member.client.post(f"/approvals/{id}/decide", {"outcome": outcome, **more})


async def holds(gesta: Gesta, tenant: Tenant) -> None:
    """`gesta verify` finds nothing: the tables are as a replay has them, and the timers as the events say."""
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        await gesta.projector.catch_up()
        verdict = await verify(conn, tenant.id)
        assert verdict.holds, verdict.broken


async def test_a_decision_is_asked_for_and_made_without_a_workflow(gesta: Gesta, acme: Tenant) -> None:
    ann, ben = await acme.member("operator", "approver"), await acme.member("approver")
    context = {"price": 1200.5}
    id = await asked(ann.client, exclude=["requester"], context=context, priority=3, due_in="P1D", timeout="P7D")
    row = await found(ben.client, id)
    nothing = (row["execution_id"], row["activation_id"], row["node_id"], row["item_index"])
    assert nothing == (None, None, None, None)
    assert (row["status"], row["requested_by"], row["priority"]) == ("pending", ann.user_id, 3)
    assert row["request_data"]["context"] == context
    assert row["due_at"] < row["expires_at"]
    assert row["assigned_to"] == {"users": [], "roles": ["approver"]}
    for person, theirs in ((ann, []), (ben, [id])):
        assert [each["id"] for each in (await person.client.get("/approvals", mine="true")).json()["items"]] == theirs
    assert (await decided(ann, id)).json()["code"] == "excluded"
    done = await decided(ben, id, comment="Fine.")
    assert done.status_code == 200, done.text
    assert done.json()["execution"] is None
    assert (done.json()["approval"]["status"], done.json()["approval"]["outcome"]) == ("resolved", "approved")
    over = await found(ann.client, id)
    assert (over["status"], over["decided_by"], over["decisions"][0]["comment"]) == ("resolved", ben.user_id, "Fine.")
    assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.timers") == 0
    log = (await acme.admin.get("/audit-logs", resource_id=id)).json()["items"]
    assert [entry["action"] for entry in log if entry["outcome"] == "accepted"] == [
        "approval.resolved",
        "approval.decided",
        "approval.requested",
    ]
    await holds(gesta, acme)


async def test_it_is_asked_in_steps_and_by_rules(gesta: Gesta, acme: Tenant) -> None:
    ann, *clerks = [await acme.member("operator"), *[await acme.member("approver") for _ in range(3)]]
    steps = [{"name": "first", "rule": {"type": "multiple", "count": 2}}, {"name": "last", "distinct": True}]
    id = await asked(ann.client, steps=steps)
    for person, outcome, status in ((0, "approved", "pending"), (1, "approved", "pending")):
        assert (await decided(clerks[person], id, outcome)).json()["approval"]["status"] == status
    assert [step["status"] for step in (await found(ann.client, id))["steps"]] == ["completed", "open"]
    assert (await decided(clerks[0], id)).json()["code"] == "kept_apart"
    assert (await decided(clerks[2], id, "rejected")).json()["approval"]["outcome"] == "rejected"
    await holds(gesta, acme)


async def test_a_step_that_comes_to_nobody_ends_it(gesta: Gesta, acme: Tenant) -> None:
    ann, ben = await acme.member("operator"), await acme.member("approver")
    last = {"name": "last", "by": {"users": [ben.user_id]}, "distinct": True}
    id = await asked(ann.client, steps=[{"name": "first"}, last], timeout="PT1H")
    assert (await decided(ben, id)).json()["approval"]["status"] == "cancelled"
    await holds(gesta, acme)


async def test_who_asks_may_wait_for_the_answer(acme: Tenant) -> None:
    ann, ben = await acme.member("operator"), await acme.member("approver")
    id = await asked(ann.client)
    waiting = asyncio.create_task(found(ann.client, id, wait=30))
    assert (await decided(ben, id)).status_code == 200
    assert (await asyncio.wait_for(waiting, 20))["outcome"] == "approved"
    assert (await found(ann.client, await asked(ann.client), wait=0))["status"] == "pending"


async def test_a_repetition_asks_once(acme: Tenant) -> None:
    body = {"title": "Once?", **CLERKS}
    await acme.member("approver")
    first, again = [await acme.admin.post("/approvals", body, Idempotency_Key="k") for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await acme.admin.get("/approvals")).json()["items"]) == 1


async def test_its_time_is_up(gesta: Gesta, acme: Tenant) -> None:
    ben = await acme.member("approver")
    id, other = await asked(acme.admin, timeout="PT1H"), await asked(acme.admin)
    await holds(gesta, acme)
    await run_sql(gesta.database, DUE)
    async with worker_of(gesta.database) as gestas:
        await fire_timers(gestas.context)
    assert (await found(acme.admin, id))["status"] == "expired"
    assert (await found(acme.admin, other))["status"] == "pending"
    assert code(await decided(ben, id)) == "approval_closed"
    assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.timers") == 0
    await holds(gesta, acme)


async def test_a_worker_expires_it_when_its_moment_has_come(acme: Tenant, database: Database) -> None:
    await acme.member("approver")
    async with worker(database):
        id = await asked(acme.admin, timeout="PT0.3S")
        assert (await found(acme.admin, id, wait=30))["status"] == "expired"


async def test_its_end_is_told_once_and_signed(acme: Tenant, database: Database) -> None:
    """Resolved and expired; at an address of its own, or at an endpoint."""
    ben = await acme.member("approver")
    service, named = receiver(), receiver()
    async with server(service.handle) as port, server(named.handle) as other, worker(database):
        url = f"http://hooks.example:{port}/done"
        unsigned = await acme.admin.post("/approvals", {"title": "x", "callback": {"url": url}})
        assert (unsigned.status_code, unsigned.json()["errors"][0]["path"]) == (422, "/callback/url")
        await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
        quiet = await endpoint(acme, f"http://hooks.example:{other}/", "execution.*")
        resolved = await asked(acme.admin, callback={"url": url})
        expired = await asked(acme.admin, callback={"endpoint_id": quiet["id"]}, timeout="PT0.2S")
        await asked(acme.admin)
        assert (await decided(ben, resolved)).status_code == 200
        await settled(acme, 2)
        await run_all(acme)
    (told,) = service.messages()
    assert (told["type"], told["data"]["id"], told["data"]["outcome"]) == ("approval.resolved", resolved, "approved")
    assert (told["data"]["execution_id"], told["data"]["node_id"]) == (None, None)
    assert service.is_signed(SECRET)
    assert [(each["type"], each["data"]["id"]) for each in named.messages()] == [("approval.expired", expired)]
    kinds = {each["resource_id"]: each["kind"] for each in await deliveries(acme)}
    assert kinds == {resolved: "callback", expired: "callback"}


async def test_who_may_not_see_approvals_is_not_told_by_a_callback(acme: Tenant) -> None:
    await acme.admin.post("/secrets", {"name": "callbacks", "value": SECRET})
    service = await acme.service("approvals:request")
    body = {"title": "x", "callback": {"url": "https://a.example"}}
    assert (await service.post("/approvals", body)).status_code == 403
    assert (await service.post("/approvals", {"title": "x"})).status_code == 201


SOMEBODY = str(uuid4())
DEFAULT = {"escalate": [{"after": "PT1S", "outcome": "approved"}]}
NOWHERE = {"calendar": "nowhere", "duration": "PT1H"}


@in_turn(
    ("wrong", "path", "said"),
    [
        ({"title": ""}, "/title", None),
        ({"by": {"roles": ["nobody"]}}, "/by/roles/0", "unknown_role"),
        ({"by": {"users": [SOMEBODY]}}, "/by/users/0", "unknown_user"),
        ({"fallback": {"roles": ["nobody"]}}, "/fallback/roles/0", "unknown_role"),
        ({"outcomes": [{**YES, "by": {"users": [SOMEBODY]}}]}, "/outcomes/0/by/users/0", "unknown_user"),
        ({"steps": [{"name": "a", "by": {"roles": ["nobody"]}}]}, "/steps/0/by/roles/0", "unknown_role"),
        ({"requester": "forbid", **DEFAULT}, "/escalate/0/outcome", "excluded"),
        ({"steps": [{"name": "a", "requester": "forbid"}, {"name": "b"}], **DEFAULT}, "/escalate/0/outcome", "excluded"),
        ({"steps": [{"name": "a", "exclude": ["requester"], **DEFAULT}]}, "/steps/0/escalate/0/outcome", "excluded"),
        ({"by": {"users": ["=input.owner"]}}, "/by/users/0", "no_expression"),
        ({"by": {"expr": "input.owner"}}, "/by/expr", "no_expression"),
        ({"rule": {"type": "multiple", "count": "=input.n"}}, "/rule/count", "no_expression"),
        ({"due_in": "=input.time"}, "/due_in", "no_expression"),
        ({"steps": [{"name": "a", "skip_when": "true"}]}, "/steps/0/skip_when", "no_expression"),
        ({"outcomes": [{**YES, "interrupts": ["other"]}]}, "/outcomes/0/interrupts", "unknown_field"),
        ({"rule": {"type": "most"}}, "/rule/type", None),
        ({"rule": {"type": "multiple"}}, "/rule", "required"),
        ({"outcomes": []}, "/outcomes", None),
        ({"outcomes": [YES, YES]}, "/outcomes/1/name", "duplicate_handle"),
        ({"form": {"type": 7}}, "/form/type", "invalid_schema"),
        ({"due_in": "soon"}, "/due_in", "invalid_value"),
        ({"timeout": "P1M"}, "/timeout", "invalid_value"),
        ({"timeout": "PT0S"}, "/timeout", "invalid_value"),
        ({"exclude": ["somebody"]}, "/exclude/0", "invalid_value"),
        ({"nonsense": 1}, "/nonsense", None),
        ({"due_in": NOWHERE}, "/due_in", "invalid_value"),
        ({"start_in": NOWHERE}, "/start_in", "invalid_value"),
        ({"due_in": "PT1H", "remind": [{"after": "PT1M"}, {"before_due": NOWHERE}]}, "/remind/1/before_due", "invalid_value"),
        ({"escalate": [{"after": NOWHERE, "outcome": "approved"}]}, "/escalate/0/after", "invalid_value"),
        ({"steps": [{"name": "a"}, {"name": "b", "due_in": NOWHERE}]}, "/steps/1/due_in", "invalid_value"),
        ({"rule": {"type": "veto", "veto": ["nobody"]}}, "/rule/veto/0", "unknown_role"),
        ({"rule": {"type": "veto", "veto": [SOMEBODY]}}, "/rule/veto/0", "unknown_user"),
        ({"rule": {"type": "weighted", "threshold": 2, "weights": {"no/body": 2}}}, "/rule/weights/no~1body", "unknown_role"),
    ],
)
async def test_what_is_wrong_is_named(acme: Tenant, wrong: dict[str, Any], path: str, said: str | None) -> None:
    await acme.member("approver")
    refused = await acme.admin.post("/approvals", {"title": "A new press?", **CLERKS, **wrong})
    assert refused.status_code == 422, refused.text
    fault = refused.json()["errors"][0]
    assert fault["path"] == path, refused.text
    assert said in (None, fault["code"])


async def test_what_nobody_could_decide_is_not_asked(acme: Tenant) -> None:
    alone = await acme.member("operator", "approver")
    named = {"by": {"users": [alone.user_id]}, "exclude": ["requester"]}
    for body, path in (
        ({"exclude": ["requester"]}, "/by"),
        (named, "/by"),
        ({"outcomes": [YES, {**YES, "name": "other", **named}]}, "/outcomes/1/by"),
        ({"steps": [{"name": "a", "exclude": ["requester"]}]}, "/steps/0/by"),
        ({"steps": [{"name": "a", **named}]}, "/steps/0/by"),
        ({"by": {"roles": ["designer"]}}, "/by"),
        ({"by": {"manager_of": "requester"}}, "/by"),
        ({"rule": {"type": "majority"}, "exclude": ["requester"]}, "/by"),
        ({"rule": {"type": "multiple", "count": 2, "members": "at_start"}}, "/rule"),
        ({"requester": "skip"}, "/by"),
        ({"exclude": [alone.user_id], **DEFAULT}, "/escalate/0/outcome"),
        ({"outcomes": [{**YES, "exclude": [alone.user_id]}, NO], **DEFAULT}, "/escalate/0/outcome"),
    ):
        refused = await alone.client.post("/approvals", {"title": "x", **CLERKS, **body})
        assert refused.status_code == 422, (body, refused.text)
        assert [each["path"] for each in refused.json()["errors"]] == [path], (body, refused.text)
    assert (await acme.admin.get("/approvals")).json()["items"] == []


async def test_a_decision_and_an_expiry_have_one_outcome(two: Two) -> None:
    database = two.behind.gesta.database
    async with worker_of(database) as gestas:
        for number in range(ROUNDS):
            id = await asked(two.behind.admin, timeout="PT1H")
            await run_sql(database, DUE)
            person = two.at(two.ahead, two.person.client)
            decide = person.post(f"/approvals/{id}/decide", {"outcome": "approved"})
            _, answer = await at_once(number, fire_timers(gestas.context), decide)
            over = await found(two.ahead.admin, id)
            assert (over["status"], code(answer)) in (("resolved", ""), ("expired", "approval_closed"))


@REALLY
async def test_two_decisions_resolve_it_once(two: Two) -> None:
    other = await two.behind.member("approver")
    for number in range(ROUNDS):
        id = await asked(two.behind.admin)
        answers = await together(
            two,
            number,
            two.at(two.ahead, two.person.client).post(f"/approvals/{id}/decide", {"outcome": "approved"}),
            other.client.post(f"/approvals/{id}/decide", {"outcome": "rejected"}),
        )
        assert sorted(map(code, answers)) == ["", "approval_closed"]
        won = next(answer.json()["approval"]["outcome"] for answer in answers if code(answer) == "")
        assert (await found(two.ahead.admin, id))["outcome"] == won


async def test_who_asked_withdraws_it_and_so_does_who_manages(gesta: Gesta, acme: Tenant) -> None:
    ann, ben = await acme.member("operator"), await acme.member("approver")
    other = await acme.member("designer")
    boss = await acme.service("approvals:manage")
    first = await asked(other.client, timeout="PT1H")
    path = f"/approvals/{first}/withdraw"
    assert (await ben.client.post(path)).status_code == 403
    foreign = await (await acme.service("approvals:request")).post(path)
    assert (foreign.status_code, foreign.json()["code"]) == (409, "not_requester")
    withdrawn = await other.client.post(path, {"reason": "bought elsewhere"})
    assert (withdrawn.json()["approval"]["status"], withdrawn.json()["execution"]) == ("cancelled", None)
    assert code(await other.client.post(path)) == "approval_closed"
    for manager in (ann.client, boss):
        id = await asked(other.client)
        assert (await manager.post(f"/approvals/{id}/withdraw")).json()["approval"]["status"] == "cancelled"
    back = {"name": "back", "kind": "withdraw"}
    id = await asked(other.client, outcomes=[YES, NO, back])
    assert (await other.client.post(f"/approvals/{id}/withdraw")).json()["approval"]["outcome"] == "back"
    log = (await acme.admin.get("/audit-logs", resource_id=first, action="approval.cancelled")).json()["items"]
    assert [entry["payload"] for entry in log] == [{"reason": "bought elsewhere"}]
    assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.timers") == 0
    await holds(gesta, acme)


@REALLY
async def test_a_decision_and_a_withdrawal_have_one_outcome(two: Two) -> None:
    for number in range(ROUNDS):
        id = await asked(two.behind.admin, timeout="PT1H")
        person = two.at(two.ahead, two.person.client)
        answers = await together(
            two,
            number,
            person.post(f"/approvals/{id}/decide", {"outcome": "approved"}),
            two.behind.admin.post(f"/approvals/{id}/withdraw"),
        )
        assert sorted(map(code, answers)) == ["", "approval_closed"]
        status = (await found(two.ahead.admin, id))["status"]
        assert status == ("resolved" if code(answers[0]) == "" else "cancelled")


async def test_a_withdrawal_and_an_expiry_have_one_outcome(two: Two) -> None:
    database = two.behind.gesta.database
    async with worker_of(database) as gestas:
        for number in range(ROUNDS):
            id = await asked(two.behind.admin, timeout="PT1H")
            await run_sql(database, DUE)
            _, answer = await at_once(number, fire_timers(gestas.context), two.ahead.admin.post(f"/approvals/{id}/withdraw"))
            over = await found(two.ahead.admin, id)
            assert (over["status"], code(answer)) in (("cancelled", ""), ("expired", "approval_closed"))


async def test_who_stands_in_decides_it(gesta: Gesta, acme: Tenant) -> None:
    """A delegation that is for certain workflows is not for it. What the other one had begun to say is of no use any more."""
    ann, ben, eve = [await acme.member("approver") for _ in range(3)]
    ids = [await asked(acme.admin, by={"users": [ann.user_id]}) for _ in range(2)]
    for member, more in ((ben, {}), (eve, {"workflows": ["travel"]})):
        given = await ann.client.post("/delegations", {"to_user_id": member.user_id, **more})
        assert given.status_code == 201, given.text
    refused = await decided(eve, ids[0], on_behalf_of=ann.user_id)
    assert (refused.status_code, refused.json()["code"]) == (403, "no_delegation")
    assert (await decided(ben, ids[0], on_behalf_of=ann.user_id)).json()["approval"]["status"] == "resolved"
    both = await asked(acme.admin, rule={"type": "multiple", "count": 2})
    saved = await ann.client.call("PUT", f"/approvals/{both}/draft", {"draft": {"comment": "Hm."}})
    assert saved.status_code == 200, saved.text
    assert (await ann.client.get(f"/approvals/{both}/draft")).status_code == 200
    assert (await decided(ben, both, on_behalf_of=ann.user_id)).json()["approval"]["status"] == "pending"
    await gesta.projector.catch_up()
    assert (await ann.client.get(f"/approvals/{both}/draft")).status_code == 404


async def test_it_is_claimed_and_a_decision_is_taken_back(acme: Tenant) -> None:
    ann, ben = await acme.member("approver"), await acme.member("approver")
    id = await asked(acme.admin)
    claimed = await ann.client.post(f"/approvals/{id}/claim")
    assert (claimed.status_code, claimed.json()["execution"]) == (200, None)
    assert code(await decided(ben, id)) == "claimed"
    assert (await decided(ann, id)).status_code == 200
    both = await asked(acme.admin, rule={"type": "multiple", "count": 2})
    assert (await decided(ann, both)).json()["approval"]["status"] == "pending"
    assert (await ann.client.post(f"/approvals/{both}/revoke")).status_code == 200
    assert (await found(acme.admin, both))["received_approvals"] == 0


async def test_a_decision_is_made_whatever_becomes_of_the_draft(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    member = await acme.member("approver")

    async def fails(*_given: Any) -> None:
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(drafts, "drop", fails)
    answer = await decided(member, await asked(acme.admin))
    assert (answer.status_code, answer.json()["approval"]["status"]) == (200, "resolved"), answer.text
