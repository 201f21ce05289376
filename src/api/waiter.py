"""One waiter for all requests of a process that wait for the tables: fed by hints, silent when nobody waits.

The projector notifies after each flush. That wakes a round: one query for everybody who waits. A notification can be
lost, so a rare round runs without one, but only while somebody waits.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from runtime.failpoints import failpoint
from runtime.pools import Connection, Pool
from runtime.supervision import stop, supervise

SWEEP_SECONDS = 0.25

SELECT_PROGRESS = """
SELECT wanted.tenant_id, coalesce(f.position, 0), fault.tenant_id IS NOT NULL
  FROM unnest(%(tenants)s::uuid[]) AS wanted (tenant_id)
  LEFT JOIN projections.freshness f ON f.tenant_id = wanted.tenant_id
  LEFT JOIN runtime.projection_faults fault ON fault.tenant_id = wanted.tenant_id
"""
# by key, and only then by status: OFFSET keeps the conditions apart, so that no index of what is over is gone through
SELECT_ENDED = """
SELECT wanted.tenant_id, wanted.id
  FROM unnest(%(tenants)s::uuid[], %(ids)s::uuid[]) AS wanted (tenant_id, id)
 CROSS JOIN LATERAL (SELECT status FROM projections.{} WHERE tenant_id = wanted.tenant_id AND id = wanted.id OFFSET 0) e
 WHERE e.status <> ALL (%(open)s)
"""


class Ending(NamedTuple):
    """A kind of thing whose end can be waited for: its table, and the statuses in which it is not over."""

    table: str
    open: tuple[str, ...]


EXECUTION = Ending("workflow_executions", ("running", "paused"))
APPROVAL = Ending("approval_requests", ("pending", "with_requester"))
JOB = Ending("jobs", ("pending",))
AI_TASK = Ending("ai_agent_tasks", ("pending", "running", "waiting"))
BULK_OPERATION = Ending("bulk_operations", ("running",))


@dataclass(frozen=True)
class _Reached:
    tenant_id: UUID
    position: int


@dataclass(frozen=True)
class _Ended:
    tenant_id: UUID
    id: UUID
    ending: Ending


@dataclass
class _Waiters:
    """Who waits, by what for. Several requests may wait for the same."""

    futures: dict[Hashable, set[asyncio.Future[None]]] = field(default_factory=dict)
    tenants: Counter[UUID] = field(default_factory=Counter)
    """Whose tables are waited for, and by how many."""

    def of(self, kind: type) -> list[Any]:
        return [awaited for awaited in self.futures if isinstance(awaited, kind)]

    def resolve(self, awaited: Hashable) -> None:
        for future in self.futures.get(awaited, ()):
            if not future.done():
                future.set_result(None)


class Waiter:
    """Make one with `open_waiter`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiting = _Waiters()
        self._wake = asyncio.Event()
        self._closing = False

    async def reached(self, tenant_id: UUID, position: int, seconds: float) -> None:
        """Until a tenant's tables have reached a position, its projection stands still, or the time is over."""
        await self._wait(_Reached(tenant_id, position), seconds)

    async def ended(self, ending: Ending, tenant_id: UUID, id: UUID, seconds: float) -> bool:
        """Until something is over, as the tables say: True. False when the time is over, or nobody may wait any more."""
        return await self._wait(_Ended(tenant_id, id, ending), seconds) and not self._closing

    def release(self) -> None:
        """Let everybody go, now and from now on: the process is about to stop."""
        self._closing = True
        for awaited in list(self._waiting.futures):
            self._waiting.resolve(awaited)

    async def _wait(self, awaited: "_Reached | _Ended", seconds: float) -> bool:
        if self._closing:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiting.futures.setdefault(awaited, set()).add(future)
        self._waiting.tenants[awaited.tenant_id] += 1
        self._wake.set()  # what was flushed since the caller looked has had its hint already
        try:
            done, _ = await asyncio.wait([future], timeout=seconds)
            return bool(done)
        finally:
            self._waiting.tenants[awaited.tenant_id] -= 1
            if not self._waiting.tenants[awaited.tenant_id]:
                del self._waiting.tenants[awaited.tenant_id]
            others = self._waiting.futures[awaited]
            others.discard(future)
            if not others:
                del self._waiting.futures[awaited]

    def hear(self, tenant_id: UUID) -> None:
        """A tenant's tables have moved on."""
        if tenant_id in self._waiting.tenants:
            self._wake.set()

    def look_everywhere(self) -> None:
        """Anybody's may have."""
        if self._waiting.tenants:
            self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            with suppress(TimeoutError):  # then it is time for a sweep
                await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS if self._waiting.futures else None)
            self._wake.clear()
            await self._round()

    async def _round(self) -> None:
        positions, ends = self._waiting.of(_Reached), self._waiting.of(_Ended)
        if not positions and not ends:
            return
        failpoint("waiter.looks")
        await self._pool.read(partial(self._look, positions, ends))

    async def _look(self, positions: list[_Reached], ends: list[_Ended], connection: Connection) -> None:
        if positions:
            cursor = await connection.execute(SELECT_PROGRESS, {"tenants": list({awaited.tenant_id for awaited in positions})})
            progress = {tenant: (position, stopped) for tenant, position, stopped in await cursor.fetchall()}
            for awaited in positions:
                position, stopped = progress[awaited.tenant_id]
                if stopped or position >= awaited.position:
                    self._waiting.resolve(awaited)
        for ending in {awaited.ending for awaited in ends}:
            these = [awaited for awaited in ends if awaited.ending == ending]
            statement = sql.SQL(SELECT_ENDED).format(sql.Identifier(ending.table))
            wanted = {"tenants": [each.tenant_id for each in these], "ids": [each.id for each in these], "open": [*ending.open]}
            for tenant_id, id in await (await connection.execute(statement, wanted)).fetchall():
                self._waiting.resolve(_Ended(tenant_id, id, ending))


@asynccontextmanager
async def open_waiter(pool: Pool) -> AsyncIterator[Waiter]:
    """A waiter that serves for as long as this is open. `pool` looks as gesta_system; what it hears, others must tell it."""
    waiter = Waiter(pool)
    task = supervise("waiter", waiter.run, expected=(psycopg.OperationalError,))
    try:
        yield waiter
    finally:
        waiter.release()
        await stop(task)
