"""Delegations over HTTP: who gives them, who takes them back, and who decides by them."""

from collections.abc import Awaitable
from typing import Any

import httpx2

from tests.api.behind import ok
from tests.api.conftest import Client, Gesta, Member
from tests.api.racing import ROUNDS, at_once, racing

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


# Deciding in somebody's place


def asking(*people: Member, key: str = "ask", rule: Any = None, **by: Any) -> dict[str, Any]:
    config = {
        "title": "Please decide",
        "by": {"users": [one.user_id for one in people], **by} if people else by,
        "exclude": ["requester"],
        "context": {"amount": "=input.amount"},
        "rule": rule or {"type": "single"},
    }
    return {
        "key": key,
        "name": key,
        "triggers": [{"type": "manual"}],
        "nodes": [
            {"id": "start", "type": "start", "config": {}},
            {
                "id": "ask",
                "type": "approval",
                "config": config,
            },
            {"id": "end", "type": "end", "config": {"output": "=nodes.ask.output"}},
        ],
        "edges": [
            {"source": "start", "target": "ask"},
            {"source": "ask", "source_handle": "approved", "target": "end"},
            {"source": "ask", "source_handle": "rejected", "target": "end"},
        ],
    }


async def asked(by: Client, key: str = "ask", amount: int = 50) -> str:
    started = await ok(by.post("/executions", {"workflow_key": key, "input": {"amount": amount}}))
    return str(started["open"][0]["id"])


def decide(
    member: Member, request_id: str, person: Member | None = None, outcome: str = "approved"
) -> Awaitable[httpx2.Response]:
    body = {"outcome": outcome, **({} if person is None else {"on_behalf_of": person.user_id})}
    return member.client.post(f"/approvals/{request_id}/decide", body)


async def test_a_substitute_decides_in_the_place_of_who_is_away_and_the_record_says_so(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, bob = await acme.member("approver"), await acme.member("approver")
    await acme.publish(asking(ann))
    first, second = await asked(acme.admin), await asked(acme.admin)
    assert code(await decide(bob, first, ann)) == (403, "no_delegation")
    made = await given(ann, bob, kind="absence", ends_at=FUTURE, reason="On leave")
    assert code(await decide(bob, first)) == (403, "not_eligible"), "for themselves they may not"
    assert (await ok(decide(bob, first, ann)))["approval"]["status"] == "resolved"
    (decision,) = (await ok(acme.admin.get(f"/approvals/{first}")))["decisions"]
    assert (decision["user_id"], decision["on_behalf_of"]) == (bob.user_id, ann.user_id)
    await ok(bob.client.call("DELETE", f"/delegations/{made['id']}"))
    assert code(await decide(bob, second, ann)) == (403, "no_delegation")
    assert (await ok(decide(ann, second)))["approval"]["status"] == "resolved"


async def test_what_is_delegated_is_what_the_workflows_and_the_condition_say(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, bob = await acme.member("approver"), await acme.member("approver")
    await acme.publish(asking(ann))
    await acme.publish(asking(ann, key="other"))
    await given(ann, bob, workflows=["ask"], condition="request.context.amount <= 100 && request.node_id == 'ask'")
    for key, amount, may in (("ask", 100, True), ("ask", 101, False), ("other", 1, False)):
        answer = await decide(bob, await asked(acme.admin, key, amount), ann)
        assert (answer.status_code == 200) == may, (key, amount, answer.text)
    await given(ann, bob, condition="request.context.nothing > 1 || request.context.amount == 'x'")
    assert code(await decide(bob, await asked(acme.admin, "other"), ann)) == (403, "no_delegation"), "what fails permits nothing"


async def test_a_person_and_who_stands_in_for_them_never_count_as_two(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, bob, cem = [await acme.member("approver") for _ in range(3)]
    await acme.publish(asking(ann, bob, cem, rule={"type": "multiple", "count": 2}))
    await given(ann, bob)
    await given(ann, cem)
    for first, then in (
        ((bob, ann), [(ann, None), (bob, None), (cem, ann)]),
        ((bob, None), [(bob, ann)]),
        ((ann, None), [(bob, ann), (cem, ann)]),
    ):
        request_id = await asked(acme.admin)
        assert (await ok(decide(first[0], request_id, first[1])))["approval"]["status"] == "pending"
        for who, person in then:
            assert code(await decide(who, request_id, person)) == (409, "already_decided")
        assert (await ok(decide(cem, request_id)))["approval"]["status"] == "resolved"


async def test_self_approval_is_refused_by_delegation_too_whichever_way_and_however_long(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    requester, ann, bob, friend = [await acme.member("approver", "operator") for _ in range(4)]
    await acme.publish(asking(requester, ann))
    await given(requester, bob)
    request_id = await asked(requester.client)
    assert code(await decide(requester, request_id)) == (403, "excluded")
    assert code(await decide(bob, request_id, requester)) == (403, "excluded"), "nobody approves in the requester's place"
    taken = await given(ann, requester)
    assert code(await decide(requester, request_id, ann)) == (403, "excluded"), "nor the requester in another's"
    await given(requester, friend)
    assert code(await decide(friend, request_id, ann)) == (403, "no_delegation"), "nor does the requester choose who does"
    await ok(ann.client.call("DELETE", f"/delegations/{taken['id']}"))
    await given(ann, friend)
    assert (await ok(decide(friend, request_id, ann)))["approval"]["status"] == "resolved"


async def test_it_may_be_passed_on_and_ends_with_any_of_them(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, bob, cem = [await acme.member("approver") for _ in range(3)]
    await acme.publish(asking(ann))
    await given(ann, bob)
    passed = await given(bob, cem)
    assert (await decide(cem, await asked(acme.admin), ann)).status_code == 200
    history = (await acme.admin.get("/events", topics="approval.decided.v1")).json()["items"]
    assert history[-1]["data"]["through"] == [bob.user_id]
    request_id = await asked(acme.admin)
    for away, back in (
        (f"/members/{bob.user_id}/suspend", f"/members/{bob.user_id}/reactivate"),
        (f"/members/{ann.user_id}/suspend", f"/members/{ann.user_id}/reactivate"),
    ):
        await ok(acme.admin.post(away))
        assert code(await decide(cem, request_id, ann)) == (403, "no_delegation")
        await ok(acme.admin.post(back))
    await ok(acme.admin.call("PATCH", f"/members/{ann.user_id}", {"role_ids": [await acme.role_id("viewer")]}))
    assert code(await decide(cem, request_id, ann)) == (403, "no_delegation"), "who may not decide has nothing to hand on"
    await ok(acme.admin.call("PATCH", f"/members/{ann.user_id}", {"role_ids": [await acme.role_id("approver")]}))
    await ok(cem.client.call("DELETE", f"/delegations/{passed['id']}"))
    assert code(await decide(cem, request_id, ann)) == (403, "no_delegation")


async def test_roles_are_those_of_who_is_stood_in_for(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    boss, bob = await acme.member("operator", "approver"), await acme.member("approver")
    await acme.publish(asking(roles=["operator"]))
    await given(boss, bob)
    request_id = await asked(acme.admin)
    assert code(await decide(bob, request_id)) == (403, "not_eligible")
    await ok(decide(bob, request_id, boss))
    (decision,) = (await ok(acme.admin.get(f"/approvals/{request_id}")))["decisions"]
    assert decision["role"] == "operator"


async def test_a_delegation_that_is_taken_back_at_another_process_is_not_used(gesta: Gesta) -> None:
    """However often both happen at once: what was decided was decided before. `racing` verifies the tables."""
    async with racing(gesta) as two:
        ann, bob = await two.behind.member("approver"), await two.behind.member("approver")
        await two.behind.publish(asking(ann))
        for number in range(ROUNDS):
            made = await given(ann, bob)
            request_id = await asked(two.behind.admin)
            decided, ended = await at_once(
                number,
                two.at(two.ahead, bob.client).post(
                    f"/approvals/{request_id}/decide", {"outcome": "approved", "on_behalf_of": ann.user_id}
                ),
                ann.client.call("DELETE", f"/delegations/{made['id']}"),
            )
            assert ended.status_code == 200, ended.text
            assert decided.status_code in (200, 403), decided.text
            late = await two.at(two.ahead, bob.client).post(
                f"/approvals/{request_id}/decide", {"outcome": "approved", "on_behalf_of": ann.user_id}
            )
            assert late.status_code == (409 if decided.status_code == 200 else 403)
