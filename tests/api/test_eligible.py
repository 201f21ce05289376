"""Who may decide, now and at an earlier time, told from the ledger; and who would be asked, before and afterwards."""

from typing import Any

import pytest

from store import past
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.test_own_approvals import asked

YES = {"outcome": "approved"}


async def told(client: Client, id: str, **params: Any) -> dict[str, Any]:
    """Each member by id, over pages of two."""
    found: dict[str, Any] = {}
    while True:
        answer = await client.get(f"/approvals/{id}/eligible", limit=2, **params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found |= {one["user_id"]: one for one in page["items"]}
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


def why_not(found: dict[str, Any], who: Member) -> str:
    return str(found[who.user_id]["why_not"]["code"])


def through(found: dict[str, Any], who: Member) -> list[tuple[str, str | None]]:
    return sorted({(way["through"], way["on_behalf_of"]) for way in found[who.user_id]["ways"]})


async def head(acme: Tenant) -> int:
    """How far the ledger reaches."""
    return int((await acme.admin.get("/audit-logs", limit=1)).json()["items"][0]["position"])


async def test_who_might_have_decided_is_told_as_it_was_whatever_has_changed_since(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben, cat, dan, eva = [await acme.member("approver") for _ in range(5)]
    boss, viewer = await acme.member("owner", "approver"), await acme.member("viewer")
    await acme.admin.call("PATCH", f"/members/{viewer.user_id}", {"manager_id": eva.user_id})
    by = {"users": [ann.user_id], "manager_of": [viewer.user_id]}
    id = await asked(acme.admin, by=by, exclude=[cat.user_id], ad_hoc=True)
    before = await head(acme)
    now = await told(acme.admin, id)
    assert (through(now, ann), through(now, eva)) == ([("user", None)], [("manager_of", None)])
    codes = {"not_eligible": ben, "excluded": cat, "permission_denied": viewer}
    assert {code: why_not(now, who) for code, who in codes.items()} == {code: code for code in codes}
    assert [one["may_override"] for one in (now[boss.user_id], now[ann.user_id])] == [True, False]

    added = await ann.client.post(f"/approvals/{id}/add-approver", {"user_id": dan.user_id})
    assert added.status_code == 200, added.text
    await ann.client.post("/delegations", {"to_user_id": ben.user_id})
    await acme.admin.post(f"/members/{eva.user_id}/suspend")
    then = (await acme.admin.get("/audit-logs", limit=1)).json()["items"][0]["recorded_at"]
    changed = await told(acme.admin, id)
    assert (through(changed, dan), through(changed, ben)) == ([("ad_hoc", None)], [("user", ann.user_id)])
    assert why_not(changed, eva) == "member_suspended"
    assert (await eva.client.post(f"/approvals/{id}/decide", YES)).json()["code"] == "member_suspended"

    # People who change: whoever is gone, or has lost the right, decides nothing, nor does anybody for them.
    await acme.admin.call("DELETE", f"/members/{ann.user_id}")
    await acme.admin.call("PATCH", f"/members/{dan.user_id}", {"role_ids": [await acme.role_id("viewer")]})
    gone = await told(acme.admin, id)
    assert (why_not(gone, ann), why_not(gone, dan)) == ("removed", "permission_denied")
    assert [one for one in gone.values() if one["may"]] == []
    refused = await ben.client.post(f"/approvals/{id}/decide", {**YES, "on_behalf_of": ann.user_id})
    assert (refused.status_code, refused.json()["code"]) == (403, "no_delegation")
    await acme.admin.call("PATCH", f"/members/{dan.user_id}", {"role_ids": [await acme.role_id("approver")]})
    assert (await dan.client.post(f"/approvals/{id}/decide", YES)).status_code == 200

    # And as it was.
    assert await told(acme.admin, id, as_of=before) == now
    was = await told(acme.admin, id, as_of=then)
    assert {one: (each["ways"], each["why_not"]) for one, each in was.items()} == {
        one: (each["ways"], each["why_not"]) for one, each in changed.items()
    }
    only = await told(acme.admin, id, as_of=then, may="true")
    assert sorted(only) == sorted([ann.user_id, ben.user_id, dan.user_id])
    over = (await acme.admin.get(f"/approvals/{id}/eligible")).json()
    assert (over["status"], over["closed_by"]["code"]) == ("resolved", "approval_closed")
    await what_cannot_be_told(acme, id)


async def what_cannot_be_told(acme: Tenant, id: str) -> None:
    for as_of, code in (("1", "before_request"), ("2999-01-01T00:00:00Z", "future"), ("soon", "value"), ("999999", "range")):
        answer = await acme.admin.get(f"/approvals/{id}/eligible", as_of=as_of)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    other = await asked(acme.admin)
    foreign = (await acme.admin.get(f"/approvals/{id}/eligible", limit=1)).json()["next_cursor"]
    assert (await acme.admin.get(f"/approvals/{other}/eligible", cursor=foreign)).status_code == 422


CONFIG: dict[str, Any] = {
    "title": "Pay",
    "exclude": ["requester"],
    "steps": [
        {"name": "manager", "by": {"manager_of": "requester"}, "fallback": {"roles": ["owner"]}},
        {"name": "board", "by": {"roles": ["admin"]}, "skip_when": "input.amount < 1000"},
    ],
}


def purchase() -> dict[str, Any]:
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "pay", "type": "approval", "config": CONFIG},
        {"id": "end", "type": "end"},
    ]
    edges: list[dict[str, Any]] = [{"source": "start", "target": "pay"}]
    edges += [{"source": "pay", "source_handle": handle, "target": "end"} for handle in ("approved", "rejected")]
    schema = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
    return {
        "key": "pay",
        "name": "Pay",
        "triggers": [{"type": "manual"}],
        "input_schema": schema,
        "nodes": nodes,
        "edges": edges,
    }


async def test_who_would_be_asked_is_told_before_and_tried_on_the_past(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    boss, clerk = await acme.member("owner", "approver"), await acme.member("operator", "approver")
    board = await acme.member("admin", "approver")
    await acme.publish(purchase())
    before = await gesta.events()
    body = {"workflow_key": "pay", "node_id": "pay", "input": {"amount": 5000}, "requester": clerk.user_id}
    found = (await boss.client.post("/approvals/preview", body)).json()
    assert [(step["name"], step["status"]) for step in found["steps"]] == [("manager", "asked"), ("board", "later")]
    assert found["steps"][0]["outcomes"][0]["fallback"] is True
    assert [one["user_id"] for step in found["steps"] for one in step["people"]] == [boss.user_id, board.user_id]
    own = {"request": {"title": "A press?", "by": {"users": [board.user_id]}, "exclude": ["requester"]}}
    (step,) = (await clerk.client.post("/approvals/preview", own)).json()["steps"]
    assert (step["people"][0]["through"], step["answerable"]) == (["user"], True)
    for wrong, path in (
        ({**body, "input": {}}, "/input/amount"),
        ({**body, "node_id": "end"}, "/node_id"),
        ({"request": {"title": "x", "by": {"roles": ["nobody"]}}}, "/request/by/roles/0"),
    ):
        refused = await boss.client.post("/approvals/preview", wrong)
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["path"] == path, refused.text
    for both in ({**body, **own}, {}, {"workflow_key": "pay"}):
        assert (await boss.client.post("/approvals/preview", both)).status_code == 422
    assert await gesta.events() == before, "it asks nobody, and is nowhere on record"
    await on_the_past(acme, boss, clerk, board)


async def on_the_past(acme: Tenant, boss: Member, clerk: Member, board: Member) -> None:
    """As it was then: whoever came, went or has other roles since makes no difference."""
    started = await clerk.client.post("/executions", {"workflow_key": "pay", "input": {"amount": 10}})
    request_id = started.json()["open"][0]["id"]
    own = await asked(clerk.client, by={"users": [board.user_id]})
    late = await acme.member("owner", "approver")
    await acme.admin.call("PATCH", f"/members/{clerk.user_id}", {"manager_id": board.user_id})
    rule = {**CONFIG, "steps": [{**CONFIG["steps"][0], "fallback": {"roles": ["admin", "owner"]}}, CONFIG["steps"][1]]}
    answer = await boss.client.post("/approvals/preview-past", {"definition": rule, "filter": {"workflow_key": "pay"}})
    (item,) = answer.json()["items"]
    assert (item["id"], item["added"], item["dropped"], item["same"]) == (request_id, [board.user_id], [], False)
    assert late.user_id not in str(item)
    assert [step["skipped"] for step in item["then"]["steps"]] == [False, True]
    body = {"definition": {"title": "x", "by": {"roles": ["owner"]}}, "ids": [own, request_id, acme_like(own)]}
    first, second, absent = (await boss.client.post("/approvals/preview-past", body)).json()["items"]
    assert (first["added"], first["dropped"]) == ([boss.user_id], [board.user_id])
    assert (second["added"], second["dropped"]) == ([], [])
    assert absent["problem"]["code"] == "not_found"
    execution = started.json()["id"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "MOST_EVENTS", 3)
        answer = await boss.client.post("/approvals/preview-past", {**body, "ids": [execution, own]})
        long, short = answer.json()["items"]
        assert (long["problem"]["code"], short["added"]) == ("too_long", [boss.user_id]), (
            "one that is too long is one item's affair"
        )
        patch.setattr(past, "MOST_EVENTS", 0)
        refused = await boss.client.post("/approvals/preview-past", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "too_long")
    wrong = await boss.client.post(
        "/approvals/preview-past", {"definition": {"title": "x", "rule": {"type": "most"}}, "ids": [own]}
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/definition/rule/type")


def acme_like(id: str) -> str:
    """The id of nothing."""
    return id[:-4] + ("0000" if id[-4:] != "0000" else "1111")
