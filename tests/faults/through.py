"""A whole platform in this process whose every connection leads through something: a proxy, a pooler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.api.conftest import Client, Gesta, Tenant, platform_key, projecting, serving
from tests.api.definitions import AI_TASK
from tests.conftest import Database
from tests.store.proxy import Proxy
from tests.worker.house import ScriptedProvider, at_work, worker_of

CLAIM = {"workflow_key": "classify", "input": {"claim": "The roof leaks."}}


@dataclass(frozen=True)
class Through(Database):
    """A database behind a proxy over TCP."""

    proxy: Proxy

    @property
    def system_url(self) -> str:
        return self.proxy.url

    @property
    def api_url(self) -> str:
        return self.proxy.url.replace("gesta_system", "gesta_api")


@dataclass(frozen=True)
class Platform:
    """An API, a projector, a worker, and a tenant with a workflow whose AI task the worker does."""

    http: httpx2.AsyncClient
    tenant: Tenant

    async def run_one(self) -> dict[str, Any]:
        """An execution from its start to its end, as the tables show it: every part has done its share. No request may fail."""
        id = await self.start()
        while (found := await self.find(id))["status"] != "completed":  # noqa: ASYNC110  what happens elsewhere sets no event here
            await asyncio.sleep(0.02)
        return found

    async def start(self) -> str:
        started = await self.tenant.admin.post("/executions", CLAIM)
        assert started.status_code == 201, started.text
        return str(started.json()["id"])

    async def find(self, id: str) -> dict[str, Any]:
        """An execution; without a status where the tables do not show it yet, and the answer says so."""
        found = await self.tenant.admin.get(f"/executions/{id}")
        if found.status_code == 404 and "Gesta-Stale" in found.headers:
            return {"status": None}
        assert found.status_code == 200, found.text
        return dict(found.json())

    async def run_many(self, count: int = 12) -> None:
        await asyncio.gather(*(self.run_one() for _ in range(count)))


@asynccontextmanager
async def platform(database: Database) -> AsyncIterator[Platform]:
    token = await platform_key(database)
    async with projecting(database) as projector, serving(database) as http:
        tenant = await Gesta(http, database, Client(http, token), projector).tenant()
        await tenant.publish(AI_TASK)
        async with worker_of(database, provider=ScriptedProvider()) as worker, at_work(worker):
            yield Platform(http, tenant)
