"""Secrets are written, rotated and deleted, and their values are told to nobody."""

from uuid import UUID

import psycopg
import pytest

from domain.secret import SECRET
from runtime.master_keys import KEY_BYTES, MasterKeys
from runtime.pools import open_pool
from store.handler import open_handler
from store.vault import NotSetUp, SecretError, Vault
from tests.api.conftest import MASTER_KEYS, Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.working import run_sql
from tests.conftest import Database
from tests.in_turn import in_turn
from tests.planted import everywhere

PLANTED = 'pl4nted-"s€cret"-value'
NEW = {"name": "crm_token", "value": PLANTED, "hosts": ["api.crm.example"], "description": "For the CRM"}


async def opened(database: Database, tenant_id: UUID, name: str = "crm_token", keys: MasterKeys | None = MASTER_KEYS) -> str:
    """As a worker opens it."""
    async with open_handler(database.system_url) as handler, open_pool(database.system_url, name="test", size=1) as pool:
        return (await Vault(handler, pool, keys).open(tenant_id, name)).text


async def test_a_secret_is_written_and_never_read(gesta: Gesta, acme: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    person = await acme.member("admin")
    made = await person.client.post("/secrets", NEW)
    assert made.status_code == 201, made.text
    secret = made.json()
    assert {**secret, "id": "…"} == {
        "id": "…",
        "name": "crm_token",
        "description": "For the CRM",
        "hosts": ["api.crm.example"],
        "number": 1,
        "version": 1,
    }
    assert await opened(gesta.database, acme.id) == PLANTED

    rotated = await person.client.post(f"/secrets/{secret['id']}/rotate", {"value": PLANTED + "2"})
    assert rotated.json()["number"] == 2
    assert rotated.json()["hosts"] == ["api.crm.example"], "they stay as they were"
    assert await opened(gesta.database, acme.id) == PLANTED + "2"

    found = await person.client.get(f"/secrets/{secret['id']}", at_least=rotated.headers["Gesta-Position"])
    assert (found.json()["rotated_by"], found.json()["created_by"]) == (person.user_id, person.user_id)
    listed = await person.client.get("/secrets", name="crm_token")
    assert [one["id"] for one in listed.json()["items"]] == [secret["id"]]
    told = await acme.admin.get("/audit-logs", resource="secret")
    assert [(one["action"], one["user_id"]) for one in told.json()["items"]] == [
        ("secret.rotated", person.user_id),
        ("secret.created", person.user_id),
    ]

    gone = await person.client.call("DELETE", f"/secrets/{secret['id']}")
    assert (gone.status_code, gone.json()["name"]) == (200, "crm_token")
    with pytest.raises(SecretError, match="no secret crm_token"):
        await opened(gesta.database, acme.id)
    assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.secrets") == 0
    again = await person.client.post("/secrets", {**NEW, "hosts": []})
    assert (again.status_code, again.json()["id"], again.json()["version"]) == (201, secret["id"], 4)

    assert everywhere(gesta.database, "For the CRM"), "what is looked for is found where it is"
    assert not everywhere(gesta.database, PLANTED)
    answers = [made, rotated, found, listed, told, gone, again]
    assert not any("pl4nted" in answer.text for answer in answers)
    assert "pl4nted" not in caplog.text


async def test_a_request_sent_again_makes_no_second_secret_and_tells_nothing_of_the_first(gesta: Gesta, acme: Tenant) -> None:
    first = await acme.admin.post("/secrets", NEW, Idempotency_Key="one")
    again = await acme.admin.post("/secrets", NEW, Idempotency_Key="one")
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (201, first.json(), "true")
    other = await acme.admin.post("/secrets", {**NEW, "value": PLANTED + "!"}, Idempotency_Key="one")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert await opened(gesta.database, acme.id) == PLANTED
    clash = await acme.admin.post("/secrets", NEW)
    assert (clash.status_code, clash.json()["code"]) == (409, "name_taken")


@in_turn(
    ("changes", "path"),
    [
        ({"name": "Crm"}, "/name"),
        ({"value": "t00few"}, "/value"),
        ({"value": "x" * 40_000}, "/value"),
        ({"hosts": ["https://api.crm.example/"]}, "/hosts/0"),
        ({"hosts": ["a.example", "b.example:443"]}, "/hosts/1"),
        ({"extra": 1}, "/extra"),
    ],
)
async def test_what_is_wrong_is_named_and_the_value_is_not_cited(acme: Tenant, changes: dict[str, object], path: str) -> None:
    refused = await acme.admin.post("/secrets", {**NEW, **changes})
    assert refused.status_code == 422, refused.text
    assert [error["path"] for error in refused.json()["errors"]] == [path]
    assert "pl4nted" not in refused.text
    assert "t00few" not in refused.text


async def test_who_may_not_manage_secrets_writes_nothing(gesta: Gesta, acme: Tenant) -> None:
    designer = (await acme.member("designer")).client
    refused = await designer.post("/secrets", NEW)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert await run_sql(gesta.database, "SELECT count(*) FROM runtime.secrets") == 0
    assert (await designer.get("/secrets")).status_code == 200, "but sees which there are"


async def test_without_a_master_key_it_says_so(database: Database) -> None:
    token = await platform_key(database)
    async with projecting(database) as projector, serving(database, master_keys=None) as http:
        tenant = await Gesta(http, database, Client(http, token), projector).tenant()
        refused = await tenant.admin.post("/secrets", NEW)
        assert (refused.status_code, refused.json()["code"]) == (503, "no_master_key")
        assert (await tenant.admin.get("/secrets")).json()["items"] == []


async def test_a_sealed_value_opens_nowhere_else(gesta: Gesta, acme: Tenant) -> None:
    """Who can write to the database cannot make one tenant's, or one name's, value another's."""
    other = await gesta.tenant("other")
    for tenant in (acme, other):
        await tenant.admin.post("/secrets", NEW)
        await tenant.admin.post("/secrets", {**NEW, "name": "second", "value": "another value"})
    copied = """
    UPDATE runtime.secrets s SET master_key = o.master_key, nonce = o.nonce, ciphertext = o.ciphertext
      FROM runtime.secrets o WHERE o.tenant_id = %s AND s.tenant_id = %s"""
    async with await psycopg.AsyncConnection.connect(gesta.database.system_url) as connection:
        await connection.execute(copied, (other.id, acme.id))
    with pytest.raises(SecretError, match="another secret's"):
        await opened(gesta.database, acme.id)
    with pytest.raises(NotSetUp, match="not among those given"):
        await opened(gesta.database, other.id, keys=MasterKeys([b"o" * KEY_BYTES]))
    with pytest.raises(NotSetUp, match="GESTA_MASTER_KEY"):
        await opened(gesta.database, other.id, keys=None)


async def test_the_logins_of_people_do_not_see_what_is_sealed(gesta: Gesta, acme: Tenant) -> None:
    await acme.admin.post("/secrets", NEW)
    async with await psycopg.AsyncConnection.connect(gesta.database.api_url) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("SELECT ciphertext FROM runtime.secrets")
    async with open_handler(gesta.database.system_url) as handler:
        secret_id = UUID((await acme.admin.get("/secrets")).json()["items"][0]["id"])
        state, _ = await handler.read(acme.id, SECRET, secret_id)
    assert "pl4nted" not in repr(state)
