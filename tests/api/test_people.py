"""Users belong to themselves: what a tenant sees of them, who changes them, and how they become its members."""

from typing import Any

import httpx2
import psycopg
import pytest

from domain.user import USER
from store.handler import Handler
from tests.api.conftest import Client, Gesta, Member, Tenant

OWN = {"preferences", "last_login_at"}


async def registered(gesta: Gesta, email: str, **more: Any) -> str:
    made = await gesta.platform.post("/users", {"email": email, "display_name": "Guest", **more})
    assert made.status_code == 201, made.text
    user_id: str = made.json()["id"]
    return user_id


async def invited(tenant: Tenant, by: Client, email: str, *roles: str) -> str:
    made = await by.post("/invitations", {"email": email, "role_ids": [await tenant.role_id(role) for role in roles]})
    assert made.status_code == 201, made.text
    invitation_id: str = made.json()["id"]
    return invitation_id


async def seen_by(client: Client, user_id: str) -> httpx2.Response:
    return await client.get(f"/users/{user_id}")


async def test_an_admin_neither_registers_nor_adds_nor_changes_a_user_and_it_is_on_record(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    owner, theirs = await acme.member("owner"), await other.member("owner")
    for method, path, body in (
        ("POST", "/users", {"email": theirs.email, "display_name": "X"}),
        ("POST", "/users", {"email": "nobody@else.example", "display_name": "X"}),
        ("POST", "/members", {"user_id": theirs.user_id, "role_ids": []}),
        ("POST", "/members", {"user_id": "00000000-0000-7000-8000-000000000000", "role_ids": []}),
        ("PATCH", f"/users/{theirs.user_id}", {"display_name": "X"}),
        ("PATCH", f"/users/{(await acme.member('viewer')).user_id}", {"display_name": "X"}),
    ):
        refused = await owner.client.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "platform_only"), path
    logged = (await acme.admin.get("/audit-logs", limit="200")).json()["items"]
    refusals = sorted(row["action"] for row in logged if row["outcome"] == "refused")
    assert refusals == sorted(["user.register", "member.add", "user.change"] * 2)


async def test_users_change_themselves_with_any_key_of_their_own(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    ada = await acme.member("viewer", permissions=["executions:read"])
    changed = await ada.client.call("PATCH", f"/users/{ada.user_id}", {"display_name": "Ada", "preferences": {"theme": "dark"}})
    assert changed.status_code == 200, changed.text
    refused = await ada.client.call("PATCH", f"/users/{ada.user_id}", {"is_active": False})
    assert (refused.status_code, refused.json()["code"]) == (403, "platform_only")
    acting = await acme.service("users:act_as", "users:manage", "users:read")
    refused = await acting.with_headers(Gesta_On_Behalf_Of=ada.user_id).call(
        "PATCH", f"/users/{ada.user_id}", {"display_name": "X"}
    )
    assert refused.status_code == 403
    changes = (await gesta.platform.get("/audit-logs", action="user.changed")).json()["items"]
    assert [(row["user_id"], row["resource_id"]) for row in changes] == [(ada.user_id, ada.user_id)]


async def test_a_tenant_sees_of_a_user_what_the_membership_shows_while_it_lasts(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    owner, ada = await acme.member("owner"), await acme.member("analyst")
    await gesta.platform.call("PATCH", f"/users/{ada.user_id}", {"preferences": {"theme": "dark"}})
    assert OWN.isdisjoint((await seen_by(owner.client, ada.user_id)).json())
    assert all(OWN.isdisjoint(row) for row in (await owner.client.get("/users")).json()["items"])
    for whole in (ada.client, acme.admin, gesta.platform):
        assert (await seen_by(whole, ada.user_id)).json()["preferences"] == {"theme": "dark"}
    await acme.admin.post(f"/members/{ada.user_id}/suspend")
    assert (await seen_by(owner.client, ada.user_id)).status_code == 200
    await acme.admin.call("DELETE", f"/members/{ada.user_id}")
    assert (await seen_by(owner.client, ada.user_id)).status_code == 404
    assert ada.user_id not in [row["id"] for row in (await owner.client.get("/users")).json()["items"]]
    assert (await owner.client.get("/users", email=ada.email)).json()["items"] == []


async def test_an_invitation_tells_nothing_of_whether_there_is_such_a_user(gesta: Gesta, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by its answer, nor by what is looked at for it: the platform's users are not asked."""
    acme = await gesta.tenant()
    owner = await acme.member("owner")
    await registered(gesta, "known@else.example")
    looked: list[Any] = []
    lookup, read = Handler.lookup, Handler.read

    async def noting_lookup(self: Handler, *about: Any) -> Any:
        looked.append(about)
        return await lookup(self, *about)

    async def noting_read(self: Handler, tenant_id: Any, aggregate: Any, stream_id: Any) -> Any:
        if aggregate is USER and str(stream_id) != owner.user_id:
            looked.append(stream_id)
        return await read(self, tenant_id, aggregate, stream_id)

    monkeypatch.setattr(Handler, "lookup", noting_lookup)
    monkeypatch.setattr(Handler, "read", noting_read)
    answers = [await owner.client.post("/invitations", {"email": f"{who}@else.example"}) for who in ("known", "unknown")]
    assert looked == []
    assert [answer.status_code for answer in answers] == [201, 201]
    first, second = [answer.json() for answer in answers]
    assert first.keys() == second.keys() == {"id", "email", "role_ids", "status", "expires_at", "version"}
    for answer in answers:
        assert answer.headers["Location"] == f"/v1/invitations/{answer.json()['id']}"
    rows = (await owner.client.get("/invitations")).json()["items"]
    assert [row["user_id"] for row in rows] == [None, None]
    assert [row["user_id"] for row in (await owner.client.get("/members")).json()["items"]] == [owner.user_id]
    assert len((await owner.client.get("/users")).json()["items"]) == 1
    again = await owner.client.post("/invitations", {"email": "KNOWN@else.example"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


async def test_who_is_invited_accepts_with_a_key_of_their_own_and_is_seen_from_then_on(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    owner, ada = await acme.member("owner"), await other.member("viewer")
    invitation_id = await invited(acme, owner.client, ada.email.upper(), "operator")
    path, body = f"/invitations/{invitation_id}/accept", {"tenant": "acme"}
    assert (await seen_by(owner.client, ada.user_id)).status_code == 404
    stranger = await other.member("owner")
    for nobody in (stranger.client, await other.service("members:manage"), owner.client):
        assert (await nobody.post(path, body)).status_code == 404
    acting = stranger.client.with_headers(Gesta_On_Behalf_Of=ada.user_id)
    assert (await acting.post(path, body)).status_code == 404
    assert (await ada.client.post(path)).status_code == 404
    assert (await ada.client.post(path, {"tenant": "absent"})).status_code == 404
    backdated = await ada.client.post(path, body, Gesta_Occurred_At="2020-01-01T00:00:00Z")
    assert backdated.status_code in (403, 422)
    accepted = await ada.client.post(path, body, Idempotency_Key="k")
    assert (accepted.status_code, accepted.json()["user_id"], accepted.json()["status"]) == (200, ada.user_id, "active")
    again = await ada.client.post(path, body, Idempotency_Key="k")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (accepted.json(), "true")
    assert (await ada.client.post(path, body)).json()["code"] == "invitation_closed"
    assert (await seen_by(owner.client, ada.user_id)).json()["email"] == ada.email
    row = (await owner.client.get(f"/invitations/{invitation_id}")).json()
    assert (row["status"], row["user_id"], row["invited_by"]) == ("accepted", ada.user_id, owner.user_id)
    logged = (await acme.admin.get("/audit-logs", limit="200", action="invitation.accepted")).json()["items"]
    assert [(one["user_id"], one["actor_id"]) for one in logged] == [(ada.user_id, ada.user_id)]
    member = (await owner.client.get(f"/members/{ada.user_id}")).json()
    assert (member["invited_by"], member["role_ids"]) == (owner.user_id, [await acme.role_id("operator")])


async def test_a_key_that_is_no_more_accepts_nothing(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    ada = await other.member("viewer")
    invitation_id = await invited(acme, acme.admin, ada.email)
    await other.admin.post(f"/members/{ada.user_id}/suspend")
    refused = await ada.client.post(f"/invitations/{invitation_id}/accept", {"tenant": "acme"})
    assert (refused.status_code, refused.json()["code"]) == (403, "member_suspended")
    await other.admin.post(f"/members/{ada.user_id}/reactivate")
    await gesta.platform.post(f"/tenants/{acme.id}/suspend")
    refused = await ada.client.post(f"/invitations/{invitation_id}/accept", {"tenant": "acme"})
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")


async def test_the_platform_answers_for_users_and_it_is_on_record(gesta: Gesta) -> None:
    acme = await gesta.tenant()
    owner = await acme.member("owner")
    invitation_id = await invited(acme, owner.client, "new@else.example", "viewer")
    early = await acme.admin.post(f"/invitations/{invitation_id}/accept")
    assert (early.status_code, early.json()["code"]) == (409, "no_user_yet")
    user_id = await registered(gesta, "New@else.example")
    accepted = await acme.admin.post(f"/invitations/{invitation_id}/accept")
    assert (accepted.status_code, accepted.json()["user_id"]) == (200, user_id)
    wrong = await acme.admin.post(f"/invitations/{invitation_id}/accept", {"tenant": "acme"})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "/tenant")
    logged = (await acme.admin.get("/audit-logs", action="invitation.accepted")).json()["items"]
    assert [row["description"] for row in logged] == ["The invitation of new@else.example was accepted by the platform."]
    added: Member = await acme.member("viewer")
    told = (await acme.admin.get("/audit-logs", limit="200", action="member.added")).json()["items"]
    assert [row["payload"]["by_platform"] for row in told if row["resource_id"] == added.user_id] == [True]
    declined = await invited(acme, owner.client, "no@else.example")
    await registered(gesta, "no@else.example")
    assert (await acme.admin.post(f"/invitations/{declined}/decline")).json()["status"] == "declined"
    withdrawn = await invited(acme, owner.client, "oops@else.example")
    assert (await owner.client.call("DELETE", f"/invitations/{withdrawn}")).json()["status"] == "withdrawn"
    pending = (await owner.client.get("/invitations", status="pending")).json()["items"]
    assert pending == []


async def test_sql_shows_a_tenant_its_members_of_now_and_nobody_else(gesta: Gesta) -> None:
    acme, other = await gesta.tenant(), await gesta.tenant("other")
    ada, ben, eve = await other.member("viewer"), await acme.member("viewer"), await acme.member("viewer")
    await invited(acme, acme.admin, ada.email)
    await acme.admin.call("DELETE", f"/members/{eve.user_id}")
    await acme.admin.get("/members")  # waits for the tables
    async with await psycopg.AsyncConnection.connect(gesta.database.api_url) as api:
        await api.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(acme.id)])
        assert await (await api.execute("SELECT id::text FROM projections.users")).fetchall() == [(ben.user_id,)]
