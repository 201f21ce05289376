"""Break-glass over HTTP: who may, what is on record, and what those see who are not to see each other's names."""

from typing import Any

from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.racing import code, racing, together
from tests.api.test_own_approvals import asked, found, holds

BODY = {"outcome": "approved", "reason": "The board is ill, and the press stands still."}


async def test_an_override_is_by_a_right_of_its_own_and_on_record_as_critical(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    boss, admin, ben = await acme.member("owner"), await acme.member("admin"), await acme.member("approver")
    steps = [{"name": "first", "rule": {"type": "unanimous"}}, {"name": "last"}]
    id = await asked(acme.admin, steps=steps)
    for client in (admin.client, ben.client):
        refused = await client.post(f"/approvals/{id}/override", BODY)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    nobody = await (await acme.service("approvals:override")).post(f"/approvals/{id}/override", BODY)
    assert nobody.json()["code"] == "nobody_decides"
    wrong = await boss.client.post(f"/approvals/{id}/override", {"outcome": "approved", "reason": ""})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/reason")
    done = await boss.client.post(f"/approvals/{id}/override", BODY)
    assert (done.json()["approval"]["outcome"], done.json()["execution"]) == ("approved", None), done.text
    row = await found(ben.client, id)
    assert (row["overridden_by"], row["decided_by"], row["received_approvals"]) == (boss.user_id, boss.user_id, 0)
    assert [step["status"] for step in row["steps"]] == ["overridden", "overridden"]
    (decision,) = row["decisions"]
    assert (decision["is_override"], decision["comment"], decision["weight"]) == (True, BODY["reason"], 0)
    (entry,) = (await acme.admin.get("/audit-logs", action="approval.overridden")).json()["items"]
    assert (entry["severity"], entry["user_id"]) == ("critical", boss.user_id)
    assert BODY["reason"] in entry["description"]
    await its_own(acme, boss)
    await holds(gesta, acme)


async def its_own(acme: Tenant, boss: Member) -> None:
    """By who asked: only with a right that the platform gives."""
    id = await asked(boss.client, by={"roles": ["approver"]})
    refused = await boss.client.post(f"/approvals/{id}/override", BODY)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_request")
    role = {"key": "emergency", "name": "Emergency", "permissions": ["approvals:override_own"]}
    assert (await boss.client.post("/roles", role)).status_code == 422, "nobody gives what they do not have"
    role_id = (await acme.admin.post("/roles", role)).json()["id"]
    role_ids = [await acme.role_id("owner"), role_id]
    assert (await acme.admin.call("PATCH", f"/members/{boss.user_id}", {"role_ids": role_ids})).status_code == 200
    assert (await boss.client.post(f"/approvals/{id}/override", BODY)).status_code == 200
    (entry, _) = (await acme.admin.get("/audit-logs", action="approval.overridden")).json()["items"]
    assert entry["payload"]["own"] is True


# Whose names are seen ---------------------------------------------------------------------------------------------------


async def test_names_are_seen_as_the_request_says(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann, ben, cat = [await acme.member("approver") for _ in range(3)]
    auditor, operator, eve = await acme.member("analyst"), await acme.member("operator"), await acme.member("operator")
    people = [ann.user_id, ben.user_id, cat.user_id]
    rule = {"type": "weighted", "weights": {ann.user_id: 2}, "threshold": 4, "members": "at_start"}
    for visibility, over in (("counts", False), ("after_resolution", True)):
        id = await asked(eve.client, by={"users": people}, rule=rule, visibility=visibility)
        assert (
            await ann.client.post(f"/approvals/{id}/decide", {"outcome": "approved", "comment": "Ann says so"})
        ).status_code == 200
        assert (await ann.client.post(f"/approvals/{id}/watch")).status_code == 200
        question = (await ann.client.post(f"/approvals/{id}/ask", {"text": "Which?"})).json()
        for by, path, body in (
            (eve, "answer", {"question_id": question["id"], "text": "This."}),
            (ann, "comments", {"text": "I see."}),
        ):
            assert (await by.client.post(f"/approvals/{id}/{path}", body)).status_code == 200
        assert [each["user_id"] for each in await spoken(ann.client, id)] == [ann.user_id, eve.user_id, ann.user_id]
        for reader in (auditor, operator):
            assert seen_in(await found(reader.client, id), ann, cat)
            assert seen_in(await spoken(reader.client, id), ann)
            assert seen_in(await listed(reader.client, "/approvals", id), cat)
        for who in (ben, cat):
            other = ann if who is cat else cat
            row = await found(who.client, id)
            assert not seen_in(row, ann, other), row
            assert (row["received_approvals"], row["assigned_to"]["hidden"], row["decisions"]) == (1, 2, [])
            assert row["assigned_to"]["users"] == [who.user_id]
            for path in ("/approvals", "/inbox"):
                assert not seen_in(await listed(who.client, path, id), ann, other)
            talk = await spoken(who.client, id)
            assert [(each["text"], each["user_id"], each["to_user_id"]) for each in talk] == [
                ("Which?", None, eve.user_id),
                ("This.", eve.user_id, None),
                ("I see.", None, None),
            ]
            hidden = await who.client.get(f"/approvals/{id}/eligible")
            assert (hidden.status_code, hidden.json()["code"]) == (403, "names_hidden")
        mine = await found(ann.client, id)
        assert [each["comment"] for each in mine["decisions"]] == ["Ann says so"]
        for who in (ben, cat):
            await who.client.post(f"/approvals/{id}/decide", {"outcome": "approved"})
        done = await found(cat.client, id)
        assert done["status"] == "resolved"
        assert seen_in(done, ann, ben) == over
        assert seen_in(await spoken(cat.client, id), ann) == over
    await in_a_workflow(acme, ann, ben)


async def in_a_workflow(acme: Tenant, ann: Member, ben: Member) -> None:
    """What an execution waits for names nobody else either."""
    config = {"title": "x", "by": {"users": [ann.user_id, ben.user_id]}, "visibility": "counts"}
    nodes = [
        {"id": "start", "type": "start"},
        {"id": "ask", "type": "approval", "config": config},
        {"id": "end", "type": "end"},
    ]
    edges = [{"source": "start", "target": "ask"}]
    edges += [{"source": "ask", "source_handle": handle, "target": "end"} for handle in ("approved", "rejected")]
    await acme.publish({"key": "hidden", "name": "Hidden", "triggers": [{"type": "manual"}], "nodes": nodes, "edges": edges})
    started = (await acme.admin.post("/executions", {"workflow_key": "hidden"})).json()
    (wait,) = (await ben.client.get(f"/executions/{started['id']}/waits")).json()["items"]
    assert wait["by"] == {"users": [ben.user_id], "roles": [], "hidden": 1}
    (wait,) = (await acme.admin.get(f"/executions/{started['id']}/waits")).json()["items"]
    assert sorted(wait["by"]["users"]) == sorted([ann.user_id, ben.user_id])


def seen_in(row: Any, *people: Member) -> bool:
    """All of them, or none."""
    seen = {person.user_id in str(row) for person in people}
    assert len(seen) == 1, row
    return seen.pop()


async def spoken(client: Client, id: str) -> Any:
    return (await client.get(f"/approvals/{id}/comments")).json()["items"]


async def listed(client: Client, path: str, id: str) -> Any:
    items = (await client.get(path)).json()["items"]
    return next(each for each in items if each["id"] == id)


async def test_an_override_and_a_decision_at_once_come_to_one_outcome(gesta: Gesta) -> None:
    """At two processes; `racing` verifies the tables, and that who resolved it had a say in it."""
    async with racing(gesta) as two:
        boss = await two.behind.member("owner")
        for number in range(4):
            id = await asked(two.behind.admin)
            overridden, decided = await together(
                two,
                number,
                two.at(two.ahead, boss.client).post(f"/approvals/{id}/override", {**BODY, "outcome": "rejected"}),
                two.at(two.behind, two.person.client).post(f"/approvals/{id}/decide", {"outcome": "approved"}),
            )
            assert sorted(map(code, (overridden, decided))) == ["", "approval_closed"]
            row = await found(two.behind.admin, id)
            assert (row["outcome"] == "rejected", row["overridden_by"]) == (
                code(overridden) == "",
                boss.user_id if code(overridden) == "" else None,
            )
