"""Ten thousand schedules of every five minutes, spread over them: how late their executions start, by two processes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from bench.figures import Lost
from bench.ledgers import ENVELOPE
from bench.played import no_faults
from bench.stage import Stage
from domain import workflow
from domain.facts import Json
from engine.cel import CelEvaluator
from engine.engine import Engine
from engine.triggers import publishing
from runtime.ids import new_id
from store.command import Command
from store.handler import Handler, open_handler

MINUTES = 5
SPREAD: dict[str, Json] = {"type": "schedule", "jitter": "PT1M", "overlap": "allow"}
OF_A_WORKFLOW = 50
AT_ONCE = 8
PATIENCE = 120.0

# What a schedule says of its next time, beside when what follows was recorded.
TIMES = """
SELECT topic = 'trigger.fired.v1' AND due > %s AS fired, extract(epoch FROM recorded_at - due)::float8 AS late
  FROM (SELECT topic, recorded_at, lag((data #>> '{clock,due_at}')::timestamptz, 1, recorded_at) OVER stream AS due
          FROM (SELECT tenant_id, stream_id, version, topic, recorded_at, convert_from(data, 'UTF8')::jsonb AS data
                  FROM ledger.events WHERE topic IN ('trigger.scheduled.v1', 'trigger.fired.v1') AND tenant_id = ANY (%s)) e
        WINDOW stream AS (PARTITION BY tenant_id, stream_id ORDER BY version)) e
"""
FIRED = "SELECT count(*) FROM ledger.events WHERE topic = 'trigger.fired.v1' AND tenant_id = ANY (%s)"
STARTED = "SELECT count(*) FROM ledger.events WHERE topic = 'execution.started.v1' AND tenant_id = ANY (%s)"
KNOWN = "SELECT count(*) FROM ledger.events WHERE topic = 'trigger.scheduled.v1' AND tenant_id = ANY (%s)"


async def lateness(
    on: Stage, superuser: psycopg.Connection[tuple[object, ...]], ledgers: Sequence[UUID], count: int, seconds: float
) -> tuple[list[float], float]:
    """Milliseconds of each start, in so many seconds; and how long after the last was published all knew their times."""

    def counted(statement: str) -> int:
        (found,) = superuser.execute(statement.encode(), [list(ledgers)]).fetchone() or (0,)
        assert isinstance(found, int)
        return found

    async with open_handler(on.addresses.system) as handler:
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for number, first in enumerate(range(0, count, OF_A_WORKFLOW)):
                some = min(OF_A_WORKFLOW, count - first)
                group.create_task(_published(handler, ledgers[number % len(ledgers)], number, some, slots))
    begun = time.monotonic()
    while counted(KNOWN) < count:
        if time.monotonic() - begun > PATIENCE:
            raise Lost("schedules do not know their next times")
        await asyncio.sleep(0.2)
    known, since = time.monotonic() - begun, datetime.now(UTC)
    await asyncio.sleep(seconds)
    with superuser.transaction():
        superuser.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # they go on
        times = superuser.execute(TIMES, [since, list(ledgers)]).fetchall()
        fired, started = counted(FIRED), counted(STARTED)
    if fired != started:
        raise Lost(f"{started} executions of {fired} times")
    late = [moment * 1000 for is_of_then, moment in times if is_of_then and isinstance(moment, float)]
    if seconds > 60 and not late:
        raise Lost("no schedule started anything")
    if late and min(late) < 0:
        raise Lost("a schedule started something before its time")
    return late, known


async def _published(handler: Handler, ledger: UUID, number: int, count: int, slots: asyncio.Semaphore) -> None:
    workflow_id, engine = new_id(), Engine(CelEvaluator())
    definition: Json = {
        "key": f"scheduled-{number}",
        "name": "Scheduled",
        "triggers": [
            {**SPREAD, "id": f"t{n}", "cron": f"{n % MINUTES}-59/{MINUTES} * * * *", "input": {"n": n}} for n in range(count)
        ],
        "nodes": [{"id": "start", "type": "start"}, {"id": "end", "type": "end"}],
        "edges": [{"source": "start", "target": "end"}],
    }
    async with slots:
        await handler.handle(
            Command(ledger, "workflow.draft", ENVELOPE), lambda view: workflow.draft(view, workflow_id, definition)
        )
        await handler.handle(
            Command(ledger, "workflow.publish", ENVELOPE),
            lambda view: publishing.publish(view, workflow_id, no_faults(engine)),
        )
