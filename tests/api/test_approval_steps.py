"""Requests in steps over HTTP, at two processes: who is asked when, in lists, in tables and in the audit log."""

from typing import Any

from psycopg import AsyncConnection

from projections.verify import verify
from tests.api.behind import ok, two_processes
from tests.api.conftest import Gesta, Tenant
from tests.api.test_approval_rules import mine, opened, said, shown
from tests.api.test_foreach import asked, started, working
from tests.engine.drawing import drawing
from tests.engine.items import body, each, one_foreach


def stepped(*steps: dict[str, Any], key: str = "several", **config: Any) -> dict[str, Any]:
    node = {"title": "Pay?", "steps": list(steps), **config}
    edges = ("start > ask", "ask.approved > end", "ask.rejected > end")
    return {**drawing({"start": "start", "ask": ("approval", node), "end": "end"}, *edges), "key": key, "name": key}


async def told(tenant: Tenant, request_id: str) -> list[tuple[str, str, int]]:
    """Of its steps."""
    return [(step["name"], step["status"], step["received_approvals"]) for step in (await shown(tenant, request_id))["steps"]]


async def holds(gesta: Gesta, tenant: Tenant) -> None:
    """What the tables say is what the events come to, and no rule was broken."""
    await gesta.projector.catch_up()
    async with await AsyncConnection.connect(gesta.database.system_url, autocommit=True) as conn:
        verdict = await verify(conn, tenant.id)
    assert verdict.holds, verdict.broken


async def test_a_request_goes_through_its_steps_at_two_processes(gesta: Gesta) -> None:
    async with two_processes(gesta) as two:
        cat, role_of_board = await two.behind.member(), {"permissions": ["approvals:decide", "approvals:read"]}
        board = (await ok(two.ahead.admin.post("/roles", {"key": "board", "name": "Board", **role_of_board})))["id"]
        await ok(two.ahead.admin.call("PATCH", f"/members/{cat.user_id}", {"role_ids": [board]}))
        dan = await two.behind.member("approver")
        first = {"name": "first", "by": {"roles": ["approver"]}, "rule": {"type": "multiple", "count": 2, "members": "at_start"}}
        last = {"name": "last", "by": {"roles": ["board"]}, "due_in": "P1D", "ad_hoc": True, "distinct": True}
        await two.ahead.publish(stepped(first, {"name": "dear", "skip_when": "true", "by": {"roles": ["nobody"]}}, last))
        request_id = await opened(two.ahead)

        ann = two.person
        assert (await mine(ann.client), await mine(cat.client)) == ([request_id], [])
        await ok(said(two.at(two.behind, ann.client), request_id, "approved"))
        await ok(said(two.at(two.ahead, dan.client), request_id, "approved"))
        assert await told(two.ahead, request_id) == [("first", "completed", 2), ("dear", "skipped", 0), ("last", "open", 0)]
        assert (await mine(ann.client), await mine(cat.client)) == ([], [request_id])
        row = await shown(two.ahead, request_id)
        assert (row["approval_type"], row["required_approvals"], row["received_approvals"]) == ("steps", 3, 2)
        assert {(each["name"], each["step"]) for each in row["request_data"]["outcomes"]} == {
            ("approved", "last"),
            ("rejected", "last"),
        }
        assert (row["assigned_to"], row["due_at"] is not None) == ({"users": [], "roles": ["board"]}, True)
        by_role = (await ok(two.ahead.admin.get("/approvals", role="approver")))["items"]
        assert [each["id"] for each in by_role] == [request_id]

        back = {"step": "first", "comment": "Look again."}
        refused = await two.at(two.behind, ann.client).post(f"/approvals/{request_id}/return", back)
        assert (refused.status_code, refused.json()["code"]) == (403, "kept_apart")
        await ok(two.at(two.behind, cat.client).post(f"/approvals/{request_id}/return", back))
        assert await told(two.ahead, request_id) == [("first", "open", 0), ("dear", "waiting", 0), ("last", "waiting", 0)]
        row = await shown(two.ahead, request_id)
        assert (row["received_approvals"], [each["returned_at"] is None for each in row["decisions"]]) == (0, [False, False])
        for who in (ann, dan):
            await ok(said(two.at(two.ahead, who.client), request_id, "approved"))

        added = {"user_id": dan.user_id, "comment": "He knows."}
        twice = await two.at(two.behind, cat.client).post(f"/approvals/{request_id}/add-approver", added)
        assert (twice.status_code, twice.json()["code"]) == (403, "not_eligible"), twice.text  # he decided in the first step
        eve = await two.behind.member("approver")
        await ok(two.at(two.behind, cat.client).post(f"/approvals/{request_id}/add-approver", {**added, "user_id": eve.user_id}))
        assert await mine(eve.client) == [request_id]
        waits = (await ok(two.ahead.admin.get(f"/executions/{row['execution_id']}/waits")))["items"]
        (wait,) = (each for each in waits if each["kind"] == "approval")
        assert wait["by"]["users"] == [eve.user_id]
        done = await ok(said(two.at(two.ahead, eve.client), request_id, "approved"))
        assert (done["approval"]["outcome"], done["execution"]["status"]) == ("approved", "completed")
        actions = [each["action"] for each in await audit(two.ahead, request_id)]
        assert actions.count("approval.step_started") == 4
        assert {"approval.returned", "approval.approver_added", "approval.step_skipped", "approval.step_completed"} <= {*actions}
        await holds(gesta, two.ahead)


async def audit(tenant: Tenant, request_id: str) -> list[dict[str, Any]]:
    return list((await ok(tenant.admin.get("/audit-logs", resource="approval", resource_id=request_id, limit=200)))["items"])


async def test_requests_of_items_do_not_mix_up(gesta: Gesta) -> None:
    """Each item of a foreach asks in steps of its own; they are decided crosswise."""
    acme = await gesta.tenant()
    steps = [{"name": name, "by": {"roles": ["approver"]}, "distinct": True} for name in ("one", "two")]
    asking = one_foreach(each(body({"ask": ("approval", {"title": "=item", "steps": steps})}), max_concurrency=3))
    await acme.publish({**asking, "key": "asking"})
    ann, ben = await acme.member("approver"), await acme.member("approver")
    async with working(gesta):
        execution = await started(acme, "asking", ["A", "B", "C"])
        a, b, c = [request["id"] for request in await asked(acme, 3)]
        for who, request_id in ((ann, a), (ben, b), (ben, c), (ben, a)):
            await ok(said(who.client, request_id, "approved"))
        twice = await said(ben.client, c, "approved")
        assert (twice.status_code, twice.json()["code"]) == (403, "kept_apart")
        await ok(ann.client.post(f"/approvals/{b}/return", {"step": "one", "comment": "Again."}))
        for who, request_id in ((ann, b), (ben, b), (ann, c)):
            await ok(said(who.client, request_id, "approved"))
    ended = (await ok(acme.admin.get(f"/executions/{execution}")))["output"]["results"]
    told = [[result["steps"][name]["user_id"] for name in ("one", "two")] for result in ended]
    assert told == [[ann.user_id, ben.user_id], [ann.user_id, ben.user_id], [ben.user_id, ann.user_id]]
    await holds(gesta, acme)
