"""The inbox: what waits for somebody to decide, and nothing else; found by its urgency without reading what others have."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from starlette.datastructures import QueryParams

from api.queries.inbox import inbox
from api.reads import PLANNED_EACH_TIME, SET_TENANT
from tests.api.behind import ok, two_processes
from tests.api.conftest import Client, Gesta
from tests.api.test_approval_rules import asking, opened, said
from tests.api.test_approval_steps import stepped
from tests.api.test_plans import last_page, objections
from tests.conftest import Database

BIG = UUID(int=0x7E57_0000_0000_0000_0000_0000_0000_0001)
NOW = datetime(2026, 2, 1, tzinfo=UTC)


async def named(client: Client) -> set[str]:
    """What waits, by its workflow and its step."""
    return {item["step_name"] or item["workflow_key"] for item in (await ok(client.get("/inbox")))["items"]}


async def waiting(client: Client, **asked: Any) -> list[tuple[str, str | None]]:
    """Request and step."""
    return [(item["id"], item["step_name"]) for item in (await ok(client.get("/inbox", **asked)))["items"]]


async def may_choose(client: Client, request_id: str) -> bool:
    """Whether a decision would be let through: it is refused for what it lacks, or for who asks."""
    for outcome in ("approved", "rejected", "withdrawn"):
        refused = await said(client, request_id, outcome, reason="no such reason")
        if refused.json()["code"] == "invalid_decision":
            return True
        assert refused.json()["code"] in ("not_eligible", "excluded", "already_decided", "kept_apart", "unknown_outcome"), (
            refused.text
        )
    return False


PEOPLE_ASKED: tuple[dict[str, Any], ...] = (
    {"by": {"roles": ["approver"]}, "exclude": ["requester"]},
    {"by": {"users": ["=input.ann"]}},
    {"title": "Whoever it is"},
    {"by": {"roles": ["board"], "users": ["=input.ann"]}, "rule": {"type": "multiple", "count": 2, "members": "at_start"}},
    {
        "by": {"roles": ["approver"]},
        "rule": {"type": "multiple", "count": 2},
        "outcomes": [
            {"name": "approved", "kind": "approve", "exclude": ["=input.ann"]},
            {"name": "rejected", "kind": "reject", "by": {"roles": ["board"]}, "exclude": ["requester"]},
            {"name": "withdrawn", "kind": "withdraw", "by": {"users": ["=input.ben"]}},
        ],
    },
)
STEPS: tuple[dict[str, Any], ...] = (
    {"name": "one", "by": {"roles": ["approver"]}, "rule": {"type": "multiple", "count": 2}},
    {"name": "other", "by": {"roles": ["board", "approver"]}, "parallel_with": "one", "distinct": ["one"]},
    {"name": "last", "by": {"users": ["=input.ann"]}},
)


async def test_the_inbox_has_what_a_decision_would_be_let_through_for_and_nothing_else(gesta: Gesta) -> None:
    """Whoever asks, and whatever others have decided; at two processes."""
    async with two_processes(gesta) as two:
        board = {"key": "board", "name": "Board", "permissions": ["approvals:decide", "approvals:read", "executions:start"]}
        role_id = (await ok(two.ahead.admin.post("/roles", board)))["id"]
        ann, ben, cat = two.person, await two.behind.member("approver", "operator"), await two.behind.member("approver")
        await ok(two.ahead.admin.call("PATCH", f"/members/{cat.user_id}", {"role_ids": [role_id]}))
        for number, config in enumerate(PEOPLE_ASKED):
            definition = asking(**{"rule": {"type": "single"}, "key": f"w{number}", **config})
            if "by" not in config:
                del next(node["config"] for node in definition["nodes"] if node["id"] == "ask")["by"]
            await two.ahead.publish(definition)
        await two.ahead.publish(stepped(*STEPS, key="steps"))
        for key in (*(f"w{number}" for number in range(len(PEOPLE_ASKED))), "steps"):
            await ok(ben.client.post("/executions", {"workflow_key": key, "input": {"ann": ann.user_id, "ben": ben.user_id}}))

        async def holds() -> dict[str, set[str]]:
            requests = (await ok(two.behind.admin.get("/approvals", status="pending")))["items"]
            found = {}
            for name, member in (("ann", ann), ("ben", ben), ("cat", cat)):
                here, there = two.at(two.behind, member.client), two.at(two.ahead, member.client)
                inbox = await waiting(here)
                assert {id for id, _ in inbox} == {one["id"] for one in requests if await may_choose(there, one["id"])}, name
                found[name] = await named(here)
            return found

        assert await holds() == {
            "ann": {"w0", "w1", "w2", "w3", "one", "other"},
            "ben": {"w2", "w4", "one", "other"},
            "cat": {"w2", "w3", "w4", "other"},
        }
        (steps,) = [id for id, name in await waiting(cat.client) if name == "other"]
        await ok(said(two.at(two.ahead, ann.client), steps, "approved", step="one"))
        assert (steps, "one") not in await waiting(ann.client)  # decided there; and so kept apart from the other
        assert (await holds())["ann"] == {"w0", "w1", "w2", "w3"}
        assert {name for id, name in await waiting(ben.client) if id == steps} == {"one", "other"}
        await ok(said(two.at(two.ahead, ben.client), steps, "approved", step="one"))
        await ok(said(two.at(two.ahead, cat.client), steps, "approved"))
        assert (steps, "last") in await waiting(ann.client)
        assert await holds() == {
            "ann": {"w0", "w1", "w2", "w3", "last"},
            "ben": {"w2", "w4"},
            "cat": {"w2", "w3", "w4"},
        }
        back = await two.at(two.ahead, ann.client).post(f"/approvals/{steps}/return", {"step": "one", "comment": "Again."})
        assert back.status_code == 200, back.text
        assert {name for id, name in await waiting(ann.client) if id == steps} == {"one"}
        await holds()


async def test_the_inbox_is_filtered_sorted_and_counted(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    for key, days in (("soon", "P1D"), ("late", "P9D"), ("whenever", None)):
        await acme.publish(asking({"type": "single"}, key, title=f"Pay {key}?", **({"due_in": days} if days else {})))
    made = {}
    for key, priority in (("late", 5), ("whenever", 9), ("soon", 0)):
        begun = await ok(acme.admin.post("/executions", {"workflow_key": key, "priority": priority}))
        made[begun["open"][0]["id"]] = key

    async def keys(**asked: Any) -> list[str]:
        return [made[id] for id, _ in await waiting(ann.client, **asked)]

    assert await keys() == ["soon", "late", "whenever"]
    assert await keys(order="-due_at") == ["whenever", "late", "soon"]
    assert await keys(order="-priority") == ["whenever", "late", "soon"]
    assert await keys(order="created_at") == ["late", "whenever", "soon"]
    assert await keys(workflow_key="late") == await keys(priority="5") == ["late"]
    assert await keys(title="PAY WHEN") == ["whenever"]
    assert await keys(overdue="true") == []
    (first,) = (await ok(ann.client.get("/inbox", workflow_key="soon")))["items"]
    assert (first["workflow_key"], first["overdue"], first["step"], first["step_name"]) == ("soon", False, 1, None)
    assert await keys(due_before="9000-01-01T00:00:00Z") == ["soon", "late"]
    assert await keys(due_before=first["due_at"]) == []
    for order in ("due_at", "-due_at", "priority", "-priority", "created_at", "-created_at"):
        pages, cursor = [], None
        while True:
            page = await ok(ann.client.get("/inbox", limit=1, order=order, **({"cursor": cursor} if cursor else {})))
            pages += [made[item["id"]] for item in page["items"]]
            if (cursor := page["next_cursor"]) is None:
                break
        assert pages == await keys(order=order), order
    ben, (claimed, _) = await acme.member("approver"), (await waiting(ann.client))[0]
    await ok(ann.client.post(f"/approvals/{claimed}/claim"))
    assert (await keys(claimed_by="me"), await keys(claimed_by="nobody")) == (["soon"], ["late", "whenever"])
    assert [made[id] for id, _ in await waiting(ben.client)] == ["late", "whenever"]
    counts = await ok(ann.client.get("/inbox/counts"))
    assert counts == {
        "total": 3,
        "overdue": 0,
        "by_priority": {"0": 1, "5": 1, "9": 1},
        "by_workflow": {"soon": 1, "late": 1, "whenever": 1},
        "more": False,
    }


async def test_who_acts_for_a_user_sees_their_inbox(gesta: Gesta) -> None:
    """But not what the service's owner is excluded from, as is refused them."""
    acme = await gesta.tenant()
    ann = await acme.member("approver")
    await acme.publish(asking({"type": "single"}, exclude=["requester"]))
    request_id = await opened(acme)
    service = await acme.service("users:act_as", "approvals:decide", "approvals:read")
    acting = service.with_headers(Gesta_On_Behalf_Of=ann.user_id)
    assert [id for id, _ in await waiting(acting)] == [request_id]
    nobody = await service.get("/inbox")
    assert (nobody.status_code, nobody.json()["code"]) == (403, "nobody_decides")


FILL = """
SET session_replication_role = replica;
INSERT INTO projections.approval_requests (tenant_id, id, execution_id, activation_id, node_id, title, priority, status,
       approval_type, required_approvals, received_approvals, received_rejections, request_data, escalation_level, assigned_to,
       due_at, workflow_key, version, created_at, updated_at)
SELECT '7e570000-0000-0000-0000-000000000001', (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000001')::uuid,
       gen_random_uuid(), gen_random_uuid(), 'ask', 'T' || n, n % 5, 'pending', 'single', 1, 0, 0, '{}', 0, '{}',
       CASE WHEN n % 3 > 0 THEN moment + n * 31 % 1000 * interval '1 hour' END, 'flow-' || n % 4, 1, moment, moment
  FROM generate_series(1, 20000) n CROSS JOIN LATERAL (SELECT timestamptz '2026-01-01' + n * interval '7 seconds') t (moment);
INSERT INTO projections.approval_assignees
       (tenant_id, request_id, kind, value, status, due_by, rank, version, created_at, updated_at)
SELECT r.tenant_id, r.id, kind, value, 'pending', coalesce(r.due_at, '9999-12-31 00:00:00Z'), -r.priority, 1,
       r.created_at, r.created_at
  FROM projections.approval_requests r
 CROSS JOIN LATERAL (
       VALUES ('role', 'approver'), ('role', 'clerk'), ('user', '00000000-0000-0000-0000-00000000000a')) a (kind, value)
 WHERE a.value = 'approver' AND r.priority <> 2 OR a.value = 'clerk' AND r.priority = 1
    OR a.kind = 'user' AND r.priority IN (2, 3);
INSERT INTO projections.approval_decisions
       (tenant_id, id, request_id, step, user_id, outcome, kind, decided_at, version, created_at, updated_at)
SELECT r.tenant_id, gen_random_uuid(), r.id, 1, gen_random_uuid(), 'approved', 'approve', r.created_at, 2,
       r.created_at, r.created_at
  FROM projections.approval_requests r CROSS JOIN generate_series(1, 3);
"""
NAMES = {
    "a user": ["user"],
    "an approver": ["user", "anyone", "role approver"],
    "one of many roles": ["user", "anyone", *(f"role r{number}" for number in range(20)), "role approver", "role clerk"],
}


@pytest.fixture
def filled(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute(FILL)
        conn.execute(
            "VACUUM ANALYZE projections.approval_assignees, projections.approval_requests, projections.approval_decisions"
        )
    with psycopg.connect(database.api_url) as conn:
        yield conn


@pytest.mark.parametrize("names", NAMES.values(), ids=[*NAMES])
def test_a_page_reads_three_times_its_rows_at_most(filled: psycopg.Connection[Any], names: list[str]) -> None:
    """Of somebody for whom everything waits that is open in the tenant, by all of their names; from either end."""
    me = UUID(int=10)
    kinds, values = zip(
        *(name.split(" ") if " " in name else (name, str(me) if name == "user" else "") for name in names), strict=True
    )
    fixed = {"me": me, "my_kinds": [*kinds], "my_values": [*values], "my_ids": [str(me)], "now": NOW}
    listing = inbox(len(names))
    with filled.transaction():
        filled.execute(SET_TENANT, {"tenant_id": str(BIG), "plans": PLANNED_EACH_TIME})
        for order in listing.orders:
            first = listing.parse(QueryParams({"order": order}), BIG, fixed)
            for page in (first, last_page(filled, first)):
                told = [*objections(filled, page.question())]
                assert not told, (order, page.last, told)
