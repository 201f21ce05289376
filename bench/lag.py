"""How far the tables trail the ledger: milliseconds from a command's acknowledgement to where the tables show its events.

Commands come at a fixed rate, whether or not the ones before are done; each starts an execution that asks a person, or decides.
The projector is a process of its own, as in production, and so is who looks up what is seen (`bench.lag_watch`), every few
milliseconds, which count as lag.
"""

import asyncio
import os
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import NamedTuple
from uuid import UUID

import psycopg

from api import provisioning
from bench.figures import Lost, Rates, Ratio, Result
from bench.lag_watch import LOOK_SECONDS, STANDS
from bench.played import DEFINITION, ROLE, SYSTEM, no_faults
from bench.sizes import Sizes
from bench.stage import Stage, run
from cli.preparing import opened
from domain import workflow
from domain.approval import Decider
from domain.envelope import PLATFORM
from engine.cel import CelEvaluator
from engine.engine import Engine, decide_approval, start
from projections.projector import Projector
from runtime.ids import new_id
from store.command import Command
from store.handler import Handler

MARK_MILLISECONDS = 50.0
CAUGHT_UP_SECONDS = 0.05
PATIENCE = 60.0


class Trail(NamedTuple):
    """One rate's commands. `lags`: seconds, sorted."""

    wanted: int
    """Commands a second."""
    reached: float
    events: float
    """A second."""
    lags: list[float]

    def milliseconds(self, share: float) -> float:
        return self.lags[min(int(len(self.lags) * share), len(self.lags) - 1)] * 1000

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.0%} below {self.milliseconds(share):,.0f} ms" for share in (0.5, 0.99))
        return f"{self.wanted:,} commands a second wanted, {self.reached:,.0f} reached ({self.events:,.0f} events): {shares}"


@contextmanager
def projecting(on: Stage) -> Iterator[None]:
    """`gesta projector`, as a process."""
    environment = {**os.environ, "GESTA_SYSTEM_DATABASE_URL": on.addresses.system, "DATABASE_URL": on.addresses.owner}
    environment["GESTA_LOG_LEVEL"] = "WARNING"
    process = subprocess.Popen([sys.executable, "-m", "cli.main", "projector"], env=environment, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


@contextmanager
def watching(on: Stage, tenant_id: UUID) -> Iterator[list[tuple[float, int]]]:
    """Filled at the end: when which position was seen first."""
    seen: list[tuple[float, int]] = []
    command = [sys.executable, "-m", "bench.lag_watch", on.addresses.system, str(tenant_id)]
    with TemporaryFile("w+") as told, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=told) as process:
        while process.poll() is None and not os.fstat(told.fileno()).st_size:
            sleep(LOOK_SECONDS)  # until it looks
        yield seen
        process.communicate(timeout=PATIENCE)
        told.seek(0)
        seen += [(float(moment), int(position)) for moment, position in map(str.split, told)]


async def trail(on: Stage, rates: tuple[int, ...], seconds: float) -> list[Trail]:
    engine, person = Engine(CelEvaluator()), Decider(new_id(), frozenset({ROLE}))
    async with opened(on.addresses) as (handler, connection):
        body = {"slug": f"lag-{new_id().hex[-12:]}", "name": "Lag"}
        created = await provisioning.create_tenant(handler, connection, Command(PLATFORM, "tenant.create", SYSTEM), body)
        tenant_id, workflow_id = UUID(created.result["id"]), new_id()
        draft = Command(tenant_id, "workflow.draft", SYSTEM)
        await handler.handle(draft, lambda view: workflow.draft(view, workflow_id, DEFINITION))
        publish = Command(tenant_id, "workflow.publish", SYSTEM)
        await handler.handle(publish, lambda view: workflow.publish(view, workflow_id, no_faults(engine)))
        played = partial(_trail, on, handler, engine, tenant_id, workflow_id, person, seconds=seconds)
        await played(rates[-1])  # plans, caches and connections
        return [await played(rate) for rate in rates]


async def _trail(
    on: Stage, handler: Handler, engine: Engine, tenant_id: UUID, workflow_id: UUID, person: Decider, rate: int, *, seconds: float
) -> Trail:
    acknowledged: list[tuple[float, int]] = []
    waiting: list[UUID] = []

    async def command(number: int) -> None:
        if number % 2 and waiting:
            request = waiting.pop()
            done = await handler.handle(
                Command(tenant_id, "approval.decide", SYSTEM),
                lambda view: decide_approval(view, engine, request, person, outcome="approved"),
            )
        else:
            done = await handler.handle(
                Command(tenant_id, "execution.start", SYSTEM),
                lambda view: start(view, engine, workflow_id=workflow_id, input={"amount": 101 + number}),
            )
            waiting.extend(UUID(each["id"]) for each in done.result["open"])
        acknowledged.append((monotonic(), done.position or 0))

    async with await psycopg.AsyncConnection.connect(on.addresses.system, autocommit=True) as looking:

        async def position() -> int:
            row = await (await looking.execute(STANDS, [tenant_id])).fetchone()
            return int(row[0]) if row else 0

        first = await position()
        with watching(on, tenant_id) as seen:
            begun = monotonic()
            async with asyncio.TaskGroup() as group:
                for number in range(int(rate * seconds)):
                    await asyncio.sleep(max(begun + number / rate - monotonic(), 0))
                    group.create_task(command(number))
            took = monotonic() - begun
            last = max(at for _, at in acknowledged)
            async with asyncio.timeout(PATIENCE):
                while await position() < last:  # noqa: ASYNC110  another process's doing
                    await asyncio.sleep(CAUGHT_UP_SECONDS)
    positions = [at for _, at in seen]
    lags = sorted(max(seen[bisect_left(positions, at)][0] - when, 0.0) for when, at in acknowledged)
    if len(lags) != int(rate * seconds):
        raise Lost(f"{len(lags)} of {int(rate * seconds)} commands were acknowledged")
    return Trail(rate, len(lags) / took, (positions[-1] - first) / took, lags)


def bench(on: Stage, sizes: Sizes) -> Result:
    run(Projector(on.addresses.system).catch_up())
    with projecting(on):
        found = run(trail(on, sizes.lag_rates, sizes.lag_seconds))
    rates = [Rates(f"{each.wanted:,} commands a second: p99", (each.milliseconds(0.99),)) for each in found]
    mark = Ratio(Rates("the mark of 50 ms", (MARK_MILLISECONDS,)), rates[0], 1.0)
    return Result("milliseconds that the tables trail", rates, [mark], [str(each) for each in found])
