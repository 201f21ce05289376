"""Who asks does not decide, also in lists and on behalf of others; and roles that requests count on."""

from copy import deepcopy
from typing import Any

from tests.api.conftest import Gesta, Member
from tests.api.definitions import APPROVAL


def four_eyes(exclude: str = "requester", key: str = "purchase") -> dict[str, Any]:
    definition = deepcopy(APPROVAL)
    definition["key"] = key
    for outcome in definition["nodes"][1]["config"]["outcomes"]:
        outcome["exclude"] = [exclude]
    return definition


async def asked_by(member: Member, **headers: str) -> str:
    body = {"workflow_key": "purchase", "input": {"amount": 1}}
    started = await member.client.post("/executions", body, **headers)
    assert started.status_code == 201, started.text
    request_id: str = started.json()["open"][0]["id"]
    return request_id


async def mine(client: Any, **also: str) -> list[str]:
    return [row["id"] for row in (await client.get("/approvals", mine="true", **also)).json()["items"]]


async def test_who_started_it_neither_sees_it_as_theirs_nor_decides_it(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(four_eyes())
    ann, ben = await acme.member("approver", "operator"), await acme.member("approver")
    request_id = await asked_by(ann)
    assert await mine(ann.client) == await mine(ann.client, status="pending") == []
    assert await mine(ben.client) == await mine(ben.client, status="pending") == [request_id]
    told = (await ann.client.get(f"/approvals/{request_id}")).json()["request_data"]["outcomes"][0]
    assert told["exclude"] == [ann.user_id]
    refused = await ann.client.post(f"/approvals/{request_id}/decide", {"outcome": "approved"})
    assert (refused.status_code, refused.json()["code"]) == (403, "excluded")
    assert (await ben.client.post(f"/approvals/{request_id}/decide", {"outcome": "approved"})).status_code == 200


async def test_acting_on_behalf_of_others_is_no_way_round(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(four_eyes())
    ann, ben = await acme.member("owner", "approver"), await acme.member("owner", "approver")
    own = await asked_by(ann)
    for request_id in (own, await asked_by(ann, Gesta_On_Behalf_Of=ben.user_id)):
        path, body = f"/approvals/{request_id}/decide", {"outcome": "approved"}
        assert (await ann.client.post(path, body)).json()["code"] == "excluded"
        assert (await ann.client.post(path, body, Gesta_On_Behalf_Of=ben.user_id)).json()["code"] == "excluded"
    robot = await ann.client.post("/api-keys", {"name": "robot", "permissions": ["approvals:decide", "users:act_as"]})
    headers = {"Authorization": f"Bearer {robot.json()['token']}", "Gesta-On-Behalf-Of": ben.user_id}
    refused = await gesta.http.post(f"/v1/approvals/{own}/decide", json={"outcome": "approved"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "excluded")
    assert await mine(ann.client.with_headers(Gesta_On_Behalf_Of=ben.user_id)) == []
    assert await mine(ben.client) == [own]


async def test_who_repeats_what_another_started_makes_it_nobody_elses(gesta: Gesta) -> None:
    """A fork goes on with what was asked for by who started the first: neither of the two approves it."""
    acme = await gesta.tenant()
    await acme.publish(four_eyes())
    ann, ben, cat = [await acme.member("owner", "approver") for _ in range(3)]
    first = (await ann.client.get(f"/approvals/{await asked_by(ann)}")).json()["execution_id"]
    forked = await ben.client.post(f"/executions/{first}/fork", {"node_id": "review"})
    again = await cat.client.post(f"/executions/{forked.json()['id']}/fork", {"node_id": "review", "input": {"amount": 2}})
    body = {"outcome": "approved"}
    for made, kept_out in ((forked, (ann, ben)), (again, (ann, ben, cat))):
        path = f"/approvals/{made.json()['open'][0]['id']}/decide"
        for member in kept_out:
            assert (await member.client.post(path, body)).json()["code"] == "excluded"
    path = f"/approvals/{forked.json()['open'][0]['id']}/decide"
    assert (await cat.client.post(path, body)).status_code == 200


async def test_a_wrong_exclusion_is_not_published(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    drafted = (await acme.admin.post("/workflows", {"definition": four_eyes("everybody")})).json()
    refused = await acme.admin.post(f"/workflows/{drafted['id']}/publish")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"].endswith("/outcomes/0/exclude/0")


async def test_a_role_that_is_counted_on_is_deleted_only_on_purpose(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    role = (await acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})).json()
    definition = deepcopy(APPROVAL)
    for outcome in definition["nodes"][1]["config"]["outcomes"]:
        outcome["by"] = {"roles": ["clerk"]}
    workflow_id = await acme.publish(definition)
    started = (await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    # The next version names another role: the one of before is still under way.
    drafted = await acme.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": APPROVAL})
    assert drafted.status_code == 200, drafted.text
    assert (await acme.admin.post(f"/workflows/{workflow_id}/publish")).status_code == 200
    refused = await acme.admin.call("DELETE", f"/roles/{role['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "role_in_use")
    told = [one["message"] for one in refused.json()["errors"]]
    assert told == [
        f"The open approval request {started['open'][0]['id']} (Review) names this role.",
        "Version 1 of the workflow purchase names this role.",
    ]
    logged = (await acme.admin.get("/audit-logs", action="role.delete")).json()["items"]
    assert [row["outcome"] for row in logged] == ["refused"]
    wrong = await acme.admin.call("DELETE", f"/roles/{role['id']}", params={"force": "yes"})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "force")
    assert (await acme.admin.call("DELETE", f"/roles/{role['id']}", params={"force": "true"})).status_code == 200


async def test_a_role_that_is_free_goes_without_asking(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    role = (await acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": []})).json()
    await acme.publish(APPROVAL)
    assert (await acme.admin.call("DELETE", f"/roles/{role['id']}")).status_code == 200


async def test_who_acts_for_several_has_one_say_and_a_service_has_none(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    definition = deepcopy(APPROVAL)
    config = definition["nodes"][1]["config"]
    config["rule"] = {"type": "multiple", "count": 2}
    await acme.publish(definition)
    ann, ben, zoe = [await acme.member(*roles) for roles in (("approver",), ("approver",), ("owner", "approver"))]
    path = f"/approvals/{await asked_by(zoe)}/decide"
    body = {"outcome": "approved"}
    first = await zoe.client.post(path, body, Gesta_On_Behalf_Of=ann.user_id)
    assert (first.status_code, first.json()["approval"]["status"]) == (200, "pending"), first.text
    for headers in ({"Gesta_On_Behalf_Of": ben.user_id}, {}):
        again = await zoe.client.post(path, body, **headers)
        assert (again.status_code, again.json()["code"]) == (409, "already_decided"), again.text
    path = f"/approvals/{await asked_by(zoe)}/decide"
    robot = await zoe.client.post("/api-keys", {"name": "portal", "permissions": ["approvals:decide", "users:act_as"]})
    for person, status in ((ann, "pending"), (ben, "resolved")):
        headers = {"Authorization": f"Bearer {robot.json()['token']}", "Gesta-On-Behalf-Of": person.user_id}
        decided = await gesta.http.post(f"/v1{path}", json=body, headers=headers)
        assert (decided.status_code, decided.json()["approval"]["status"]) == (200, status), decided.text


async def test_who_sends_an_event_is_on_record(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben = await acme.member("owner"), await acme.member("operator")
    event = {"specversion": "1.0", "id": "1", "source": "shop", "type": "paid"}
    assert (await ann.client.post("/events", event, Gesta_On_Behalf_Of=ben.user_id)).status_code == 200
    (received,) = (await acme.admin.get("/events", topics="event.received.v1")).json()["items"]
    assert received["data"]["sent_by"] == sorted([ann.user_id, ben.user_id])
