"""Keys as people make them, and what a command's headers mean for who asks."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.app import create_app
from api.openapi import describe
from api.routing import OF_COMMANDS
from domain.permission import PERMISSIONS
from runtime.addresses import Addresses
from tests.api.conftest import Client, Gesta
from tests.api.definitions import APPROVAL, INSTANT
from tests.api.rights import ROWS
from tests.api.test_rights import ask_plainly, things_of

START = {"workflow_key": "instant"}


def described_headers() -> dict[tuple[str, str], set[str]]:
    """Which headers each command's description names."""
    paths = describe(create_app(Addresses("", "", "", "")))["paths"]
    return {
        (method, path): {each["name"] for each in paths[f"/v1{path}"][method.lower()].get("parameters", ())}
        for method, path in ROWS
        if method != "GET"
    }


async def logged(client: Client, action: str) -> list[dict[str, Any]]:
    return list((await client.get("/audit-logs", action=action)).json()["items"])


async def test_an_admin_does_not_decide_in_another_persons_name(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(APPROVAL)
    started = (await acme.admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    path = f"/approvals/{started['open'][0]['id']}/decide"
    admin, owner, cfo = await acme.member("admin"), await acme.member("owner"), await acme.member("approver")
    wanted = {"name": "k", "permissions": ["approvals:decide"], "user_id": cfo.user_id}
    refused = await admin.client.post("/api-keys", wanted)
    assert (refused.status_code, refused.json()["code"]) == (403, "anothers_key")
    made = await owner.client.post("/api-keys", wanted)
    assert (made.json()["user_id"], made.json()["on_behalf_of"]) == (owner.user_id, cfo.user_id)
    acting = Client(gesta.http, made.json()["token"])
    assert (await acting.get("/me")).json()["on_behalf_of"] == cfo.user_id
    decided = await acting.post(path, {"outcome": "approved"})
    assert decided.status_code == 200, decided.text
    (row,) = await logged(acme.admin, "approval.decided")
    assert (row["user_id"], row["on_behalf_of"]) == (owner.user_id, cfo.user_id)


async def test_the_platforms_key_for_a_member_says_so(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    member = await acme.member("owner")
    (key,) = (await acme.admin.get("/api-keys")).json()["items"]
    assert (key["user_id"], key["by_platform"], key["on_behalf_of"]) == (member.user_id, True, None)
    assert (await logged(acme.admin, "api_key.created"))[0]["description"].endswith("was created by the platform.")


async def test_what_a_lost_key_made_ends_with_it_and_what_a_replaced_one_made_stays(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    owner = await acme.member("owner")

    async def child(parent: Client) -> tuple[Client, str]:
        body = {"name": "c", "permissions": sorted(PERMISSIONS.keys() - {"approvals:override_own"}), "user_id": owner.user_id}
        made = (await parent.post("/api-keys", body)).json()
        return Client(gesta.http, made["token"]), made["id"]

    lost, lost_id = await child(owner.client)
    attackers, _ = await child(lost)
    assert (await owner.client.call("DELETE", f"/api-keys/{lost_id}")).status_code == 200
    assert (await attackers.get("/me")).status_code == 401
    replaced, replaced_id = await child(owner.client)
    newer, newer_id = await child(replaced)
    assert (await newer.call("DELETE", f"/api-keys/{replaced_id}?keep_made=true")).status_code == 200
    assert (await replaced.get("/me")).status_code == 401
    assert (await newer.get("/me")).status_code == 200
    assert (await acme.admin.get(f"/api-keys/{newer_id}")).json()["made_by"] == replaced_id


async def test_a_services_key_ends_with_its_owner_or_is_handed_over(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    leaving, staying = await acme.member("owner"), await acme.member("owner")
    made = [
        (await leaving.client.post("/api-keys", {"name": name, "permissions": ["executions:start"]})).json()
        for name in ("ends", "goes on")
    ]
    ends, goes_on = [Client(gesta.http, key["token"]) for key in made]
    assert made[0]["owner_id"] == leaving.user_id
    handed = await leaving.client.post(f"/api-keys/{made[1]['id']}/hand-over", {"owner_id": staying.user_id})
    assert handed.status_code == 200, handed.text
    assert (await goes_on.post("/executions", START)).status_code == 201
    assert (await acme.admin.call("DELETE", f"/members/{leaving.user_id}")).status_code == 200
    assert (await ends.post("/executions", START)).status_code == 403
    assert (await goes_on.post("/executions", START)).status_code == 201
    await acme.admin.post(f"/members/{staying.user_id}/suspend")
    await acme.admin.post("/members", {"user_id": leaving.user_id, "role_ids": [await acme.role_id("owner")]})
    assert (await ends.post("/executions", START)).status_code == 401
    assert (await leaving.client.get("/me")).status_code == 401, "a member who comes back needs new keys"


async def test_a_narrow_platform_key_gives_away_no_more_than_it_has(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    narrow = await gesta.platform.post("/api-keys", {"name": "n", "permissions": ["api_keys:manage", "members:manage"]})
    client = Client(gesta.http, narrow.json()["token"])
    assert (await client.post("/tenants", {"slug": "third", "name": "Third"})).status_code == 403
    wide = {"name": "w", "permissions": ["tenants:manage"]}
    for asking in (client, client.with_headers(Gesta_Tenant="acme")):
        refused = await asking.post("/api-keys", wide)
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "/permissions/0")
    user = (await gesta.platform.post("/users", {"email": "u@acme.example", "display_name": "U"})).json()["id"]
    body = {"user_id": user, "role_ids": [await acme.role_id("owner")]}
    assert (await client.with_headers(Gesta_Tenant="acme").post("/members", body)).status_code == 422


async def test_backdating_needs_its_permission_on_every_command(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ids = await things_of(gesta, acme, str((await gesta.tenant("spare")).id))
    keys = {permission: await acme.service(permission) for permission in {row.permission for row in ROWS.values()} if permission}
    keys[""] = await acme.service("approvals:read")
    narrow = await gesta.platform.post("/api-keys", {"name": "n", "permissions": ["tenants:manage"]})
    earlier = (datetime.now(UTC) - timedelta(days=3)).isoformat().replace("+00:00", "Z")
    tried = 0
    for (method, path), headers in described_headers().items():
        if "Gesta-Occurred-At" not in headers:
            continue
        row = ROWS[method, path]
        key = Client(gesta.http, narrow.json()["token"]) if row.where == "platform" else keys[row.permission or ""]
        refused = await ask_plainly(key.with_headers(Gesta_Occurred_At=earlier), method, path, row, ids)
        assert refused.status_code == 403, (method, path, refused.text)
        assert "events:backdate" in refused.json()["detail"], (method, path, refused.text)
        tried += 1
    assert tried > 25
    warnings = (await acme.admin.get("/audit-logs", severity="warning", limit="200")).json()["items"]
    recorded = [each for each in warnings if each["outcome"] == "refused"]
    assert len(recorded) > 25
    assert all(each["occurred_at"] > earlier for each in recorded), "a refusal is of the moment when it was refused"


async def test_a_header_that_cannot_be_honoured_is_refused(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ids = await things_of(gesta, acme, str((await gesta.tenant("spare")).id))
    sent = {"Idempotency-Key": "k", "If-Match": '"1"', "Gesta-Occurred-At": "2026-01-01T00:00:00Z"}
    for (method, path), described in described_headers().items():
        row = ROWS[method, path]
        client = gesta.platform if row.where == "platform" else acme.admin
        for name in OF_COMMANDS - described:
            refused = await ask_plainly(client.with_headers(**{name: sent[name]}), method, path, row, ids)
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (422, "not_applicable"), (method, path, name, refused.text)
            assert problem["errors"][0]["path"] == name
    for path in ("/jobs/{id}/complete", "/jobs/{id}/fail", "/jobs/report", "/executions"):
        assert "If-Match" not in described_headers()["POST", path]
    for path in ("/jobs/lease", "/jobs/{id}/heartbeat", "/jobs/{id}/release", "/ai-tasks/{id}/retry", "/workflows/validate"):
        assert not OF_COMMANDS & described_headers()["POST", path]


async def test_an_idempotency_key_is_of_whom_it_is_used_for(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    service = await acme.service("executions:start", "users:act_as", "events:backdate")
    one, other = await acme.member("owner"), await acme.member("owner")
    started = {}
    for name, member in (("one", one), ("other", other), ("one again", one)):
        acting = service.with_headers(Gesta_On_Behalf_Of=member.user_id)
        answer = await acting.post("/executions", START, Idempotency_Key="same")
        started[name] = (answer.json()["id"], "Idempotency-Replayed" in answer.headers)
    assert started["one again"] == (started["one"][0], True)
    assert started["other"][0] != started["one"][0]
    plain = await service.post("/executions", START, Idempotency_Key="same")
    assert plain.json()["id"] not in {id for id, _ in started.values()}


async def test_an_idempotency_key_stands_for_one_moment(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    service = await acme.service("executions:start", "events:backdate")
    first, later = "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"
    made = await service.post("/executions", START, Idempotency_Key="k", Gesta_Occurred_At=first)
    assert made.status_code == 201, made.text
    again = await service.post("/executions", START, Idempotency_Key="k", Gesta_Occurred_At="2026-01-01T10:00:00+01:00")
    assert again.json()["id"] == made.json()["id"], "the same moment in another zone"
    for headers in ({"Gesta_Occurred_At": later}, {}):
        reused = await service.post("/executions", START, Idempotency_Key="k", **headers)
        assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")


async def test_an_idempotency_key_of_the_platform_is_of_one_tenant(gesta: Gesta) -> None:
    for slug in ("acme", "other"):
        tenant = await gesta.tenant(slug)
        changed = await tenant.admin.call("PATCH", "/tenant", {"description": "New"}, headers={"Idempotency-Key": "same"})
        assert "Idempotency-Replayed" not in changed.headers
        assert changed.json()["id"] == str(tenant.id)


async def test_bulk_without_the_permission_is_refused_as_a_whole(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    reader = await acme.service("executions:read")
    refused = await reader.post("/executions/bulk", {"workflow_key": "instant", "items": [{}, {}]})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


async def test_the_platform_has_no_members_on_whose_behalf_one_could_act(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    owner = await acme.member("owner")
    refused = await gesta.platform.post("/tenants", {"slug": "other", "name": "Other"}, Gesta_On_Behalf_Of=owner.user_id)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_a_member")
