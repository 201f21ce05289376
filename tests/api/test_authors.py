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


async def test_secrets_and_workflows_that_are_not_there_are_told_wherever_they_are_named(acme: Tenant) -> None:
    made = await acme.admin.post("/secrets", {"name": "shop_token", "value": "a value of some length", "hosts": ["api.example"]})
    assert made.status_code == 201, made.text
    auth = {"type": "bearer", "secret": "shop_token"}
    headers = {"X-Plain": "a", "X-Api-Key": {"secret": "lost_token"}}
    within = drawing(
        {
            "ring": ("http", {"url": "https://api.example/", "auth": {**auth, "secret": "lost_token"}}),
            "child": ("workflow", {"workflow_key": "lost"}),
        },
        "ring > child",
    )
    body = {"nodes": within["nodes"], "edges": within["edges"]}
    nodes = {
        "start": "start",
        "call": ("http", {"url": "https://api.example/", "auth": auth, "headers": headers}),
        "each": ("foreach", {"items": [1], "body": body}),
        "end": "end",
    }
    triggers = [{"type": "webhook", "secret": "shop_token"}, {"type": "webhook", "id": "other", "secret": "lost_signing"}]
    definition = drawing(nodes, "start > call", "call > each", "each > end", triggers=triggers)
    expected = {
        ("unknown_secret", "/nodes/1/config/headers/X-Api-Key/secret"),
        ("unknown_secret", "/nodes/2/config/body/nodes/0/config/auth/secret"),
        ("unknown_secret", "/triggers/1/secret"),
        ("unknown_workflow", "/nodes/2/config/body/nodes/1/config/workflow_key"),
    }
    found = (await acme.admin.post("/workflows/validate", {"definition": definition})).json()["findings"]
    assert {(each["code"], each["path"]) for each in found if each["code"].startswith("unknown_")} == expected
    drafted = (await acme.admin.post("/workflows", {"definition": definition})).json()
    published = await acme.admin.post(f"/workflows/{drafted['id']}/publish", {})
    assert published.status_code == 200, published.text
    warned = published.json()["warnings"]
    told = {(each["code"], each["path"].removeprefix("/definition")) for each in warned if each["code"].startswith("unknown_")}
    assert told == expected
