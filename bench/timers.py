"""Timers: how late those fire that are due, by two processes: while very many are pending, while one tenant has a backlog, or
some that keep failing; those of very many schedules; and what is asked of the database while nothing is due."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
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
from bench.schedules import lateness
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
# Of visits that there are none of: firing them is not for this release.
FAIL = "UPDATE runtime.timers SET activation_id = NULL WHERE tenant_id = %s AND due_at < clock_timestamp()"
FAILED = "SELECT count(*), coalesce(sum(failures), 0) FROM runtime.timers WHERE failures > 0"
DUE = "SELECT count(*) FROM runtime.timers WHERE due_at < clock_timestamp()"
# Some at a time, and none that a worker is at: it may wait for another of them.
SOON = "SELECT count(*) FROM runtime.timers WHERE due_at < clock_timestamp() + interval '1 hour'"
REST = """
DELETE FROM runtime.timers WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM runtime.timers WHERE due_at < clock_timestamp() + interval '1 hour' LIMIT 5000 FOR UPDATE SKIP LOCKED))
"""
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

        def of_the_first(count: int) -> None:
            past = datetime.now(UTC) - timedelta(days=30)
            superuser.execute(LOAD, {"tenants": ledgers[:1], "due": past, "count": count})

        def failing() -> None:
            with superuser.transaction():
                of_the_first(sizes.timers_failing)
                superuser.execute(FAIL, ledgers[:1])

        with _processes(on.addresses.system):
            alone = run(_fired(on, superuser, "alone", ledgers[1:], sizes))
            idle = _asked_a_second(superuser, sizes.timers_idle)
            beside = run(
                _fired(
                    on,
                    superuser,
                    "beside a backlog of one tenant",
                    ledgers[1:],
                    sizes,
                    lambda: of_the_first(sizes.timers_backlog),
                )
            )
            left_of_it = _one(superuser, DUE)
            _forget_the_rest(superuser)
            troubled = run(_fired(on, superuser, "beside those of one tenant that fail", ledgers[1:], sizes, failing))
            failed = superuser.execute(FAILED).fetchone()
            _forget_the_rest(superuser)
            if (left := _one(superuser, "SELECT count(*) FROM runtime.timers")) != sizes.timers_pending:
                raise Lost(f"{left} timers are pending, not {sizes.timers_pending}")
            scheduled = open_ledgers(on, TENANTS)
            late_times, known = run(lateness(on, superuser, scheduled, sizes.timers_schedules, sizes.timers_minutes * 60))
    of_schedules = Lateness("schedules", late_times)
    each = [one for one in (alone, beside, troubled, of_schedules) if len(one.each) > 1]
    within = Rates("what the mark allows", (MARK_MS,))
    late = [Rates(f"late, {one.name} (ms, 99 of 100 less)", (max(one.percentile(99), 0.1),)) for one in each]
    asked = Rates("transactions a second while nothing is due", (max(idle, 0.01),))
    notes = (
        *map(str, each),
        f"{sizes.timers_pending:,} pending, {PROCESSES} processes",
        f"{sizes.timers_backlog:,} in the backlog, {left_of_it:,} of it still due when the others had fired",
        f"failing (timers, tries): {failed}",
        f"{sizes.timers_schedules:,} schedules, {len(late_times):,} times; all known {known:.1f} s after the last was published",
    )
    return Result("timers", [*late, asked], [Ratio(within, one, 1.0) for one in late], notes)


def _forget_the_rest(superuser: psycopg.Connection[tuple[object, ...]]) -> None:
    until = time.monotonic() + PATIENCE
    while _one(superuser, SOON):
        superuser.execute(REST)
        if time.monotonic() > until:
            raise Lost("timers that are due are still at work")


def _one(superuser: psycopg.Connection[tuple[object, ...]], statement: LiteralString) -> int:
    (found,) = superuser.execute(statement).fetchone() or (0,)
    assert isinstance(found, int)
    return found


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
    on: Stage,
    superuser: psycopg.Connection[tuple[object, ...]],
    name: str,
    ledgers: Sequence[UUID],
    sizes: Sizes,
    meanwhile: Callable[[], None] | None = None,
) -> Lateness:
    """Executions that wait, each until a moment of its own, spread evenly. `meanwhile`: what else is due by then."""
    engine = Engine(CelEvaluator())
    due: dict[UUID, datetime] = {}
    async with open_handler(on.addresses.system) as handler:
        workflows = {ledger: await _published(handler, engine, ledger) for ledger in ledgers}
        begin = datetime.now(UTC) + timedelta(seconds=sizes.timers_lead)
        moments = [begin + timedelta(seconds=sizes.timers_spread * n / sizes.timers_due) for n in range(sizes.timers_due)]

        async def begun(ledger: UUID, moment: datetime) -> None:
            decide = partial(start, engine=engine, workflow_id=workflows[ledger], input={"until": moment.isoformat()})
            done = await handler.handle(Command(ledger, "execution.start", ENVELOPE), decide)
            if datetime.now(UTC) < moment:  # those that were started too late say nothing
                due[UUID(done.result["id"])] = moment

        for first in range(0, len(moments), TENANTS):
            some = moments[first : first + TENANTS]
            await asyncio.gather(*[begun(ledgers[n % len(ledgers)], moment) for n, moment in enumerate(some)])
    if meanwhile is not None:
        await asyncio.to_thread(meanwhile)
    if len(due) < len(moments) / 2:
        raise Lost(f"only {len(due)} of {len(moments)} executions could be started before their moments")
    until = time.monotonic() + sizes.timers_lead + sizes.timers_spread + PATIENCE
    ends: list[tuple[object, ...]] = []
    while len(ends) < len(due) and time.monotonic() < until:
        await asyncio.sleep(1)
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
