"""Requests that are taken back, changed, asked again and talked about, over HTTP at two processes; and races about them."""

from typing import Any

from tests.api.behind import ok
from tests.api.conftest import Client, Gesta
from tests.api.racing import ROUNDS, at_once, code, racing, together
from tests.api.test_approval_rules import asking, mine, said, shown
from tests.api.test_own_approvals import asked, found
from tests.api.working import run_sql

FILE = {"name": "offer.pdf", "reference": "https://files.example/1", "sha256": "ab" * 32, "size": 7}
STEPS = [
    {"name": "first", "depends_on": ["/context/amount"], "by": {"roles": ["approver"]}},
    {"name": "last", "by": {"roles": ["approver"]}, "form": {"type": "object", "properties": {"centre": {"default": "47"}}}},
]


async def inbox(client: Client) -> list[tuple[str, int]]:
    return [(row["id"], row["step"]) for row in (await ok(client.get("/inbox")))["items"]]


async def test_a_request_is_taken_back_changed_and_asked_again_at_two_processes(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        ann = await two.ahead.member("operator", "approver")
        ahead, behind = two.at(two.ahead, ann.client), two.at(two.behind, ann.client)
        ben = two.person.client
        config: dict[str, Any] = {"title": "Pay?", "context": "=input", "editable": ["/context"], "steps": STEPS}
        definition = asking({"type": "single"}, "again")
        definition["nodes"][1]["config"] = config | {"outcomes": definition["nodes"][1]["config"]["outcomes"]}
        definition["nodes"][2]["config"] = {"output": "=nodes.ask.output.request.context"}
        await two.ahead.publish(definition)
        begun = await ok(ahead.post("/executions", {"workflow_key": "again", "input": {"amount": 10, "note": "a"}}))
        id = str(begun["open"][0]["id"])
        await ok(said(ben, id, "approved", attachments=[FILE]))
        await ok(ben.call("PUT", f"/approvals/{id}/draft", {"draft": {"comment": "Hm."}, "step": "last"}))

        await ok(behind.post(f"/approvals/{id}/recall", {"comment": "Wait."}))
        refused = await said(two.at(two.ahead, ben), id, "approved")
        assert (refused.status_code, refused.json()["code"]) == (409, "with_requester")
        assert (await mine(ben), await inbox(ben)) == ([], [])
        row = await shown(two.ahead, id)
        (wait,) = (await ok(two.ahead.admin.get(f"/executions/{row['execution_id']}/waits")))["items"]
        assert (row["status"], wait["by"]["users"]) == ("with_requester", [ann.user_id])
        barred = await ahead.post(f"/approvals/{id}/resubmit", {"title": "Else", "context": {"amount": 10}})
        assert (barred.status_code, barred.json()["errors"][0]["path"]) == (422, "/title")

        version = {"If-Match": f'"{row["version"]}"', "Idempotency-Key": "again"}
        body = {"context": {"amount": 10, "note": "b"}, "comment": "The note."}
        again = await ahead.call("POST", f"/approvals/{id}/resubmit", body, headers=version)
        replayed = await behind.call("POST", f"/approvals/{id}/resubmit", body, headers=version)
        assert (again.status_code, replayed.json()) == (200, again.json()), again.text
        stale = await behind.call("POST", f"/approvals/{id}/recall", {}, headers={"If-Match": version["If-Match"]})
        assert stale.status_code == 412
        assert await inbox(ben) == [(id, 2)]
        row = await shown(two.behind, id)
        assert [step["status"] for step in row["steps"]] == ["completed", "open"]
        assert (row["current_version"], row["request_data"]["context"]["note"]) == (2, "b")
        listed = (await ok(ben.get(f"/approvals/{id}/versions")))["items"]
        assert [(each["number"], each["asked_again"]) for each in listed] == [(2, [2]), (1, [])]
        shown_version = await ok(ben.get(f"/approvals/{id}/versions/2"))
        assert shown_version["changes"] == [{"path": "/context/note", "how": "changed", "before": "a", "after": "b"}]
        assert (await ok(ben.get(f"/approvals/{id}/draft", step="last")))["draft"] == {"comment": "Hm."}

        await ok(ben.post(f"/approvals/{id}/return", {"comment": "How much?"}))
        await ok(ahead.post(f"/approvals/{id}/resubmit", {"context": {"amount": 20, "note": "b"}}))
        assert [each["returned_at"] is None for each in (await shown(two.behind, id))["decisions"]] == [False]
        await ok(said(ben, id, "approved"))
        done = await ok(said(ben, id, "approved", step="last", form={}))
        assert done["execution"]["status"] == "completed"
        assert (await ben.get(f"/approvals/{id}/draft", step="last")).status_code == 404
        over = await shown(two.ahead, id)
        decisions = [(each["request_version"], len(each["attachments"]), each["form_data"]) for each in over["decisions"]]
        assert decisions == [(1, 1, None), (3, 0, None), (3, 0, {"centre": "47"})]
        run = await ok(two.ahead.admin.get(f"/executions/{over['execution_id']}"))
        assert run["output"] == {"amount": 20, "note": "b"}


async def test_a_request_of_its_own_is_talked_about_watched_and_asked_again(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        ann, eve = await two.ahead.member("operator"), await two.ahead.member("approver")
        requester, ben = two.at(two.behind, ann.client), two.person.client
        ui_schema = {"ui:order": ["b", "a"]}
        id = await asked(requester, timeout="P1D", attachments=[FILE], ui_schema=ui_schema, form={"type": "object"})
        assert (await found(ben, id))["request_data"]["ui_schema"] == ui_schema
        question = await ok(ben.post(f"/approvals/{id}/ask", {"text": "Which?", "attachments": [FILE]}))
        assert (await found(ben, id))["open_questions"] == 1
        answered = {"question_id": question["id"], "text": "The blue one."}
        await ok(two.at(two.ahead, ann.client).post(f"/approvals/{id}/answer", answered))
        late = await two.at(two.ahead, ann.client).post(f"/approvals/{id}/answer", answered)
        assert (late.status_code, late.json()["code"]) == (409, "already_answered")
        remark = await ok(ben.post(f"/approvals/{id}/comments", {"text": "Secret words."}))
        address = f"/approvals/{id}/comments/{remark['id']}"
        assert (await requester.call("PATCH", address, {"text": "Mine?"})).json()["code"] == "not_yours"
        await ok(ben.call("PATCH", address, {"text": "Other words."}))
        await ok(ben.call("DELETE", address))
        talk = (await ok(requester.get(f"/approvals/{id}/comments")))["items"]
        assert [(each["kind"], each["text"], each["deleted_at"] is None) for each in talk] == [
            ("question", "Which?", True),
            ("answer", "The blue one.", True),
            ("comment", None, False),
        ]
        stored = "SELECT count(*) FROM projections.approval_comments WHERE text LIKE '%words%'"
        assert await run_sql(gesta.database, stored) == 0
        await ok(requester.post(f"/approvals/{id}/watch", {"user_id": eve.user_id}))
        assert (await eve.client.post(f"/approvals/{id}/watch", {"user_id": ann.user_id})).json()["code"] == "not_concerned"
        assert (await found(ben, id))["watchers"] == [eve.user_id]

        await ok(requester.post(f"/approvals/{id}/recall"))
        assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.timers") == 0
        assert (await found(ben, id))["expires_at"] is None
        await ok(requester.post(f"/approvals/{id}/resubmit", {"title": "A used press?", "attachments": []}))
        row = await found(ben, id)
        assert (row["title"], row["attachments"], row["expires_at"] is None) == ("A used press?", [], False)
        assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.timers") == 1
        await ok(said(ben, id, "approved", form={}))
        log = (await ok(two.ahead.admin.get("/audit-logs", resource_id=id)))["items"]
        sentences = {entry["action"]: entry["description"] for entry in log}
        assert sentences["approval.resubmitted"] == (
            "Version 2 was submitted, with 2 changes and 1 step asked again: A new press?"
        )


async def test_of_a_recall_and_a_decision_one_happens(gesta: Gesta) -> None:
    async with racing(gesta) as two:
        ann = await two.ahead.member("operator")
        requester, ben = two.at(two.ahead, ann.client), two.at(two.behind, two.person.client)
        for number in range(ROUNDS):
            id = await asked(requester)
            race = (
                together(two, number, *_both(requester, ben, id)) if number == 0 else at_once(number, *_both(requester, ben, id))
            )
            back, decided = await race
            row = await found(two.person.client, id)
            assert (code(back), code(decided), row["status"]) in (
                ("", "with_requester", "with_requester"),
                ("approval_closed", "", "resolved"),
            )


def _both(requester: Client, decider: Client, id: str) -> tuple[Any, Any]:
    recalled: Any = requester.post(f"/approvals/{id}/recall")
    decided: Any = decider.post(f"/approvals/{id}/decide", {"outcome": "approved"})
    return recalled, decided
