"""Timers: how late those fire that are due, by two processes, while very many are pending and while one tenant has a backlog; and
what is asked of the database while nothing is due."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import quantiles
from typing import LiteralString
from uuid import UUID

import psycopg

from bench.figures import Lost, Rates, Ratio, Result
from bench.ledgers import ENVELOPE, open_ledgers
from bench.played import no_faults
from bench.sizes import Sizes
from bench.stage import Stage, run
from bench.tasks import line_of
from domain import workflow
from engine.cel import CelEvaluator
from engine.engine import Engine, start
from runtime.ids import new_id
from store.command import Command
from store.handler import Handler, open_handler

MARK_MS = 100.0
TENANTS, PROCESSES = 20, 2
PATIENCE = 120.0

# Of executions that do not exist: they fire into nothing, and are dropped by that.
LOAD = """
INSERT INTO runtime.timers (tenant_id, id, due_at, kind, owner_kind, owner_id, execution_id, activation_id)
SELECT (%(tenants)s::uuid[])[1 + n %% cardinality(%(tenants)s::uuid[])], gen_random_uuid(), %(due)s + n * interval '1 second',
       'wait', 'execution', e.id, e.id, gen_random_uuid()
  FROM generate_series(1, %(count)s) n CROSS JOIN LATERAL (SELECT gen_random_uuid() AS id WHERE n > 0) e
"""
ENDS = """
SELECT stream_id, recorded_at FROM ledger.events WHERE topic = 'execution.completed.v1' AND stream_id = ANY (%s)
"""
LEFT = "SELECT count(*) FROM runtime.timers WHERE due_at < clock_timestamp() + interval '1 hour'"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'gesta'"


@dataclass(frozen=True)
class Lateness:
    """Milliseconds after their moments."""

    name: str
    each: Sequence[float]

    def percentile(self, which: int) -> float:
        return quantiles(self.each, n=100)[which - 1]

    def __str__(self) -> str:
        p50, p99 = self.percentile(50), self.percentile(99)
        return f"{self.name}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, at most {max(self.each):.0f} ms late"


def bench(on: Stage, sizes: Sizes) -> Result:
    ledgers = open_ledgers(on, TENANTS)
    with psycopg.connect(on.superuser("gesta"), autocommit=True) as superuser:
        far = datetime.now(UTC) + timedelta(days=1)
        superuser.execute(LOAD, {"tenants": ledgers, "due": far, "count": sizes.timers_pending})
        with _processes(on.addresses.system):
            alone = run(_fired(on, superuser, "alone", ledgers[1:], sizes, 0))
            idle = _asked_a_second(superuser, sizes.timers_idle)
            beside = run(_fired(on, superuser, "beside a backlog of one tenant", ledgers, sizes, sizes.timers_backlog))
        (left,) = superuser.execute("SELECT count(*) FROM runtime.timers").fetchone() or (0,)
    if left != sizes.timers_pending:
        raise Lost(f"{left} timers are pending, not {sizes.timers_pending}")
    within = Rates("what the mark allows", (MARK_MS,))
    late = [Rates(f"late, {one.name} (ms, 99 of 100 less)", (max(one.percentile(99), 0.1),)) for one in (alone, beside)]
    asked = Rates("transactions a second while nothing is due", (max(idle, 0.01),))
    notes = (
        str(alone),
        str(beside),
        f"{sizes.timers_pending:,} pending, {sizes.timers_backlog:,} in the backlog, {PROCESSES} processes",
    )
    return Result("timers", [*late, asked], [Ratio(within, one, 1.0) for one in late], notes)


@contextmanager
def _processes(url: str) -> Iterator[None]:
    running = [
        subprocess.Popen([sys.executable, "-m", "bench.timer_worker", url], stdout=subprocess.PIPE) for _ in range(PROCESSES)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise Lost("a worker did not begin")
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=PATIENCE)
            if process.stdout is not None:
                process.stdout.close()


async def _fired(
    on: Stage, superuser: psycopg.Connection[tuple[object, ...]], name: str, ledgers: Sequence[UUID], sizes: Sizes, backlog: int
) -> Lateness:
    """Executions that wait, each until a moment of its own, spread evenly. The first ledger has the backlog."""
    engine = Engine(CelEvaluator())
    begin = datetime.now(UTC) + timedelta(seconds=sizes.timers_lead)
    moments = [begin + timedelta(seconds=sizes.timers_spread * n / sizes.timers_due) for n in range(sizes.timers_due)]
    async with open_handler(on.addresses.system) as handler:
        others = ledgers[1:] if backlog else ledgers
        workflows = {ledger: await _published(handler, engine, ledger) for ledger in others}
        due: dict[UUID, datetime] = {}
        for n, moment in enumerate(moments):
            ledger = others[n % len(others)]
            given = {"until": moment.isoformat()}
            decide = partial(start, engine=engine, workflow_id=workflows[ledger], input=given)
            done = await handler.handle(Command(ledger, "execution.start", ENVELOPE), decide)
            due[UUID(done.result["id"])] = moment
        if datetime.now(UTC) > begin:
            raise Lost(f"{len(due)} executions could not be started in {sizes.timers_lead:g} s")
    if backlog:
        past = begin - timedelta(days=30)
        await asyncio.to_thread(superuser.execute, LOAD, {"tenants": [ledgers[0]], "due": past, "count": backlog})
    await _until_none_is_left(superuser, sizes.timers_spread + sizes.timers_lead + PATIENCE + backlog / 200)
    ends = superuser.execute(ENDS, [list(due)]).fetchall()
    if len(ends) != len(due):
        raise Lost(f"{len(ends)} ends of {len(due)} executions")
    late = [
        (moment - due[id]).total_seconds() * 1000 for id, moment in ends if isinstance(id, UUID) and isinstance(moment, datetime)
    ]
    if min(late) < 0:
        raise Lost("a timer fired before its moment")
    return Lateness(name, late)


async def _published(handler: Handler, engine: Engine, ledger: UUID) -> UUID:
    workflow_id = new_id()
    definition = line_of({"id": "wait", "type": "wait", "config": {"until": "=input.until"}})
    await handler.handle(Command(ledger, "workflow.draft", ENVELOPE), lambda view: workflow.draft(view, workflow_id, definition))
    await handler.handle(
        Command(ledger, "workflow.publish", ENVELOPE), lambda view: workflow.publish(view, workflow_id, no_faults(engine))
    )
    return workflow_id


async def _until_none_is_left(superuser: psycopg.Connection[tuple[object, ...]], seconds: float) -> None:
    until = time.monotonic() + seconds
    while superuser.execute(LEFT).fetchone() != (0,):
        if time.monotonic() > until:
            raise Lost("timers that were due have not fired")
        await asyncio.sleep(1)


def _asked_a_second(superuser: psycopg.Connection[tuple[object, ...]], seconds: float) -> float:
    """Of the workers: what vacuums, goes on by itself."""

    def made() -> int:
        superuser.execute("SELECT pg_stat_force_next_flush()")
        (count,) = superuser.execute(TRANSACTIONS).fetchone() or (0,)
        assert isinstance(count, int)
        return count

    _vacuum(superuser, "off")
    time.sleep(min(12.0, 1.2 * seconds))  # what was under way ends, and idle sessions say within ten seconds what they have done
    before, begun = made(), time.perf_counter()
    time.sleep(seconds)
    asked = (made() - before - 2) / (time.perf_counter() - begun)
    _vacuum(superuser, "on")
    return max(asked, 0.0)


def _vacuum(superuser: psycopg.Connection[tuple[object, ...]], wanted: LiteralString) -> None:
    superuser.execute(f"ALTER SYSTEM SET autovacuum = {wanted}")
    superuser.execute("SELECT pg_reload_conf()")
