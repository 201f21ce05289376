"""What is wrong with a single tenant, and is no fault of the others.

An event of a newer release stops its tables. Timers and jobs lead to decisions that raise: about that event, about a stream
that is no execution, about a task that never was. One is of a type that nobody knows. And somebody holds its ledger's head.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import psycopg

from engine.ai_job import AI
from tests.faults.chaos.scene import POISONED, Scene
from tests.store.ledgers import append, connected, event
from tests.store.ledgers import entry as command

TOPIC = "execution.transcended.v1"
EACH = 10
HELD_SECONDS = 3.0
INSERT_TIMER = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id, execution_id, activation_id)
SELECT %s, %s, clock_timestamp(), 'timeout', 'execution', owner, owner, gen_random_uuid() FROM (VALUES (%s::uuid)) AS of (owner)
"""
INSERT_JOB = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, execution_id, activation_id, task_id,
                          input, created_at, updated_at)
VALUES (%s, %s, %s, 'ready', clock_timestamp(), 0, 3, %s, gen_random_uuid(), %s, '{"not": "whole', clock_timestamp(),
        clock_timestamp())
"""
WORKFLOW = "SELECT stream_id FROM ledger.events WHERE tenant_id = %s AND topic LIKE 'workflow.%%' LIMIT 1"
FAULT = "SELECT position FROM runtime.projection_faults WHERE tenant_id = %s"
TROUBLED = """
SELECT (SELECT count(*) FROM runtime.timers WHERE id = ANY (%s) AND failures > 0),
       (SELECT count(*) FROM runtime.jobs WHERE id = ANY (%s) AND (failures > 0 OR state = 'dead'))
"""
CURE = "DELETE FROM runtime.{table} WHERE id = ANY (%s)"


@dataclass
class Poison:
    scene: Scene
    timers: list[UUID] = field(default_factory=list)
    jobs: list[UUID] = field(default_factory=list)
    held: int = 0

    @property
    def tenant_id(self) -> UUID:
        return self.scene.tenants[POISONED].tenant.id

    async def give(self) -> None:
        """All of it at once."""
        newer = await asyncio.to_thread(self._write_as_a_newer_release)
        ((workflow,),) = await self.scene.sql(WORKFLOW, self.tenant_id)
        for execution in (newer, workflow, uuid4()):
            for _ in range(EACH):
                self.timers.append(uuid4())
                await self.scene.sql(INSERT_TIMER, self.tenant_id, self.timers[-1], execution)
                for type in (AI, "of_tomorrow"):
                    self.jobs.append(uuid4())
                    await self.scene.sql(INSERT_JOB, self.tenant_id, self.jobs[-1], type, execution, execution)

    async def hold(self) -> None:
        """Holds the tenant's head again and again, until cancelled."""
        while True:
            with suppress(psycopg.OperationalError):  # the server is killed meanwhile
                async with await self.scene.connect() as connection, connection.transaction():
                    await connection.execute("SELECT FROM ledger.heads WHERE tenant_id = %s FOR UPDATE", (self.tenant_id,))
                    self.held += 1
                    await asyncio.sleep(HELD_SECONDS)
            await asyncio.sleep(HELD_SECONDS)

    async def troubled(self) -> tuple[int, int]:
        """How many of its timers and jobs were tried in vain, and are put off or given up."""
        ((timers, jobs),) = await self.scene.sql(TROUBLED, self.timers, self.jobs)
        return timers, jobs

    async def cure(self) -> int:
        """As an operator would: the event is skipped, and the rows are removed. Returns how many events were."""
        for table, ids in (("timers", self.timers), ("jobs", self.jobs)):
            await self.scene.sql(CURE.format(table=table), ids)
        faults = await self.scene.sql(FAULT, self.tenant_id)
        for (position,) in faults:
            words = ("projections", "skip", "--tenant", POISONED, "--position", str(position), "--reason", "of a newer release")
            await asyncio.to_thread(self.scene.gesta, *words)
        return len(faults)

    def _write_as_a_newer_release(self) -> UUID:
        stream = uuid4()
        with connected(self.scene.server.url("gesta_system")) as connection:
            entry = replace(command(expect=[(stream, 0)]), events=[event(stream, topic=TOPIC)])
            (outcome,) = append(connection, self.tenant_id, entry)
        assert outcome.verdict == "appended", outcome
        return stream
