"""A platform of two processes of each kind, whose every connection to PostgreSQL leads through a proxy, and its tenants."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from client import AsyncClient, Worker
from examples.declarations.turns import InTurns
from projections.projector import Projector
from runtime.pools import Connection
from runtime.postgres import EmbeddedServer, embedded
from tests.api.behind import agent, approval, job, line
from tests.api.conftest import Client, Gesta, Tenant
from tests.conftest import Database
from tests.faults.platform import PATIENCE, Process, answering, gesta
from tests.store.proxy import Proxy, proxied_tcp

EACH = 2
LEASE_SECONDS = 2
RETRY = {"max_attempts": 50, "initial_interval": "PT0.05S", "max_interval": "PT0.5S"}
POISONED = "poisoned"
OTHERS = ("alpha", "beta", "gamma")


def definition() -> dict[str, Any]:
    """A model, a person who may be late, a worker's task: every part of the platform has its share in each execution."""
    made = line(
        "chaos", {**agent("draft"), "retry": RETRY}, approval("review", timeout="PT1S"), {**job("polish"), "retry": RETRY}
    )
    made["nodes"].append(approval("late"))
    made["edges"] += [
        {"source": "review", "source_handle": "timeout", "target": "late"},
        {"source": "late", "source_handle": "approved", "target": "polish"},
    ]
    return made


@dataclass(frozen=True)
class Someone:
    """A tenant, with a person's key that may decide."""

    tenant: Tenant
    person: Client


@dataclass
class Scene:
    server: EmbeddedServer
    proxy: Proxy
    environment: dict[str, str]
    """Of commands: they reach the database directly."""
    processes: dict[str, list[Process]]
    urls: Sequence[str]
    log: Path
    started_in: float = 0.0
    """Seconds until all processes were there."""
    tenants: dict[str, Someone] = field(default_factory=dict)

    @property
    def postmaster(self) -> int:
        return int((self.server.home.path / "data" / "postmaster.pid").read_text().split()[0])

    @property
    def deaths(self) -> dict[str, int]:
        return {kind: sum(one.deaths for one in several) for kind, several in self.processes.items()}

    async def connect(self, role: str = "postgres") -> Connection:
        """A connection that leads past the proxy."""
        return await psycopg.AsyncConnection.connect(self.server.url(role), autocommit=True)

    def gesta(self, *arguments: str) -> str:
        """What the command prints; fails with its words where it does."""
        return gesta(self.environment, *arguments)

    async def sql(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        """As the superuser, once the server is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(psycopg.OperationalError):
                    async with await self.connect() as connection:
                        cursor = await connection.execute(statement, given)
                        return await cursor.fetchall() if cursor.description else []
                await asyncio.sleep(0.1)


@asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
    chosen = os.environ.get("GESTA_POSTGRES_BIN")
    parameters = {"autovacuum": "off"}
    binaries = Path(chosen) if chosen else None
    with embedded(directory / "postgres", bin_directory=binaries, parameters=parameters) as server:
        async with AsyncExitStack() as stack:
            proxy = await stack.enter_async_context(proxied_tcp(server.url("gesta_system")))
            direct = {
                **inherited,
                "DATABASE_URL": server.url("gesta_owner"),
                "GESTA_SYSTEM_DATABASE_URL": server.url("gesta_system"),
                "GESTA_API_DATABASE_URL": server.url("gesta_api"),
                "GESTA_LOG_FORMAT": "plain",
            }
            through = {
                **direct,
                "GESTA_SYSTEM_DATABASE_URL": proxy.url,
                "GESTA_API_DATABASE_URL": proxy.url.replace("gesta_system", "gesta_api"),
            }
            await asyncio.to_thread(gesta, direct, "db", "migrate")
            key = (await asyncio.to_thread(gesta, direct, "key", "create", "--platform")).split()[-1]
            ports, log = _free_ports(EACH), directory / "log"
            lines = {"projector": ("projector",), "worker": ("worker", "--lease-seconds", str(LEASE_SECONDS))}
            processes = {kind: [Process(words, through, log) for _ in range(EACH)] for kind, words in lines.items()}
            processes["api"] = [Process(("api",), {**through, "GESTA_PORT": str(port)}, log) for port in ports]
            urls = [f"http://127.0.0.1:{port}" for port in ports]
            made = Scene(server, proxy, direct, processes, urls, log)
            await stack.enter_async_context(_kept([one for several in processes.values() for one in several]))
            begun = asyncio.get_running_loop().time()
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*map(answering, urls))
                await _projected(urls)
            made.started_in = asyncio.get_running_loop().time() - begun
            http = await stack.enter_async_context(client_of(urls))
            house = Gesta(http, Database("gesta", server), Client(http, key), Projector(server.url("gesta_system")))
            for slug in (POISONED, *OTHERS):
                made.tenants[slug] = await _settle(house, slug)
            for number, someone in enumerate(made.tenants.values()):
                await stack.enter_async_context(_worker(urls[number % EACH], someone.tenant))
            yield made


def client_of(urls: Sequence[str]) -> httpx2.AsyncClient:
    """Each of its calls goes to the next API."""
    return httpx2.AsyncClient(base_url=urls[0], transport=InTurns(urls, httpx2.Limits()), timeout=30)


async def _projected(urls: Sequence[str]) -> None:
    """Until somebody projects: an API is ready before that, and then answers from tables that are behind, and says so."""
    async with httpx2.AsyncClient(timeout=PATIENCE) as http:
        while any([any((await http.get(f"{url}/readyz")).json()["projections"].values()) for url in urls]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _settle(house: Gesta, slug: str) -> Someone:
    tenant = await house.tenant(slug)
    await tenant.publish(definition())
    return Someone(tenant, (await tenant.member("approver")).client)


@asynccontextmanager
async def _worker(url: str, tenant: Tenant) -> AsyncIterator[None]:
    """A tenant's own worker, made with the SDK; it lives through everything."""
    worker = Worker(AsyncClient(url, (await tenant.service("jobs:work")).token), lease_seconds=LEASE_SECONDS)

    @worker.task("resize-image")
    async def resize(input: Any) -> Any:
        return input

    serving = asyncio.create_task(worker.serve())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(serving, PATIENCE)


@asynccontextmanager
async def _kept(processes: Sequence[Process]) -> AsyncIterator[None]:
    keeping = [asyncio.create_task(one.keep()) for one in processes]
    try:
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]  # all at once: no port twice
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
