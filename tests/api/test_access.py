"""Who may do what: keys, roles, acting for others, suspended tenants."""

from typing import Any

from tests.api.conftest import Client, Gesta
from tests.api.definitions import APPROVAL, INSTANT


async def test_a_request_without_a_valid_key_is_nobodys(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    good = (await acme.service("executions:read")).token
    other = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
    for value in ("", "Bearer", "Bearer gk_", "Basic abc", f"Bearer {other}", "Bearer " + good + "x", good):
        refused = await gesta.http.get("/v1/me", headers={"Authorization": value} if value else {})
        assert refused.status_code == 401, value
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await Client(gesta.http, good).get("/me")).status_code == 200


async def test_the_key_is_asked_for_before_anything_else_is_looked_at(gesta: Gesta) -> None:
    refused = await gesta.http.post("/v1/executions?x=1", content=b"{", headers={"Content-Type": "text/plain"})
    assert refused.status_code == 401


async def test_each_seeded_role_may_do_its_own_and_nothing_else(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    asked: dict[str, Any] = {
        "start": ("POST", "/executions", {"workflow_key": "instant"}),
        "audit": ("GET", "/audit-logs", None),
        "events": ("GET", "/events", None),
        "users": ("GET", "/members", None),
        "keys": ("GET", "/api-keys", None),
        "roles": ("POST", "/roles", {"key": "clerk", "name": "Clerk", "permissions": []}),
        "tenant": ("PATCH", "/tenant", {"name": "Acme Ltd"}),
        "read": ("GET", "/executions", None),
    }
    may = {
        "viewer": {"read"},
        "approver": {"read"},
        "analyst": {"read", "audit", "events", "users"},
        "operator": {"read", "start"},
        "designer": {"read", "start", "draft"},
        "owner": {*asked, "draft"},
    }
    for number, (role, allowed) in enumerate(may.items()):
        member = await acme.member(role)
        asked["draft"] = ("POST", "/workflows", {"definition": {**INSTANT, "key": f"other-{number}"}})
        for name, (method, path, body) in asked.items():
            status = (await member.client.call(method, path, body)).status_code
            assert (status < 300) == (name in allowed), (role, name, status)
            assert status < 300 or status == 403, (role, name, status)


async def test_a_key_may_do_less_than_its_user(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    member = await acme.member("owner", permissions=["executions:read"])
    assert (await member.client.get("/executions")).status_code == 200
    assert (await member.client.get("/audit-logs")).status_code == 403
    assert (await member.client.get("/me")).json()["permissions"] == ["executions:read"]


async def test_a_service_acts_for_a_member_if_it_may(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    started = (await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    approver, viewer = await acme.member("approver"), await acme.member("viewer")
    path, body = f"/approvals/{started['open'][0]['id']}/decide", {"outcome": "approved"}
    service = await acme.service("approvals:decide", "users:act_as")
    plain = await acme.service("approvals:decide")
    assert (await plain.post(path, body, Gesta_On_Behalf_Of=approver.user_id)).status_code == 403
    assert (await service.post(path, body)).json()["code"] == "nobody_decides"
    assert (await service.post(path, body, Gesta_On_Behalf_Of=viewer.user_id)).status_code == 403
    stranger = (await gesta.platform.post("/users", {"email": "s@else.example", "display_name": "S"})).json()["id"]
    assert (await service.post(path, body, Gesta_On_Behalf_Of=stranger)).status_code == 403
    decided = await service.post(path, body, Gesta_On_Behalf_Of=approver.user_id)
    assert decided.status_code == 200, decided.text
    assert decided.headers["ETag"] == f'"{decided.json()["approval"]["version"]}"'
    logged = (await acme.admin.get("/audit-logs", action="approval.decided")).json()["items"]
    assert [row["user_id"] for row in logged] == [approver.user_id]


async def test_a_revoked_key_changes_nothing_from_that_moment_on(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    made = (await acme.admin.post("/api-keys", {"name": "k", "permissions": ["executions:start"]})).json()
    client = Client(gesta.http, made["token"])
    assert (await client.post("/executions", {"workflow_key": "instant"})).status_code == 201
    assert (await acme.admin.call("DELETE", f"/api-keys/{made['id']}")).status_code == 200
    refused = await client.post("/executions", {"workflow_key": "instant"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_rights_that_were_taken_away_are_not_used(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    member = await acme.member("operator")
    assert (await member.client.post("/executions", {"workflow_key": "instant"})).status_code == 201
    changed = await acme.admin.call("PATCH", f"/members/{member.user_id}", {"role_ids": [await acme.role_id("viewer")]})
    assert changed.status_code == 200, changed.text
    assert (await member.client.post("/executions", {"workflow_key": "instant"})).status_code == 403


async def test_a_suspended_tenant_is_closed_to_all_but_the_platform(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    service = await acme.service("executions:read")
    assert (await gesta.platform.post(f"/tenants/{acme.id}/suspend", {"reason": "unpaid"})).status_code == 200
    refused = await service.get("/executions")
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert (await acme.admin.get("/executions")).status_code == 200
    assert (await acme.admin.get("/tenant")).json()["is_active"] is False


async def test_only_the_platform_names_tenants(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    service = await acme.service("executions:read", "tenants:manage")
    assert (await service.with_headers(Gesta_Tenant="acme").get("/executions")).status_code == 200
    assert (await service.with_headers(Gesta_Tenant=str(acme.id)).get("/executions")).status_code == 200
    for name in ("other", str(other.id), "absent"):
        assert (await service.with_headers(Gesta_Tenant=name).get("/executions")).status_code == 404
    assert (await service.post("/tenants", {"slug": "third", "name": "Third"})).status_code == 404
    assert (await service.get("/tenants")).status_code == 404
    assert (await gesta.platform.with_headers(Gesta_Tenant="absent").get("/executions")).status_code == 404
    found = (await gesta.platform.get("/tenants")).json()["items"]
    assert {row["slug"] for row in found} == {"acme", "other"}


async def test_a_tenant_sees_its_own_users_only(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    ours, theirs = await acme.member("owner"), await other.member("owner")
    found = (await ours.client.get("/users")).json()["items"]
    assert [row["id"] for row in found] == [ours.user_id]
    assert (await ours.client.get(f"/users/{theirs.user_id}")).status_code == 404
    assert (await ours.client.get("/users", email=theirs.email)).json()["items"] == []
    assert [row["id"] for row in (await ours.client.get("/users", email=ours.email.upper())).json()["items"]] == [ours.user_id]
    assert (await ours.client.call("PATCH", f"/users/{theirs.user_id}", {"display_name": "X"})).status_code == 403
    everybody = (await gesta.platform.get("/users")).json()["items"]
    assert {row["id"] for row in everybody} == {ours.user_id, theirs.user_id}


async def test_members_and_roles_are_managed(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    role = await acme.admin.post("/roles", {"key": "clerk", "name": "Clerk", "permissions": ["executions:read"]})
    assert role.headers["Location"] == f"/v1/roles/{role.json()['id']}"
    changed = await acme.admin.call("PATCH", f"/roles/{role.json()['id']}", {"permissions": ["workflows:read"]})
    assert (changed.json()["name"], changed.json()["permissions"]) == ("Clerk", ["workflows:read"])
    assert (await acme.admin.get(f"/roles/{role.json()['id']}")).json()["permissions"] == ["workflows:read"]
    member = await acme.member("clerk")
    assert (await acme.admin.get(f"/members/{member.user_id}")).json()["role_ids"] == [role.json()["id"]]
    assert (await acme.admin.call("DELETE", f"/roles/{role.json()['id']}")).status_code == 200
    assert (await acme.admin.get(f"/roles/{role.json()['id']}")).status_code == 404
    assert (await acme.admin.call("DELETE", f"/members/{member.user_id}")).status_code == 200
    assert (await acme.admin.get(f"/members/{member.user_id}")).json()["status"] == "removed"
    system = await acme.admin.call("PATCH", f"/roles/{await acme.role_id('owner')}", {"name": "Mine"})
    assert (system.status_code, system.json()["code"]) == (409, "system_role")
    permissions = (await acme.admin.get("/permissions", limit="200")).json()["items"]
    assert "executions:start" in [row["key"] for row in permissions]
