"""Rules of several people over HTTP: two processes, and members of a moment ago."""

from typing import Any

import httpx2

from tests.api.behind import ok, two_processes
from tests.api.conftest import Client, Gesta, Tenant
from tests.engine.drawing import drawing

OUTCOMES: list[dict[str, Any]] = [
    {"name": "approved", "kind": "approve"},
    {"name": "rejected", "kind": "reject", "comment": "required", "reasons": ["price", "date"]},
    {"name": "withdrawn", "kind": "withdraw"},
]


def asking(rule: dict[str, Any], key: str = "several", **config: Any) -> dict[str, Any]:
    """A workflow that asks the approvers."""
    node = {"title": "Pay?", "by": {"roles": ["approver"]}, "rule": rule, "outcomes": OUTCOMES, **config}
    edges = ("start > ask", *(f"ask.{outcome['name']} > end" for outcome in OUTCOMES))
    return {**drawing({"start": "start", "ask": ("approval", node), "end": "end"}, *edges), "key": key, "name": key}


async def opened(process: Tenant, key: str = "several") -> str:
    """The id of the request that an execution opens."""
    return str((await ok(process.admin.post("/executions", {"workflow_key": key})))["open"][0]["id"])


async def said(client: Client, request_id: str, outcome: str, **more: Any) -> httpx2.Response:
    return await client.post(f"/approvals/{request_id}/decide", {"outcome": outcome, **more})


async def shown(process: Tenant, request_id: str) -> dict[str, Any]:
    return dict(await ok(process.admin.get(f"/approvals/{request_id}")))


async def mine(client: Client) -> list[str]:
    return [row["id"] for row in (await ok(client.get("/approvals", mine="true")))["items"]]


async def test_two_of_three_who_were_members_a_moment_ago_decide_at_two_processes(gesta: Gesta) -> None:
    async with two_processes(gesta) as two:
        await two.ahead.publish(asking({"type": "multiple", "count": 2, "members": "at_start"}))
        ben, cat = await two.ahead.member("approver"), await two.behind.member("approver")
        request_id = await opened(two.ahead)
        late = await two.behind.member("approver")
        assert (await mine(cat.client), await mine(late.client)) == ([request_id], [])
        for role in ({}, {"role": "approver"}):
            refused = await said(late.client, request_id, "approved", **role)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_eligible")
        first = await ok(said(two.at(two.ahead, ben.client), request_id, "approved"))
        assert (first["approval"]["status"], first["execution"]["status"]) == ("pending", "running")
        again = await said(two.at(two.behind, ben.client), request_id, "approved")
        assert (again.status_code, again.json()["code"]) == (409, "already_decided")
        faults = (await said(two.at(two.behind, cat.client), request_id, "rejected", reason="weather")).json()
        assert {(fault["path"], fault["code"]) for fault in faults["errors"]} == {
            ("/comment", "required"),
            ("/reason", "unknown_reason"),
        }
        await ok(said(two.at(two.behind, cat.client), request_id, "rejected", reason="price", comment="Too dear."))
        row = await shown(two.ahead, request_id)
        assert (row["status"], row["approval_type"], row["required_approvals"]) == ("pending", "multiple", 2)
        assert (row["received_approvals"], row["received_rejections"]) == (1, 1)
        last = await ok(said(two.at(two.ahead, two.person.client), request_id, "approved"))
        assert (last["approval"]["outcome"], last["execution"]["status"]) == ("approved", "completed")
        row = await shown(two.behind, request_id)
        assert (row["status"], row["decided_by"], row["received_approvals"]) == ("resolved", two.person.user_id, 2)
        assert [(each["outcome"], each["reason"]) for each in row["decisions"]] == [
            ("approved", None),
            ("rejected", "price"),
            ("approved", None),
        ]


async def test_who_was_asked_may_decide_without_the_role_and_not_without_being_a_member(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(asking({"type": "unanimous"}))
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    request_id = await opened(acme)
    deciding = (await ok(acme.admin.post("/roles", {"key": "decider", "name": "D", "permissions": ["approvals:decide"]})))["id"]
    await ok(acme.admin.call("PATCH", f"/members/{ann.user_id}", {"role_ids": [deciding]}))
    await ok(acme.admin.call("DELETE", f"/members/{ben.user_id}"))
    assert (await said(ben.client, request_id, "approved")).status_code in (401, 403)
    assert (await ok(said(ann.client, request_id, "approved")))["approval"]["status"] == "pending"


async def test_a_request_for_which_too_few_are_members_is_the_nodes_error(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(asking({"type": "multiple", "count": 2, "members": "at_start"}))
    await acme.member("approver")
    started = await ok(acme.admin.post("/executions", {"workflow_key": "several"}))
    assert started["status"] == "failed"
