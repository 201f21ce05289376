"""Every route, asked by every kind of caller for what is theirs, another tenant's, and not there: held against one table."""

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx2
import pytest
from fastapi.routing import APIRoute

from api import provisioning, tries
from api.app import create_app
from api.routing import KeyRoute
from domain.access import STAYS_POSSIBLE
from domain.envelope import PLATFORM
from domain.keys import KeyRequest
from domain.permission import PERMISSIONS
from runtime.addresses import Addresses
from store.handler import open_handler
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import AI_TASK, APPROVAL, HOOKED, INSTANT, SCHEDULED, TASK
from tests.api.rights import BUDGET, KINDS, NUMBERS, ROWS, SUITE, Ids, Row
from tests.api.working import BURY, leased, run_sql, start
from tests.clock import ManualClock
from tests.conftest import Database

ALL = bool(os.environ.get("GESTA_TEST_ALL"))
Refused = tuple[int, str]
Verdict = Refused | Literal["may"]
NOBODYS = "00000000-0000-0000-0000-000000000000"
UNAUTHORIZED: Refused = (401, "unauthorized")
DENIED: Refused = (403, "permission_denied")
PLATFORMS_ALONE: Refused = (403, "platform_only")
ABSENT: Refused = (404, "not_found")
PLATFORM_ROUTES_ONLY: Refused = (422, "tenant_required")


def routes() -> list[tuple[str, str]]:
    app = create_app(Addresses("", "", "", ""))
    return [
        (method, route.path.removeprefix("/v1"))
        for route in app.routes
        if isinstance(route, KeyRoute)
        for method in sorted(route.methods or ())
    ]


def test_every_route_has_a_row() -> None:
    assert sorted(ROWS) == sorted(routes())
    app = create_app(Addresses("", "", "", ""))
    keyless = {route.path for route in app.routes if isinstance(route, APIRoute) and not isinstance(route, KeyRoute)}
    assert not {path for path in keyless if path.startswith("/v1")}, "whoever asks under /v1 shows a key"


@dataclass(frozen=True)
class Asker:
    """One kind of caller. `client`: with the key for a permission. `own`: the things that are theirs; None: nothing is."""

    name: str
    client: Callable[[str | None], Client]
    verdict: Callable[[Row, str], Verdict]
    own: Ids | None
    is_platform: bool = False
    is_outside: bool = False
    """A platform key without a tenant."""
    is_nobody: bool = False
    """Is refused whatever they ask for, before anything is looked up."""


def always(verdict: Verdict) -> Callable[[Row, str], Verdict]:
    return lambda _row, _method: verdict


def in_tenant(verdict: Verdict, person: bool = False) -> Callable[[Row, str], Verdict]:
    """What somebody of a tenant is answered: for them there is nothing that is the platform's alone."""

    def of(row: Row, _method: str) -> Verdict:
        if row.where == "platform":
            return ABSENT
        if row.permission is None:
            return (403, row.nobody) if row.person and not person else "may"
        if row.addressed:
            return ABSENT
        if verdict == "may" and row.platforms:
            return PLATFORMS_ALONE
        if verdict == "may" and row.person and not person:
            return (403, row.nobody)
        return verdict

    return of


def on_behalf(row: Row, method: str) -> Verdict:
    return (403, "own_name_only") if row.own_name else in_tenant("may", person=True)(row, method)


def outside(verdict: Verdict) -> Callable[[Row, str], Verdict]:
    """What a platform key without a tenant is answered."""

    def of(row: Row, _method: str) -> Verdict:
        if row.where == "tenant":
            return PLATFORM_ROUTES_ONLY
        return "may" if row.permission is None else verdict

    return of


def inside(verdict: Verdict) -> Callable[[Row, str], Verdict]:
    """What a platform key in a tenant is answered."""

    def of(row: Row, _method: str) -> Verdict:
        if row.permission is None:
            return (403, row.nobody) if row.person else "may"
        return (403, row.nobody) if verdict == "may" and row.person else verdict

    return of


def in_suspended(row: Row, method: str) -> Verdict:
    """What a platform key in a suspended tenant is answered: it reads, and puts in order who may what."""
    if method == "GET" or row.where == "platform" or row.permission in STAYS_POSSIBLE:
        return (403, row.nobody) if row.person else "may"
    return (403, "tenant_suspended")


@dataclass
class World:
    """Who asks, and for what. `keys`: by caller and permission."""

    askers: list[Asker]
    foreign: Ids


async def things_of(gesta: Gesta, tenant: Tenant, spare_tenant: str) -> Ids:
    """One thing of each kind, for callers to try their rights on: none of it is worth more than anybody's rights."""
    admin, of = tenant.admin, {}
    of["workflow"], of["workflow_key"] = await tenant.publish(INSTANT), INSTANT["key"]
    for definition in (APPROVAL, AI_TASK, TASK):
        await tenant.publish(definition)
    await tenant.publish(SCHEDULED)
    await tenant.publish(HOOKED)
    of["trigger"], of["webhook"] = [await triggered(tenant, type) for type in ("schedule", "webhook")]
    asked = (await admin.post("/executions", {"workflow_key": "purchase", "input": {"amount": 1}})).json()
    of["execution"], of["approval"] = asked["id"], asked["open"][0]["id"]
    classified = (await admin.post("/executions", {"workflow_key": "classify", "input": {"claim": "Taxi"}})).json()
    of["ai_task"] = classified["open"][0]["id"]
    owner = await tenant.member("owner", "approver")
    of["owner"], of["tenant"] = owner.user_id, spare_tenant
    of["user"], of["member"] = (await tenant.member()).user_id, (await tenant.member()).user_id
    of["api_key"] = (await admin.post("/api-keys", {"name": "k", "permissions": []})).json()["id"]
    of["service_key"] = (await admin.post("/api-keys", {"name": "s", "permissions": []})).json()["id"]

    async def dead_job() -> str:
        await start(tenant)
        job = await leased(admin)
        await run_sql(gesta.database, BURY)
        return str(job["id"])

    async def own_job() -> str:
        return str((await admin.post("/jobs", {"type": "other"})).json()["id"])

    async def role() -> str:
        body = {"key": f"r{await gesta.events()}", "name": "R", "permissions": []}
        return str((await admin.post("/roles", body)).json()["id"])

    async def member() -> str:
        return (await tenant.member()).user_id

    async def delegation() -> str:
        given = {"from_user_id": await member(), "to_user_id": of["owner"]}
        return str((await admin.post("/delegations", given)).json()["id"])

    async def approval_link() -> str:
        asked = (await admin.post("/approvals", {"title": "Sure?", "by": {"users": [of["owner"]]}})).json()
        given = {"outcome": "approved", "user_id": of["owner"]}
        return str((await admin.post(f"/approvals/{asked['id']}/links", given)).json()["id"])

    async def limit() -> str:
        given = {"scope": "key", "name": f"key-{await gesta.events()}", "concurrency": 9}
        return str((await admin.post("/limits", given)).json()["id"])

    async def budget() -> str:
        key = f"budget-{await gesta.events()}"
        await admin.call("PUT", f"/budgets/{key}", BUDGET)
        return key

    async def invitation() -> str:
        """Of somebody who is registered, so that the platform can answer for them."""
        email = f"guest-{await gesta.events()}@else.example"
        await gesta.platform.post("/users", {"email": email, "display_name": "Guest"})
        return str((await admin.post("/invitations", {"email": email})).json()["id"])

    async def secret() -> str:
        body = {"name": f"s{await gesta.events()}", "value": "sesame, open"}
        return str((await admin.post("/secrets", body)).json()["id"])

    bulk = {"action": "pause", "execution_ids": [of["execution"]]}
    of["bulk_operation"] = (await admin.post("/bulk-operations", bulk)).json()["id"]

    async def endpoint() -> str:
        body = {"url": "https://hooks.example/", "events": ["approval.*"]}
        return str((await admin.post("/notifications/endpoints", body)).json()["id"])

    async def ai_provider() -> str:
        key = f"provider-{next(NUMBERS)}"
        await admin.call("PUT", f"/ai-providers/{key}", {"kind": "openai_compatible", "base_url": "https://models.example/v1"})
        return key

    async def retention() -> str:
        kept = {"days": 365, "workflow_key": INSTANT["key"]}
        return str((await admin.post("/retention", kept)).json()["id"])

    async def ai_model() -> str:
        key = f"model-{next(NUMBERS)}"
        await admin.call("PUT", f"/ai-models/{key}", {"models": ["offline/echo"]})
        return key

    of["endpoint"] = await endpoint()
    of["delivery"] = (await admin.post(f"/notifications/endpoints/{of['endpoint']}/test")).json()["id"]
    of["role"], of["dead_job"], of["invitation"] = await role(), await dead_job(), await invitation()
    of["secret"], of["own_job"] = await secret(), await own_job()
    of["limit"], of["budget"], of["retention"] = await limit(), await budget(), await retention()
    hours = {"mon": [{"from": "09:00", "to": "17:00"}]}
    of["delegation"], of["approval_link"] = await delegation(), await approval_link()
    of["evaluation"] = (await admin.post("/evaluations", SUITE)).json()["id"]
    of["prompt"] = f"prompt-{tenant.slug}"
    await admin.post("/prompts", {"key": of["prompt"], "template": {"user": "Hello."}})
    await admin.post(f"/prompts/{of['prompt']}/publish")
    calendar = {"key": "de", "name": "DE", "time_zone": "UTC", "hours": hours}
    of["calendar"] = str((await admin.post("/calendars", calendar)).json()["id"])
    await start(tenant)
    of["job"] = (await leased(admin))["id"]
    of["ai_provider"], of["ai_model"] = await ai_provider(), await ai_model()
    assert of.keys() >= set(KINDS)
    make = {"dead_job": dead_job, "role": role, "member": member, "invitation": invitation, "secret": secret, "limit": limit}
    make |= {"budget": budget, "retention": retention}
    make |= {"ai_provider": ai_provider, "ai_model": ai_model}
    return Ids(of, {**make, "endpoint": endpoint, "delegation": delegation, "approval_link": approval_link})


async def triggered(tenant: Tenant, type: str) -> str:
    """The id of the one trigger of a type."""
    return str((await tenant.admin.get(f"/triggers?type={type}")).json()["items"][0]["id"])


async def expired_keys(database: Database, *ledgers: Any) -> list[str]:
    """Keys that were made the day before yesterday, for a day."""
    then = datetime.now(UTC) - timedelta(days=2)
    wanted = KeyRequest("expired", tuple(PERMISSIONS), expires_at=then + timedelta(days=1))
    async with open_handler(database.system_url, clock=ManualClock(then)) as handler:
        return [(await provisioning.create_key_as_operator(handler, ledger, wanted)).token for ledger in ledgers]


async def world(gesta: Gesta) -> World:
    acme, other, closed = [await gesta.tenant(slug) for slug in ("acme", "other", "closed")]
    spare, another = [(await gesta.tenant(slug)).id for slug in ("spare", "another")]
    own, foreign = await things_of(gesta, acme, str(spare)), await things_of(gesta, other, str(another))
    platforms_key = (await gesta.platform.post("/api-keys", {"name": "k", "permissions": []})).json()["id"]
    of_platform = Ids({**own.of, "api_key": platforms_key, "service_key": platforms_key}, own.make)
    owner = await acme.member("owner", "approver")
    all_but = {one: [each for each in PERMISSIONS if each != one] for one in PERMISSIONS}

    async def platform_key(permissions: list[str]) -> Client:
        made = await gesta.platform.post("/api-keys", {"name": "narrow", "permissions": permissions})
        return Client(gesta.http, made.json()["token"])

    exact = {one: await acme.service(one) for one in PERMISSIONS}
    lacking = {one: await acme.service(*all_but[one]) for one in PERMISSIONS}
    acting = {one: await acme.service(one, "users:act_as") for one in PERMISSIONS}
    narrow = {one: await platform_key(all_but[one]) for one in PERMISSIONS}
    not_acting = {**exact, "users:act_as": exact["audit:read"]}
    only_acts = await acme.service("users:act_as")
    nobody = await acme.member()
    revoked = await acme.service(*PERMISSIONS)
    await acme.admin.call("DELETE", f"/api-keys/{(await revoked.get('/me')).json()['api_key']['id']}")
    revoked_platform = await platform_key(list(PERMISSIONS))
    await gesta.platform.call("DELETE", f"/api-keys/{(await revoked_platform.get('/me')).json()['api_key']['id']}")
    expired, expired_platform = [Client(gesta.http, key) for key in await expired_keys(gesta.database, acme.id, PLATFORM)]
    deactivated, suspended, returned = [await acme.member("owner", "approver") for _ in range(3)]
    await gesta.platform.call("PATCH", f"/users/{deactivated.user_id}", {"is_active": False})
    await acme.admin.post(f"/members/{suspended.user_id}/suspend")
    await acme.admin.call("DELETE", f"/members/{returned.user_id}")
    await acme.admin.post("/members", {"user_id": returned.user_id, "role_ids": [await acme.role_id("owner")]})
    of_closed = await closed.service(*PERMISSIONS)
    await gesta.platform.post(f"/tenants/{closed.id}/suspend")

    def of(keys: dict[str, Client], **headers: str) -> Callable[[str | None], Client]:
        """The key for a permission; where none is needed, any."""
        return lambda permission: keys[permission or "users:act_as"].with_headers(**headers)

    def just(client: Client) -> Callable[[str | None], Client]:
        return lambda _permission: client

    as_owner, in_acme = {"Gesta_On_Behalf_Of": owner.user_id}, {"Gesta_Tenant": "acme"}
    askers = [
        Asker("platform key", just(gesta.platform), outside("may"), of_platform, True, True),
        Asker("platform key in a tenant", just(acme.admin), inside("may"), own, True),
        Asker("platform key in a suspended tenant", just(closed.admin), in_suspended, None, True),
        Asker("narrow platform key", of(narrow), outside(DENIED), of_platform, True, True),
        Asker("narrow platform key in a tenant", of(narrow, **in_acme), inside(DENIED), own, True),
        Asker("revoked platform key", just(revoked_platform), always(UNAUTHORIZED), own, is_nobody=True),
        Asker("expired platform key", just(expired_platform.with_headers(**in_acme)), always(UNAUTHORIZED), own, is_nobody=True),
        Asker("tenant key with just the permission", of(exact), in_tenant("may"), own),
        Asker("tenant key without the permission", of(lacking), in_tenant(DENIED), own),
        Asker("key of a member", just(owner.client), in_tenant("may", person=True), own),
        Asker("key of a member without roles", just(nobody.client), in_tenant(DENIED, person=True), own),
        Asker("revoked key", just(revoked), always(UNAUTHORIZED), own, is_nobody=True),
        Asker("expired key", just(expired), always(UNAUTHORIZED), own, is_nobody=True),
        Asker("key of a deactivated user", just(deactivated.client), always((403, "user_deactivated")), own, is_nobody=True),
        Asker("key of a suspended member", just(suspended.client), always((403, "member_suspended")), own, is_nobody=True),
        Asker("old key of a member who came back", just(returned.client), always(UNAUTHORIZED), own, is_nobody=True),
        Asker("key of a suspended tenant", just(of_closed), always((403, "tenant_suspended")), own, is_nobody=True),
        Asker("on behalf of a member", of(acting, **as_owner), on_behalf, own),
        Asker(
            "on behalf of, without the permission", just(only_acts.with_headers(**as_owner)), in_tenant(DENIED, person=True), own
        ),
        Asker("on behalf of, without users:act_as", of(not_acting, **as_owner), always(DENIED), own, is_nobody=True),
        Asker(
            "on behalf of a suspended member",
            of(acting, Gesta_On_Behalf_Of=suspended.user_id),
            always((403, "member_suspended")),
            own,
            is_nobody=True,
        ),
    ]
    return World(askers, foreign)


async def ask(asker: Asker, method: str, path: str, row: Row, ids: Ids) -> httpx2.Response:
    return await ask_plainly(asker.client(row.permission), method, path, row, ids)


async def ask_plainly(client: Client, method: str, path: str, row: Row, ids: Ids) -> httpx2.Response:
    id = ids.of.get(row.about or "", "")
    filled = (
        path.replace("{id}", id)
        .replace("{user_id}", id)
        .replace("{key}", id or "made")
        .replace("{number}", "1")
        .replace("{table}", "workflow_executions")
        .replace("{comment_id}", NOBODYS)
    )
    body = None if row.body is None else row.body(ids)
    return await client.call(method, filled, body)


def told(answer: httpx2.Response) -> Any:
    """A problem without what is of this request alone."""
    return {name: value for name, value in answer.json().items() if name != "request_id"}


class Holding:
    """Asks, and compares with what must hold. `tried` counts; `broken` says what did not hold."""

    def __init__(self, foreign: Ids) -> None:
        self.foreign = foreign
        self.tried = 0
        self.broken: list[str] = []

    async def hold(self, asker: Asker, method: str, path: str, row: Row) -> None:
        verdict = row_verdict = asker.verdict(row, method)
        own = asker.own or self.foreign
        if row_verdict != "may":
            targets = [own] if row.about is None else [own, self.foreign, self.foreign.absent()]
            if asker.is_nobody and not (ALL and row_verdict != UNAUTHORIZED):  # one of them each, by turns
                targets = targets[len(asker.name + path) % len(targets) :][:1]
            for answer in [await ask(asker, method, path, row, ids) for ids in targets]:
                self.compare(asker, method, path, answer, [row_verdict])
            return
        if row.about is None or asker.own is not None:
            if row.fresh and row.about is not None:
                own = Ids({**own.of, row.about: await own.make[row.about]()}, own.make)
            self.compare(asker, method, path, await ask(asker, method, path, row, own), row.done, "own")
        if row.about is None:
            return
        theirs = await ask(asker, method, path, row, self.foreign)
        missing = await ask(asker, method, path, row, self.foreign.absent())
        self.compare(asker, method, path, missing, [row.absent], "absent")
        if (asker.is_platform and row.everywhere == "always") or (asker.is_outside and row.everywhere):
            self.compare(asker, method, path, theirs, row.done, "foreign")
            return
        self.compare(asker, method, path, theirs, [row.absent], "foreign")
        if told(theirs) != told(missing):
            self.broken.append(f"{asker.name}: {method} {path} tells another tenant's from what is absent: {verdict}")

    def compare(
        self, asker: Asker, method: str, path: str, answer: httpx2.Response, expected: Iterable[int | Refused], what: str = ""
    ) -> None:
        self.tried += 1
        code = answer.json().get("code", "") if answer.status_code >= 400 else ""
        if answer.status_code not in expected and (answer.status_code, code) not in expected:
            found = f"{answer.status_code} {answer.text[:300]}"
            self.broken.append(f"{asker.name}: {method} {path} {what}: {found} where {expected} must hold")


@pytest.fixture(autouse=True)
def nobody_is_kept_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here one address presents more invalid keys than any is allowed to."""
    monkeypatch.setattr(tries, "BURST", 100_000)


async def test_every_route_holds_for_every_caller(gesta: Gesta, record_property: Callable[[str, object], None]) -> None:
    made = await world(gesta)
    holding = Holding(made.foreign)
    for number, ((method, path), row) in enumerate(ROWS.items()):
        refused = [asker for asker in made.askers if asker.verdict(row, method) != "may"]
        unknown = [asker for asker in refused if asker.verdict(row, method) == UNAUTHORIZED]
        by_turns = unknown if ALL else [unknown[turn % len(unknown)] for turn in (number, number + 1)]
        asking = by_turns + [asker for asker in refused if asker not in unknown]
        await asyncio.gather(*(holding.hold(asker, method, path, row) for asker in asking))
        for asker in made.askers:
            if asker not in refused:
                await holding.hold(asker, method, path, row)
    record_property("said", f"rights: {holding.tried} combinations of callers, routes and things were tried")
    assert not holding.broken, "\n".join(holding.broken)
