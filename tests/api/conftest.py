"""A running Gesta: a real server on a port of its own, over a real database, with a projector beside it.

``gesta``: make tenants, members and keys with it, and look into the ledger. Clients are `Client`s: what they call is under /v1,
with a key of their own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from api import provisioning
from api.app import create_app
from api.server import bind, new_server
from domain.envelope import PLATFORM
from domain.keys import KeyRequest
from domain.permission import PERMISSIONS
from projections.projector import Projector
from runtime.addresses import Addresses
from runtime.master_keys import KEY_BYTES, MasterKeys
from store.handler import open_handler
from tests.api.definitions import TASK
from tests.api.documented import document
from tests.conftest import Database

MASTER_KEYS = MasterKeys([b"k" * KEY_BYTES])
COUNT_EVENTS = "SELECT count(*) FROM ledger.events"


@dataclass(frozen=True)
class Client:
    """Somebody with a key."""

    http: httpx2.AsyncClient
    token: str
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None, *, headers: Any = None, **options: Any) -> httpx2.Response:
        sent = {"Authorization": f"Bearer {self.token}", **self.headers, **(headers or {})}
        if body is not None:
            options["json"] = body
        return await self.http.request(method, f"/v1{path}", headers=sent, **options)

    async def get(self, path: str, **params: Any) -> httpx2.Response:
        return await self.call("GET", path, **({"params": params} if params else {}))

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return await self.call("POST", path, body, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def with_headers(self, **headers: str) -> "Client":
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.http, self.token, {**self.headers, **renamed})


@dataclass
class Gesta:
    """The server, and the platform's client."""

    http: httpx2.AsyncClient
    database: Database
    platform: Client
    projector: Projector

    async def tenant(self, slug: str = "acme") -> "Tenant":
        made = await self.platform.post("/tenants", {"slug": slug, "name": slug.title(), "settings": {}})
        assert made.status_code == 201, made.text
        return Tenant(self, UUID(made.json()["id"]), slug, self.platform.with_headers(Gesta_Tenant=slug))

    async def events(self) -> int:
        """How many events there are in all ledgers."""
        async with await psycopg.AsyncConnection.connect(self.database.system_url) as connection:
            row = await (await connection.execute(COUNT_EVENTS)).fetchone()
        assert row is not None
        return int(row[0])


@dataclass
class Tenant:
    """A tenant; `admin` is the platform's key inside it."""

    gesta: Gesta
    id: UUID
    slug: str
    admin: Client

    async def role_id(self, key: str) -> str:
        found = await self.admin.get("/roles", key=key)
        return str(found.json()["items"][0]["id"])

    async def member(self, *roles: str, permissions: list[str] | None = None) -> "Member":
        """A new user with these roles, and a key with all that they allow, or with these permissions."""
        email = f"{secrets.token_hex(4)}@{self.slug}.example"
        user = (await self.gesta.platform.post("/users", {"email": email, "display_name": "Somebody"})).json()
        role_ids = [await self.role_id(role) for role in roles]
        added = await self.admin.post("/members", {"user_id": user["id"], "role_ids": role_ids})
        assert added.status_code == 201, added.text
        return Member(user["id"], email, await self.key(permissions, user["id"]))

    async def service(self, *permissions: str) -> Client:
        return await self.key(list(permissions), None)

    async def key(self, permissions: list[str] | None, user_id: str | None) -> Client:
        body = {"name": "test", "permissions": list(PERMISSIONS) if permissions is None else permissions, "user_id": user_id}
        made = await self.admin.post("/api-keys", body)
        assert made.status_code == 201, made.text
        return Client(self.gesta.http, made.json()["token"])

    async def publish(self, definition: dict[str, Any]) -> str:
        """The id of a workflow with this definition published."""
        drafted = await self.admin.post("/workflows", {"definition": definition})
        assert drafted.status_code == 201, drafted.text
        published = await self.admin.post(f"/workflows/{drafted.json()['id']}/publish", {"note": "first"})
        assert published.status_code == 200, published.text
        return str(drafted.json()["id"])


@dataclass(frozen=True)
class Member:
    user_id: str
    email: str
    client: Client


def addresses_of(database: Database) -> Addresses:
    return Addresses(database.owner_url, database.system_url, database.api_url, database.listen_url)


async def platform_key(database: Database) -> str:
    """Seeds the platform, and makes a key for it."""
    async with open_handler(database.system_url) as handler:
        await provisioning.seed(handler)
        return (await provisioning.create_key_as_operator(handler, PLATFORM, KeyRequest("platform", tuple(PERMISSIONS)))).token


@asynccontextmanager
async def serving(database: Database, master_keys: MasterKeys | None = MASTER_KEYS) -> AsyncIterator[httpx2.AsyncClient]:
    """The API on a port of its own, and a client for it that accepts no answer that is not as documented."""
    sock = bind("127.0.0.1", 0)
    server = new_server(create_app(addresses_of(database), pool_size=4, master_keys=master_keys))
    serving = asyncio.create_task(server.serve([sock]))
    while not server.started:
        assert not serving.done(), "the server did not start"
        await asyncio.sleep(0.005)
    host, port = sock.getsockname()
    try:
        hooks = {"response": [document().hold]}
        url, unencrypted = f"http://{host}:{port}", False  # to load certificates takes as long as to start the server
        async with httpx2.AsyncClient(base_url=url, timeout=30, event_hooks=hooks, verify=unencrypted) as http:
            yield http
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def projecting(database: Database) -> AsyncIterator[Projector]:
    projector, stop = Projector(database.system_url, listen_url=database.listen_url), asyncio.Event()
    task = asyncio.create_task(projector.run(stop))
    try:
        yield projector
    finally:
        stop.set()
        await task


async def platform_at_rest(database: Database) -> str:
    """As `platform_key`, and the tables show it."""
    token = await platform_key(database)
    await Projector(database.system_url).catch_up()
    return token


async def acme_at_rest(database: Database, token: str) -> UUID:
    """The tenant that `acme` is, as the tables show it. `token`: the platform's."""
    async with projecting(database) as projector, serving(database) as http:
        made = await Gesta(http, database, Client(http, token), projector).tenant()
        await made.publish(TASK)
    await Projector(database.system_url).catch_up()
    return made.id


@pytest.fixture
async def gesta(database: Database, seeded: tuple[str, str]) -> AsyncIterator[Gesta]:
    _, token = seeded
    async with projecting(database) as projector, serving(database) as http:
        yield Gesta(http, database, Client(http, token), projector)


@pytest.fixture
async def acme(gesta: Gesta, seeded_acme: tuple[str, UUID]) -> Tenant:
    """A tenant with a workflow that has work for a worker."""
    return Tenant(gesta, seeded_acme[1], "acme", gesta.platform.with_headers(Gesta_Tenant="acme"))


@pytest.fixture
async def worker(acme: Tenant) -> Client:
    return await acme.service("jobs:work")
