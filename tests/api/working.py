"""Workers as HTTP clients, for the tests of jobs."""

from collections.abc import Callable
from typing import Any

import httpx2
import psycopg

from domain.envelope import Envelope
from domain.facts import Decided, View
from engine.cel import CelEvaluator
from engine.engine import Engine
from engine.expired_leases import expire_lease
from store.command import Command
from store.due import ExpiredLease, expired_leases
from store.handler import open_handler
from tests.api.conftest import Client, Tenant
from tests.conftest import Database

LAPSE = "UPDATE runtime.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'leased'"
BURY = "UPDATE runtime.jobs SET state = 'dead', lease_until = NULL, error = convert_to('{\"type\": \"broken\"}', 'UTF8')"
ENGINE = Engine(CelEvaluator())


async def start(tenant: Tenant, key: str = "resize", **input: Any) -> str:
    """The id of a new execution."""
    started = await tenant.admin.post("/executions", {"workflow_key": key, "input": {"url": "a.png", **input}})
    assert started.status_code == 201, started.text
    return str(started.json()["id"])


async def lease(worker: Client, *types: str, **more: Any) -> httpx2.Response:
    return await worker.post("/jobs/lease", {"types": list(types or ("resize-image",)), "worker_id": "w", **more})


async def leased(worker: Client, *types: str, **more: Any) -> dict[str, Any]:
    """The one job that there is."""
    answer = await lease(worker, *types, **more)
    assert answer.status_code == 200, answer.text
    (job,) = answer.json()["items"]
    return dict(job)


async def report(worker: Client, job: dict[str, Any], verb: str, body: Any = None, **headers: str) -> httpx2.Response:
    return await worker.post(f"/jobs/{job['id']}/{verb}", {"fence": job["fence"], **(body or {})}, **headers)


async def execution(tenant: Tenant, id: str) -> dict[str, Any]:
    return dict((await tenant.admin.get(f"/executions/{id}")).json())


async def run_sql(database: Database, statement: str) -> Any:
    """As gesta_system. The first value of the first row, if there are rows."""
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection:
        cursor = await connection.execute(statement)
        row = None if cursor.description is None else await cursor.fetchone()
    return None if row is None else row[0]


async def take_lapsed(database: Database) -> None:
    """What `gesta worker` does about leases that have run out."""

    def lapse(job: ExpiredLease) -> Callable[[View], Decided]:
        return lambda view: expire_lease(view, ENGINE, job, jitter=0.5)

    async with (
        open_handler(database.system_url) as handler,
        await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection,
    ):
        for job in await expired_leases(connection, 10):
            await handler.handle(Command(job.tenant_id, "job.expire", Envelope("worker", "w")), lapse(job))
