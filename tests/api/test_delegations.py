"""Delegations over HTTP: who gives them, who takes them back, and who decides by them."""

from typing import Any

import httpx2

from tests.api.behind import ok
from tests.api.conftest import Gesta, Member

FUTURE = "2999-01-01T00:00:00Z"


async def given(member: Member, to: Member, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = await ok(member.client.post("/delegations", {"to_user_id": to.user_id, **more}))
    return made


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_one_delegates_for_oneself_and_takes_it_back_or_has_it_given_back(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, bob, eve = [await acme.member("approver") for _ in range(3)]
    limits = {"workflows": ["travel"], "condition": "request.context.amount <= 100", "ends_at": FUTURE, "reason": "On leave"}
    answer = await ann.client.post("/delegations", {"to_user_id": bob.user_id, "kind": "absence", **limits})
    assert answer.status_code == 201, answer.text
    path = f"/delegations/{answer.json()['id']}"
    assert answer.headers["Location"] == f"/v1{path}"
    read = (await eve.client.get(path)).json()
    assert {name: read[name] for name in limits} == limits
    assert (read["from_user_id"], read["to_user_id"], read["kind"], read["status"], read["given_by"]) == (
        ann.user_id,
        bob.user_id,
        "absence",
        "given",
        ann.user_id,
    )
    for filters in ({"from_user_id": ann.user_id}, {"to_user_id": bob.user_id}):
        assert [row["id"] for row in (await eve.client.get("/delegations", **filters)).json()["items"]] == [read["id"]]
    assert (await eve.client.get("/delegations", to_user_id=ann.user_id)).json()["items"] == []
    assert code(await eve.client.call("DELETE", path)) == (403, "permission_denied")
    back = await ok(bob.client.call("DELETE", path, {"reason": "No time"}))
    assert back["status"] == "returned"
    assert (await bob.client.call("DELETE", path)).status_code == 404
    again = await given(ann, bob)
    taken = await ok(ann.client.call("DELETE", f"/delegations/{again['id']}"))
    assert taken["status"] == "withdrawn"
    rows = (await eve.client.get("/delegations", order="created_at")).json()["items"]
    assert [(row["status"], row["ended_by"]) for row in rows] == [("returned", bob.user_id), ("withdrawn", ann.user_id)]


async def test_those_of_others_are_for_who_manages_approvals(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    ann, bob, boss = await acme.member("approver"), await acme.member("approver"), await acme.member("operator")
    viewer, stranger = await acme.member("viewer"), await other.member("approver")
    pair = {"from_user_id": ann.user_id, "to_user_id": bob.user_id}
    assert code(await bob.client.post("/delegations", pair)) == (403, "permission_denied")
    assert code(await viewer.client.post("/delegations", {"to_user_id": bob.user_id})) == (403, "permission_denied")
    made = await ok(boss.client.post("/delegations", pair))
    assert (await ok(boss.client.call("DELETE", f"/delegations/{made['id']}")))["status"] == "withdrawn"
    narrow = await acme.member("approver", permissions=["approvals:read"])
    assert (await narrow.client.post("/delegations", {"to_user_id": bob.user_id})).status_code == 403
    acting = (await acme.service("users:act_as", "approvals:decide")).with_headers(Gesta_On_Behalf_Of=ann.user_id)
    assert (await acting.post("/delegations", {"to_user_id": bob.user_id})).status_code == 403, "nobody hands on by acting as"
    assert code(await acme.admin.post("/delegations", {"to_user_id": bob.user_id})) == (422, "required")
    for wrong, path in (
        ({"to_user_id": ann.user_id}, "/to_user_id"),
        ({"to_user_id": stranger.user_id}, "/to_user_id"),
        ({"to_user_id": bob.user_id, "ends_at": "2020-01-01T00:00:00Z"}, "/ends_at"),
        ({"to_user_id": bob.user_id, "condition": "request.amount > 1"}, "/condition"),
        ({"to_user_id": bob.user_id, "condition": "request.priority"}, "/condition"),
        ({"to_user_id": bob.user_id, "condition": "1 +"}, "/condition"),
        ({"to_user_id": bob.user_id, "kind": "gift"}, "/kind"),
    ):
        refused = await ann.client.post("/delegations", wrong)
        assert refused.status_code == 422, refused.text
        assert path in {error["path"] for error in refused.json()["errors"]}, refused.text
    theirs = await given(ann, bob)
    assert (await other.admin.get(f"/delegations/{theirs['id']}")).status_code == 404
    assert (await other.admin.call("DELETE", f"/delegations/{theirs['id']}")).status_code == 404
