"""Rights that change in another process: from the answer on, a command goes by them; reads soon after; and a no is never kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx2
import pytest

from api import session
from api.session import Sessions
from domain.permission import PERMISSIONS
from tests.api.conftest import Client, Gesta, Member, Tenant, serving
from tests.api.definitions import INSTANT

START = {"workflow_key": "instant"}
SECONDS = 10.0


@dataclass
class Two:
    """Two processes; `acme` and all changes by way of the first, `there`: a client of the second."""

    gesta: Gesta
    acme: Tenant
    elsewhere: httpx2.AsyncClient

    def there(self, client: Client) -> Client:
        return Client(self.elsewhere, client.token, client.headers)


@pytest.fixture
async def two(gesta: Gesta) -> AsyncIterator[Two]:
    acme = await gesta.tenant()
    await acme.publish(INSTANT)
    async with serving(gesta.database) as elsewhere:
        yield Two(gesta, acme, elsewhere)


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody hears that rights have changed, and what was read is kept for good."""
    monkeypatch.setattr(Sessions, "hear", lambda *_: None)
    monkeypatch.setattr(Sessions, "look_everywhere", lambda *_: None)
    monkeypatch.setattr(session, "KEEP_SECONDS", 3600.0)


async def platform_key(two: Two) -> tuple[Client, str]:
    made = (await two.gesta.platform.post("/api-keys", {"name": "root", "permissions": list(PERMISSIONS)})).json()
    return Client(two.gesta.http, made["token"], {"Gesta-Tenant": "acme"}), made["id"]


Loss = Callable[[Two], Awaitable[tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]]]


async def revoked(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    client, id = await platform_key(two)
    return client, lambda: two.gesta.platform.call("DELETE", f"/api-keys/{id}"), 401


async def suspended_tenant(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    client = await two.acme.service("executions:start", "executions:read")
    return client, lambda: two.gesta.platform.post(f"/tenants/{two.acme.id}/suspend"), 403


async def suspended_tenant_of_the_platform(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    return two.acme.admin, lambda: two.gesta.platform.post(f"/tenants/{two.acme.id}/suspend"), 403


async def deactivated(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    member = await two.acme.member("operator")
    return member.client, lambda: two.gesta.platform.call("PATCH", f"/users/{member.user_id}", {"is_active": False}), 403


async def deactivated_other(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    member = await two.acme.member("operator")
    service = await two.acme.service("executions:start", "users:act_as")
    acting = service.with_headers(Gesta_On_Behalf_Of=member.user_id)
    return acting, lambda: two.gesta.platform.call("PATCH", f"/users/{member.user_id}", {"is_active": False}), 403


async def suspended_member(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    member = await two.acme.member("operator")
    return member.client, lambda: two.acme.admin.post(f"/members/{member.user_id}/suspend"), 403


async def maker_revoked(two: Two) -> tuple[Client, Callable[[], Awaitable[httpx2.Response]], int]:
    client, id = await platform_key(two)
    made = (await client.post("/api-keys", {"name": "made", "permissions": ["executions:start"]})).json()["token"]
    return Client(two.gesta.http, made), lambda: two.gesta.platform.call("DELETE", f"/api-keys/{id}"), 401


LOSSES: dict[str, Loss] = {
    "a platform key is revoked": revoked,
    "a platform key is revoked that made the key": maker_revoked,
    "the tenant is suspended": suspended_tenant,
    "the tenant is suspended, and the platform asks": suspended_tenant_of_the_platform,
    "the user is deactivated": deactivated,
    "the user is deactivated on whose behalf it is": deactivated_other,
    "the member is suspended": suspended_member,
}


@pytest.mark.usefixtures("deaf")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
async def test_a_command_in_another_process_goes_by_it_at_once(two: Two, loss: Loss) -> None:
    client, lose, status = await loss(two)
    there = two.there(client)
    assert (await there.post("/executions", START)).status_code == 201
    lost = await lose()
    assert lost.status_code == 200, lost.text
    refused = await there.post("/executions", START)
    assert refused.status_code == status, refused.text


async def test_reads_in_another_process_are_told(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "KEEP_SECONDS", 3600.0)
    for loss in (revoked, deactivated, suspended_member, suspended_tenant):
        client, lose, status = await loss(two)
        there = two.there(client)
        assert (await there.get("/executions")).status_code == 200
        await lose()
        await until(there, status)


async def until(client: Client, status: int) -> None:
    async with asyncio.timeout(SECONDS):
        while (await client.get("/executions")).status_code != status:
            pass


@pytest.mark.usefixtures("deaf")
async def test_a_right_that_is_given_is_there_at_once(two: Two) -> None:
    viewer = await two.acme.member()
    there = two.there(viewer.client)
    assert (await there.get("/executions")).status_code == 403
    assert (await there.post("/executions", START)).status_code == 403
    await give(two, viewer, "operator")
    assert (await there.get("/executions")).status_code == 200
    assert (await there.post("/executions", START)).status_code == 201


async def give(two: Two, member: Member, role: str) -> None:
    changed = await two.acme.admin.call("PATCH", f"/members/{member.user_id}", {"role_ids": [await two.acme.role_id(role)]})
    assert changed.status_code == 200, changed.text


@pytest.mark.usefixtures("deaf")
async def test_what_was_absent_is_found_as_soon_as_it_is_there(two: Two) -> None:
    elsewhere = two.there(two.gesta.platform)
    assert (await elsewhere.with_headers(Gesta_Tenant="late").get("/executions")).status_code == 404
    late = await two.gesta.tenant("late")
    assert (await elsewhere.with_headers(Gesta_Tenant="late").get("/executions")).status_code == 200
    user = (await two.gesta.platform.post("/users", {"email": "late@late.example", "display_name": "Late"})).json()["id"]
    acting = two.there(late.admin).with_headers(Gesta_On_Behalf_Of=user)
    assert (await acting.get("/me")).json()["code"] == "not_a_member"
    assert (await late.admin.post("/members", {"user_id": user, "role_ids": []})).status_code == 201
    assert (await acting.get("/me")).status_code == 200


@pytest.mark.usefixtures("deaf")
async def test_a_suspended_member_and_tenant_go_on_at_once(two: Two) -> None:
    member = await two.acme.member("operator")
    there = two.there(member.client)
    for path, by in ((f"/members/{member.user_id}", two.acme.admin), (f"/tenants/{two.acme.id}", two.gesta.platform)):
        await by.post(f"{path}/suspend")
        assert (await there.post("/executions", START)).status_code == 403
        await by.post(f"{path}/reactivate")
        assert (await there.post("/executions", START)).status_code == 201


@pytest.mark.usefixtures("deaf")
async def test_a_key_that_was_handed_over_goes_by_its_new_owner(two: Two) -> None:
    first, second = await two.acme.member("owner"), await two.acme.member("owner")
    made = (await first.client.post("/api-keys", {"name": "importer", "permissions": ["executions:start"]})).json()
    there = two.there(Client(two.gesta.http, made["token"]))
    assert (await there.post("/executions", START)).status_code == 201
    await two.acme.admin.post(f"/api-keys/{made['id']}/hand-over", {"owner_id": second.user_id})
    await two.gesta.platform.call("PATCH", f"/users/{first.user_id}", {"is_active": False})
    assert (await there.post("/executions", START)).status_code == 201
    await two.gesta.platform.call("PATCH", f"/users/{second.user_id}", {"is_active": False})
    refused = await there.post("/executions", START)
    assert (refused.status_code, refused.json()["code"]) == (403, "user_deactivated")


async def test_two_owners_cannot_remove_each_other_at_the_same_time(two: Two) -> None:
    for slug in ("first", "second", "third"):
        tenant = await two.gesta.tenant(slug)
        one, other = await tenant.member("owner"), await tenant.member("owner")
        here = one.client.call("DELETE", f"/members/{other.user_id}")
        there = two.there(other.client).call("DELETE", f"/members/{one.user_id}")
        done, refused = sorted(answer.status_code for answer in await asyncio.gather(here, there))
        assert done == 200
        assert refused in (401, 403, 409)
        members = (await tenant.admin.get("/members")).json()["items"]
        (last,) = [member["user_id"] for member in members if member["status"] == "active"]
        stays = await tenant.admin.call("DELETE", f"/members/{last}")
        assert (stays.status_code, stays.json()["code"]) == (409, "last_owner")
