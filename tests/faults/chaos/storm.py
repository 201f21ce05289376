"""What happens to all, at seeded moments; and what goes on beside it: rubbish on every channel, an analyst who never ends."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from store.notifications import channels
from store.notifications.channels import Channel
from tests.faults.chaos.scene import POISONED, Scene

SHORTEST, LONGEST = 0.3, 1.5
"""Seconds between two blows."""
NOTICED_SECONDS = 12.0
"""A connection that is dropped is noticed within so long: until then it is still going on."""
CHANNELS = [one.name for one in vars(channels).values() if isinstance(one, Channel)]
RUBBISH = [
    "",
    "x",
    ",",
    ",,x:y",
    "nan",
    "inf",
    "-1",
    "1e999",
    "9" * 400,
    '{"a":',
    "00000000",
    "2026-13-45T99:99",
    ":" * 100,
    "é" * 3_000,
]
RUBBISH_SECONDS = 0.25
BACKENDS = (
    "SELECT pid FROM pg_stat_activity WHERE usename IN ('gesta_system', 'gesta_api') AND pid <> pg_backend_pid() ORDER BY pid"
)
TABLES = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'projections'"
Blow = Callable[[], Awaitable[str | None]]
"""Returns what it did, if it did anything."""
ADVISORY = "SELECT pg_advisory_lock(%s, slot) FROM generate_series(0, 15) AS slot"
ADVISORY_CLASS = 0x67736C74
"""What projectors once took turns by. Any login may take such locks: nothing may depend on them."""
LOST = (psycopg.Error, OSError)


@dataclass
class Storm:
    scene: Scene
    chance: random.Random
    done: Counter[str] = field(default_factory=Counter)
    """What was done, how often."""

    async def rage(self, seconds: float) -> None:
        """One blow after another for so long. Nothing is dropped that would not be noticed by its end."""
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        blows: list[Blow] = [self.kill_api, self.kill_projector, self.kill_worker, self.kill_a_backend, self.kill_the_postmaster]
        blows += [self.terminate_some, self.cut_all, self.cut_some]
        waiting: list[Blow] = [self.drop_some]
        while clock() < end:
            if not waiting:  # each once, in another order every time
                waiting = self.chance.sample([self.drop_some, *blows], len(blows) + 1)
            blow = waiting.pop(0)
            if blow != self.drop_some or end - clock() > NOTICED_SECONDS:
                await self._strike(blow)
            await asyncio.sleep(min(self.chance.uniform(SHORTEST, LONGEST), max(end - clock(), 0)))

    async def rubbish(self) -> None:
        """Anybody who may log in may say anything."""
        while True:
            with suppress(*LOST):
                async with await self.scene.connect("gesta_api") as connection:
                    while True:
                        for channel in CHANNELS:
                            await connection.execute("SELECT pg_notify(%s, %s)", (channel, self.chance.choice(RUBBISH)))
                            self.done["rubbish notifications"] += 1
                        await asyncio.sleep(RUBBISH_SECONDS)
            await asyncio.sleep(RUBBISH_SECONDS)

    async def analyst(self) -> None:
        """Has a transaction open on every table and locks of their own, and goes home. After a crash of the server, again."""
        tenant_id = str(self.scene.tenants[POISONED].tenant.id)
        while True:
            with suppress(*LOST):
                async with await self.scene.connect("gesta_api") as connection, connection.transaction():
                    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    await connection.execute("SELECT set_config('gesta.tenant_id', %s, true)", (tenant_id,))
                    for (table,) in await (await connection.execute(TABLES)).fetchall():
                        await connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  of the catalog
                    await connection.execute(ADVISORY, (ADVISORY_CLASS,))
                    self.done["analysts' open transactions"] += 1
                    while True:
                        await asyncio.sleep(1)
                        await connection.execute("SELECT 1")
            await asyncio.sleep(RUBBISH_SECONDS)

    # Blows

    async def _strike(self, blow: Blow) -> None:
        with suppress(*LOST):  # the server is down from an earlier one
            what = await blow()
            if what is not None:
                self.done[what] += 1

    async def kill_api(self) -> str:
        return self._kill("api")

    async def kill_projector(self) -> str:
        return self._kill("projector")

    async def kill_worker(self) -> str:
        return self._kill("worker")

    def _kill(self, kind: str) -> str:
        victim = self.chance.choice(self.scene.processes[kind])
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
        return f"kill -9 of {kind}s"

    async def kill_the_postmaster(self) -> str:
        os.kill(self.scene.postmaster, signal.SIGKILL)
        return "kill -9 of the postmaster"

    async def kill_a_backend(self) -> str | None:
        """The postmaster then ends all others, and recovers as from a crash."""
        pids = [pid for (pid,) in await self.scene.sql(BACKENDS)]
        if not pids:
            return None
        with suppress(ProcessLookupError):
            os.kill(self.chance.choice(pids), signal.SIGKILL)
        return "kill -9 of a PostgreSQL backend"

    async def terminate_some(self) -> str | None:
        pids = [pid for (pid,) in await self.scene.sql(BACKENDS)]
        for pid in self.chance.sample(pids, len(pids) // 3):
            await self.scene.sql("SELECT pg_terminate_backend(%s)", pid)
        return "a third of the backends terminated"

    async def cut_all(self) -> str:
        self.scene.proxy.cut()
        return "all connections cut"

    async def cut_some(self) -> str:
        self.scene.proxy.cut(self.chance.sample(self.scene.proxy.ways, len(self.scene.proxy.ways) // 2))
        return "half of the connections cut"

    async def drop_some(self) -> str:
        ways = self.scene.proxy.ways
        self.scene.proxy.drop(8.0, self.chance.sample(ways, len(ways) // 2))
        return "half of the connections silently dropped"
