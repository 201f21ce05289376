"""The job queue while an idle session holds an old snapshot, as an analyst's does: leases and reports a second, minute by minute.

Nothing that has died since can be cleaned up meanwhile. What looks at the head of a queue then goes through all of it.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection

from bench.figures import Lost, Rates, Ratio, Result
from bench.ledgers import open_ledgers
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain.facts import Fence, Job
from runtime.ids import new_id
from store import due, jobs
from store.append import Entry, read_outcomes, send_append
from store.arrays import teach_columns
from store.jobs import LeasedJob
from store.side_rows import learn_side_rows

MARK = 0.8
TYPE = "bench.step"
TENANTS = 8
WORKERS = 4
AT_A_TIME = 40
"""Jobs that a worker leases, and reports together."""
QUEUED = 100
"""Jobs of each tenant that are ready or under way at any time."""
SWEEP_SECONDS = 2.0
"""Between looks for leases that have expired."""
LEASE_SECONDS = 30.0

SETTLE = ("VACUUM (ANALYZE) runtime.jobs", "VACUUM (ANALYZE) runtime.job_queue")
ALIVE = "SELECT count(*), count(DISTINCT id) FROM runtime.jobs WHERE type = %s"


@dataclass
class Count:
    """What the workers have reported so far."""

    reported: int = 0


def bench(on: Stage, sizes: Sizes) -> Result:
    clean, held = run(_minutes(on, sizes))
    by_part = [Rates(f"held, part {n}", (each,)) for n, each in enumerate(held, 1)]
    ratio = Ratio(Rates("the last part", (held[-1],)), Rates("the clean rate", (sum(clean) / len(clean),)), MARK)
    return Result(
        "jobs leased and reported a second",
        [Rates("no snapshot held, before and after", clean), *by_part],
        [ratio],
        (f"{WORKERS} workers, {TENANTS} tenants with {QUEUED} jobs each; a part is {sizes.held_part:g} s",),
    )


async def _minutes(on: Stage, sizes: Sizes) -> tuple[tuple[float, ...], list[float]]:
    ledgers = open_ledgers(on, TENANTS)
    count, stop = Count(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        await _fill(on, ledgers)
        for _ in range(WORKERS):
            group.create_task(_work(on.addresses.system, count, stop))
        group.create_task(_sweep(on.addresses.system, stop))
        try:
            await _rate(count, sizes.held_part / 4)  # plans and pages settle
            before = await _rate(count, sizes.held_part)
            with _snapshot(on):
                held = [await _rate(count, sizes.held_part) for _ in range(sizes.held_parts)]
            await asyncio.to_thread(_settle, on)
            after = await _rate(count, sizes.held_part)
        finally:
            stop.set()
    with psycopg.connect(on.addresses.system) as connection:
        found = connection.execute(ALIVE, (TYPE,)).fetchone()
    if found != (TENANTS * QUEUED,) * 2:
        raise Lost(f"{found} jobs, not {TENANTS * QUEUED}: each that was reported has one after it")
    return (before, after), held


@contextmanager
def _snapshot(on: Stage) -> Iterator[None]:
    """Somebody has asked one question in a transaction, and went to lunch. Any session may lift the limit set for idle ones."""
    with psycopg.connect(on.superuser("gesta"), autocommit=True) as analyst:
        analyst.execute("SET idle_in_transaction_session_timeout = 0")
        analyst.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        analyst.execute("SELECT count(*) FROM projections.workflow_executions")
        yield
        analyst.execute("COMMIT")


def _settle(on: Stage) -> None:
    with psycopg.connect(on.superuser("gesta"), autocommit=True) as superuser:
        for statement in SETTLE:
            superuser.execute(statement)


async def _rate(count: Count, seconds: float) -> float:
    before, begun = count.reported, time.perf_counter()
    await asyncio.sleep(seconds)
    return (count.reported - before) / (time.perf_counter() - begun)


async def _connect(url: str) -> AsyncConnection[Any]:
    connection = await AsyncConnection.connect(url, autocommit=True)
    teach_columns(connection)
    await learn_side_rows(connection)
    return connection


async def _fill(on: Stage, ledgers: Sequence[UUID]) -> None:
    async with await _connect(on.addresses.system) as connection:
        for ledger in ledgers:
            await _append(connection, ledger, [Entry(new_id(), b"{}", jobs=[(_job(), b"{}")]) for _ in range(QUEUED)])


def _job() -> Job:
    return Job(new_id(), TYPE, execution_id=new_id(), activation_id=new_id())


def _report(job: LeasedJob) -> Entry:
    """Done, and the next step's job."""
    return Entry(new_id(), b"{}", fences=[(Fence(job.id, job.fence, "done"), None)], jobs=[(_job(), b'{"amount": 7}')])


async def _work(url: str, count: Count, stop: asyncio.Event) -> None:
    after = jobs.NOBODY
    async with await _connect(url) as connection:
        while not stop.is_set():
            leased = await jobs.lease(connection, [TYPE], AT_A_TIME, LEASE_SECONDS, "bench", after_tenant=after)
            if not leased:
                await asyncio.sleep(0.002)  # the others have them all
                continue
            after = leased[-1].tenant_id
            for ledger, theirs in groupby(sorted(leased, key=lambda job: job.tenant_id), lambda job: job.tenant_id):
                entries = [_report(job) for job in theirs]
                await _append(connection, ledger, entries)
                count.reported += len(entries)


async def _append(connection: AsyncConnection[Any], ledger: UUID, entries: Sequence[Entry]) -> None:
    for outcome in await read_outcomes(await send_append(connection, ledger, entries)):
        if outcome.verdict != "appended":
            raise Lost(f"a report was {outcome.verdict}: {outcome.reason}")


async def _sweep(url: str, stop: asyncio.Event) -> None:
    """As every process with a worker does."""
    async with await _connect(url) as connection:
        while not stop.is_set():
            if await due.expired_leases(connection, 100):
                raise Lost("a lease has expired that was reported in time")
            await due.seconds_to_expiry(connection)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), SWEEP_SECONDS)
