"""What was, over HTTP: single resources and rows of the tables as they stood, and the events that made them."""

from typing import Any
from uuid import uuid4

from api.table_rights import PERMISSIONS
from projections.registry import TABLES
from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.test_own_approvals import asked
from tests.api.test_waits import BRANCHES
from tests.api.working import leased, report, start


async def read(client: Client, path: str, **params: Any) -> Any:
    answer = await client.get(path, **params)
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()


async def head(acme: Tenant) -> int:
    return int((await read(acme.admin, "/audit-logs", limit=1))["items"][0]["position"])


def test_every_table_has_a_permission_by_which_it_is_read() -> None:
    assert set(PERMISSIONS) == {table.name for table in TABLES}


async def test_a_resource_is_shown_as_it_stood_whatever_happened_since(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ann = await acme.member("approver", "viewer")
    workflow = await acme.publish({**BRANCHES, "key": "branches"})
    id = await start(acme, "branches")
    own = await asked(acme.admin, visibility="counts")
    review = next(each["id"] for each in (await read(acme.admin, f"/executions/{id}"))["open"] if each["kind"] == "approval")
    made = await acme.admin.post("/roles", {"key": "buyers", "name": "Buyers", "permissions": ["audit:read"]})
    role = made.json()["id"]
    job = (await acme.admin.post("/jobs", {"type": "print", "input": {}})).json()["id"]
    paths = [
        *(f"/executions/{id}", f"/executions/{id}/waits", f"/approvals/{review}", f"/approvals/{own}", f"/roles/{role}"),
        *(f"/workflows/{workflow}", f"/workflows/{workflow}/versions/1", f"/members/{ann.user_id}", f"/users/{ann.user_id}"),
        *("/tenant", f"/jobs/{job}"),
    ]
    before = {path: await read(acme.admin, path) for path in paths}
    before[f"/jobs/{job}"]["queue"] = None  # where it stands in the queue is told of now alone
    then = await head(acme)
    assert {path: await read(acme.admin, path, as_of=then) for path in paths} == before

    await ann.client.post(f"/approvals/{review}/decide", {"outcome": "ok"})
    worker = await acme.service("jobs:work")
    await report(worker, await leased(worker, "resize"), "complete", {"output": {"width": 7}})
    await acme.admin.post(f"/executions/{id}/cancel", {"reason": "not needed"})
    await ann.client.post(f"/approvals/{own}/decide", {"outcome": "approved"})
    await acme.admin.call("PATCH", f"/roles/{role}", {"name": "Others", "permissions": ["executions:read"]})
    await acme.admin.call("PATCH", f"/members/{ann.user_id}", {"role_ids": [await acme.role_id("viewer")]})
    await acme.admin.call("PATCH", "/tenant", {"name": "Another"})
    await acme.admin.post(f"/jobs/{job}/cancel", {})
    await start(acme, "branches")
    after = {path: await read(acme.admin, path) for path in paths}
    assert [path for path in paths if after[path] == before[path]] == [
        f"/workflows/{workflow}/versions/1",
        f"/users/{ann.user_id}",
    ]
    assert {path: await read(acme.admin, path, as_of=then) for path in paths} == before
    stood = await acme.admin.get(f"/executions/{id}", as_of=then)
    assert "ETag" not in stood.headers
    again = await read(acme.admin, f"/executions/{id}", as_of=stood.headers["Gesta-Position"])
    assert again == before[f"/executions/{id}"]
    await what_cannot_be_asked(acme, id)
    await rows_as_they_stood(acme, ann, id, own, then)
    await what_happened_in_it(acme, ann, id)
    await who_might(acme, ann, then)


async def what_cannot_be_asked(acme: Tenant, id: str) -> None:
    faults = {"2999-01-01T00:00:00Z": "future", "soon": "value", "9999999": "range", "1999-01-01T00:00:00Z": "before_ledger"}
    for as_of, code in faults.items():
        answer = await acme.admin.get(f"/executions/{id}", as_of=as_of)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code)
    assert (await acme.admin.get(f"/executions/{id}", as_of="1")).status_code == 404, "it did not exist yet"
    assert (await acme.admin.get(f"/executions/{id}", as_of="1", wait="1")).json()["errors"][0]["path"] == "wait"
    assert (await acme.admin.get("/executions", as_of="1")).json()["code"] == "not_yet"
    other = await acme.gesta.tenant("globex")
    assert (await other.admin.get(f"/executions/{id}", as_of=1)).status_code == 404
    assert (await other.admin.get(f"/tables/workflow_executions/{id}")).status_code == 404
    nobody = await acme.service("jobs:work")
    for path in (f"/executions/{id}", f"/tables/workflow_executions/{id}", f"/tables/workflow_executions/{id}/history"):
        assert (await nobody.get(path)).status_code == 403


async def rows_as_they_stood(acme: Tenant, ann: Member, id: str, own: str, then: int) -> None:
    row = await read(acme.admin, f"/tables/workflow_executions/{id}", position=then)
    assert (row["position"], row["row"]["status"], row["row"]["id"]) == (then, "running", id)
    assert (await read(acme.admin, f"/tables/workflow_executions/{id}"))["row"]["status"] == "cancelled"
    assert (await read(acme.admin, f"/tables/workflow_executions/{id}", position=1))["row"] is None
    otherwise = f"workflow_executions/{id.replace('-', '')}", "audit_logs/01", "audit_logs/0"
    assert (await read(acme.admin, "/tables/audit_logs/1"))["row"]["position"] == 1
    for path in (f"workflow_executions/{uuid4()}", "workflow_executions/x", "nothing/1", f"approval_steps/{own}", *otherwise):
        assert (await acme.admin.get(f"/tables/{path}")).status_code == 404
    made = await read(acme.admin, f"/tables/workflow_executions/{id}/history", limit=1)
    (first,) = made["items"]
    assert (first["topic"], first["what"], first["changes"]["status"]) == ("execution.started.v1", "created", [None, "running"])
    rest = (await read(acme.admin, f"/tables/workflow_executions/{id}/history", cursor=made["next_cursor"]))["items"]
    assert rest[-1]["changes"]["status"] == ["running", "cancelled"]
    assert {each["what"] for each in rest} == {"changed"}
    role = await acme.role_id("approver")
    had = await read(acme.admin, f"/tables/tenant_user_roles/{ann.user_id},{role}/history")
    assert [each["what"] for each in had["items"]] == ["created", "deleted"]
    logged = await read(acme.admin, f"/tables/audit_logs/{then}")
    assert logged["row"]["position"] == then
    # Who does not see the others' names elsewhere does not see them here.
    hidden = await ann.client.get(f"/tables/approval_assignees/{own},1,role,approver", position=then)
    assert (hidden.status_code, hidden.json()["code"]) == (403, "names_hidden")


async def what_happened_in_it(acme: Tenant, ann: Member, id: str) -> None:
    items: list[Any] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await read(acme.admin, f"/executions/{id}/timeline", limit=4, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [each["at"] for each in items] == sorted(each["at"] for each in items)
    assert len({(each["kind"], each["id"]) for each in items}) == len(items)
    of = {
        kind: [each for each in items if each["kind"] == kind] for kind in ("activation", "approval", "decision", "event", "wait")
    }
    assert {each["node_id"] for each in of["activation"]} >= {"s", "nap", "until", "work", "ask"}
    assert of["decision"][0]["user_id"] == ann.user_id
    (decision,) = of["decision"]
    assert (decision["node_id"], decision["details"]["outcome"]) == ("ask", "ok")
    work = next(each for each in of["activation"] if each["node_id"] == "work")
    assert (work["status"], work["duration_ms"] >= 0) == ("completed", True)
    assert [each["details"]["action"] for each in of["event"]][0::99] == ["execution.started"]
    assert of["event"][-1]["details"]["action"] == "execution.cancelled"
    assert of["wait"] == [], "it is over"
    assert (await acme.admin.get(f"/executions/{id}/timeline", cursor="x")).status_code == 422
    narrow = await acme.service("executions:read")
    seen = {each["kind"] for each in (await read(narrow, f"/executions/{id}/timeline", limit=200))["items"]}
    assert "activation" in seen
    assert not seen & {"approval", "decision", "ai_task", "ai_turn", "tool_call"}
    changed = await read(acme.admin, "/events", stream_id=id, changes="true", limit=200)
    assert {"path": "status", "before": "running", "after": "cancelled"} in changed["items"][-1]["changes"]
    later = await read(acme.admin, "/events", stream_id=id, changes="true", after=changed["items"][-2]["position"])
    assert later["items"] == changed["items"][-1:]
    assert (await acme.admin.get("/events", changes="true")).json()["errors"][0]["path"] == "changes"


async def who_might(acme: Tenant, ann: Member, then: int) -> None:
    asked = {"permission": "approvals:decide"}
    was = await read(acme.admin, "/permissions/history", **asked, as_of=then)
    held = {"user_id": ann.user_id, "holds": True, "roles": ["approver"], "why_not": None}
    assert held in was["items"]
    (key,) = was["keys"]
    assert (key["user_id"], was["position"]) == (ann.user_id, then)
    now = await read(acme.admin, "/permissions/history", **asked)
    assert (now["items"], now["keys"]) == ([], []), "nobody else has it"
    (span,) = (await read(acme.admin, "/permissions/history", **asked, user_id=ann.user_id))["spans"]
    assert (span["since"]["topic"], span["until"]["topic"]) == ("member.added.v2", "member.roles_changed.v1")
    assert span["since"]["position"] < then < span["until"]["position"]
    assert (await acme.admin.get("/permissions/history", permission="everything")).status_code == 422
    assert (await acme.admin.get("/permissions/history", **asked, user_id=str(uuid4()))).status_code == 404
    assert (await ann.client.get("/permissions/history", **asked)).status_code == 403
