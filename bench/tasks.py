"""A worker of ours in the bench's own process, and callers who start executions and wait for their ends."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from bench.ledgers import ENVELOPE
from bench.played import no_faults
from domain import workflow
from domain.facts import Decided, Json, View
from engine.cel import CelEvaluator
from engine.engine import Engine, start
from runtime.ids import new_id
from runtime.settings import OtelSettings
from store.command import Command, CommandResult
from worker.ai.choosing import ProvidersOf
from worker.ai.telemetry import telemetry_of
from worker.context import WorkerContext
from worker.worker import WorkerProcess, open_worker

STEPS = 3
STEP = "step"
ENDED = ("completed", "failed", "cancelled")


def line_of(*nodes: Json) -> Json:
    """A definition: these nodes one after another."""
    ids = ["start", *(node["id"] for node in nodes), "end"]
    return {
        "key": f"line-{new_id().hex}",
        "name": "One after another",
        "triggers": [{"type": "manual"}],
        "nodes": [{"id": "start", "type": "start", "config": {}}, *nodes, {"id": "end", "type": "end", "config": {}}],
        "edges": [{"source": one, "target": following} for one, following in pairwise(ids)],
    }


def three_steps() -> Json:
    return line_of(
        *({"id": f"t{n}", "type": "task", "config": {"job_type": STEP, "input": "=input"}} for n in range(STEPS)),
    )


@dataclass(frozen=True)
class Watched(WorkerContext):
    """Tells when an execution has ended, as the ledger has just acknowledged it."""

    ends: Callable[[UUID, str], None]

    async def do(
        self, tenant_id: UUID, name: str, decide: Callable[[View], Decided], *, command_id: UUID | None = None, **about: Any
    ) -> CommandResult:
        done = await super().do(tenant_id, name, decide, command_id=command_id, **about)
        execution = done.result.get("execution") if isinstance(done.result, dict) else None
        if execution is not None and execution["status"] in ENDED:
            self.ends(UUID(execution["id"]), execution["status"])
        return done


class Workshop:
    """A worker at work on one ledger, with one definition."""

    def __init__(self, context: WorkerContext, ledger: UUID) -> None:
        self._engine = context.engine
        self._handler = context.handler
        self._ledger = ledger
        self._workflow = new_id()
        self._ends: dict[UUID, asyncio.Future[str]] = {}
        self.context = Watched(**vars(context), ends=self._ended)

    def _ended(self, execution_id: UUID, status: str) -> None:
        self._end(execution_id).set_result(status)

    def _end(self, execution_id: UUID) -> asyncio.Future[str]:
        """Whoever comes first, who waits or who tells, makes it."""
        return self._ends.setdefault(execution_id, asyncio.get_running_loop().create_future())

    async def publish(self, definition: Json) -> None:
        for name, decide in (
            ("workflow.draft", lambda view: workflow.draft(view, self._workflow, definition)),
            ("workflow.publish", lambda view: workflow.publish(view, self._workflow, no_faults(self._engine))),
        ):
            await self._handler.handle(Command(self._ledger, name, ENVELOPE), decide)

    async def execution(self, input: Json) -> float:
        """Start one and wait for its end: seconds. Raises RuntimeError where it did not complete."""
        begun = time.perf_counter()
        started = await self._handler.handle(
            Command(self._ledger, "execution.start", ENVELOPE),
            lambda view: start(view, self._engine, workflow_id=self._workflow, input=input),
        )
        execution_id = UUID(started.result["id"])
        status = await self._end(execution_id)
        del self._ends[execution_id]
        if status != "completed":
            raise RuntimeError(f"an execution {status}")
        return time.perf_counter() - begun

    async def executions(self, count: int, in_flight: int, over: float = 0.0) -> tuple[float, list[float]]:
        """So many, so many at a time: how many a second, and the seconds of each. `over`: seconds in which the callers begin."""
        numbers = iter(range(count))

        async def caller(pause: float) -> list[float]:
            await asyncio.sleep(pause)
            return [await self.execution({"amount": number}) for number in numbers]

        begun = time.perf_counter()
        each = await asyncio.gather(*[caller(over * n / in_flight) for n in range(in_flight)])
        return count / (time.perf_counter() - begun), [seconds for one in each for seconds in one]


@asynccontextmanager
async def at_work(
    url: str, ledger: UUID, definition: Json, providers: ProvidersOf, make: Callable[[WorkerContext], WorkerProcess]
) -> AsyncIterator[Workshop]:
    """`url`: of a login as gesta_system. `make`: the worker, which acts by what it is given."""
    async with open_worker(url, Engine(CelEvaluator()), providers, telemetry=telemetry_of(OtelSettings())) as opened:
        shop = Workshop(opened.context, ledger)
        await shop.publish(definition)
        worker, stop = make(shop.context), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(worker.run(stop))
            try:
                yield shop
            finally:
                stop.set()
