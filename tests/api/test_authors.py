"""What an author is told of the names in a definition, before anybody is asked by them."""

from uuid import uuid4

from tests.api.conftest import Tenant
from tests.engine.drawing import drawing


async def test_roles_and_users_that_are_not_there_are_told(acme: Tenant) -> None:
    member, nobody = (await acme.member("approver")).user_id, str(uuid4())
    by = {"roles": ["approver", "nobody", "=input.role"], "users": [member, nobody, "ann@acme.example"]}
    outcomes = [{"name": "ok", "kind": "approve", "by": by}]
    definition = drawing(
        {"start": "start", "a": ("approval", {"title": "?", "outcomes": outcomes}), "end": "end"}, "start > a", "a.ok > end"
    )
    found = (await acme.admin.post("/workflows/validate", {"definition": definition})).json()["findings"]
    told = {(each["severity"], each["code"], each["path"]) for each in found if each["code"].startswith("unknown")}
    assert told == {
        ("warning", "unknown_role", "/nodes/1/config/outcomes/0/by/roles/1"),
        ("warning", "unknown_user", "/nodes/1/config/outcomes/0/by/users/1"),
        ("warning", "unknown_user", "/nodes/1/config/outcomes/0/by/users/2"),
    }


async def test_publishing_tells_what_may_not_work(acme: Tenant) -> None:
    outcomes = [{"name": "ok", "kind": "approve", "by": {"roles": ["approver", "nobody"]}}]
    nodes = {"start": "start", "a": ("approval", {"title": "?", "outcomes": outcomes}), "end": "end"}
    definition = drawing(nodes, "start > a", "a.ok > end", "start > a")
    drafted = (await acme.admin.post("/workflows", {"definition": definition})).json()
    published = await acme.admin.post(f"/workflows/{drafted['id']}/publish", {})
    assert published.status_code == 200
    assert {(each["code"], each["path"]) for each in published.json()["warnings"]} == {
        ("duplicate_edge", "/definition/edges/2"),
        ("unknown_role", "/definition/nodes/1/config/outcomes/0/by/roles/1"),
    }
