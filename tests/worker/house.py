"""A house with a worker: a ledger, a published definition, executions of it, and workers that do what they are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.ai_provider import AiLimits
from domain.ai_task import Usage
from domain.envelope import Envelope, RecordedEvent
from domain.execution import EXECUTION, Execution
from domain.facts import Claim, Decided, Fact, Json
from domain.workflow import WORKFLOW_KEY, WorkflowDrafted, WorkflowPublished
from engine.cel import CelEvaluator
from engine.engine import Engine, start
from runtime.clock import Clock
from runtime.master_keys import MasterKeys
from store.command import Command
from store.handler import Handler, open_handler
from store.reading import read_ledger
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.store.ledgers import connected, open_ledger
from worker.ai.provider import AiAnswer, AiCall, AiError, CallReport, Provider
from worker.leases import Leasing
from worker.outbound.client import Outbound
from worker.tasks import Task
from worker.worker import WorkerProcess, open_worker

PATIENCE = 60.0
ENGINE = Engine(CelEvaluator())
WHO = Envelope("system")


@dataclass(frozen=True)
class FakeModel:
    """A model's name, as the registry would give it."""

    full: str
    provider: str = "scripted"
    timeout: timedelta = timedelta(seconds=77)
    limits: AiLimits | None = None

    @property
    def model(self) -> str:
        return self.full


@dataclass
class ScriptedProvider:
    """Answers as the script says, the last line again and again; counts the calls."""

    script: list[AiError | Json] = field(default_factory=lambda: ["done"])
    calls: list[AiCall] = field(default_factory=list)
    before: Callable[[AiCall], Awaitable[None]] | None = None
    report: CallReport = field(default_factory=lambda: CallReport(7, Usage(3, 4)))

    async def call(self, call: AiCall) -> AiAnswer:
        self.calls.append(call)
        line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if self.before is not None:
            await self.before(call)
        if isinstance(line, AiError):
            raise line
        return AiAnswer(line, "scripted", call.model, self.report)

    async def aclose(self) -> None:
        """Nothing to close."""

    # As the registry of a process that knows this provider only

    timeout = timedelta(minutes=2)

    def name(self, model: str) -> FakeModel:
        if model == "nobody/knows":
            raise AiError("bad_request", "No provider calls it.")
        return FakeModel(model)

    async def provider(self, _named: Any) -> Provider:
        return self


@dataclass
class House:
    """A tenant's ledger in a database, seen by a process that only starts executions."""

    database: Database
    tenant_id: UUID
    handler: Handler

    async def start(self, definition: Json, input: Json = None, engine: Engine = ENGINE) -> UUID:
        workflow_id, execution_id = uuid4(), uuid4()
        definition = {**definition, "key": f"w-{workflow_id.hex}"}
        facts = (
            Fact(workflow_id, WorkflowDrafted(definition["key"], definition["name"], definition)),
            Fact(workflow_id, WorkflowPublished(1, definition)),
        )
        claims = (Claim(WORKFLOW_KEY, definition["key"], workflow_id),)
        await self.handler.handle(Command(self.tenant_id, "publish", WHO), lambda _: Decided(facts, claims))
        await self.start_another(workflow_id, execution_id, input, engine)
        return execution_id

    async def start_another(self, workflow_id: UUID, execution_id: UUID, input: Json = None, engine: Engine = ENGINE) -> None:
        await self.handler.handle(
            Command(self.tenant_id, "execution.start", WHO),
            lambda view: start(view, engine, execution_id=execution_id, workflow_id=workflow_id, version=None, input=input),
        )

    async def state(self, execution_id: UUID) -> Execution:
        return (await self.handler.read(self.tenant_id, EXECUTION, execution_id))[0]

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Look until it holds: what is waited for is in other tasks or processes."""
        async with asyncio.timeout(PATIENCE):
            while not await condition():  # noqa: ASYNC110 - what happens elsewhere sets no event here
                await asyncio.sleep(0.01)

    async def ended(self, execution_id: UUID) -> Execution:
        async def over() -> bool:
            return (await self.state(execution_id)).status in ("completed", "failed", "cancelled")

        await self.until(over)
        return await self.state(execution_id)

    async def events(self) -> list[RecordedEvent]:
        async with await psycopg.AsyncConnection.connect(self.database.system_url, autocommit=True) as connection:
            return await read_ledger(connection, self.tenant_id, 0, 10_000)

    async def topics(self, beginning: str = "") -> list[str]:
        return [event.topic for event in await self.events() if event.topic.startswith(beginning)]

    def sql(self, statement: str, *given: Any) -> list[tuple[Any, ...]]:
        """As the superuser: moves time, and looks."""
        with psycopg.connect(self.database.superuser_url, autocommit=True) as connection:
            cursor = connection.execute(statement, given)
            return cursor.fetchall() if cursor.description else []

    def lapse_all(self) -> None:
        """Nobody was heard of for long."""
        self.sql("UPDATE runtime.jobs SET lease_until = clock_timestamp() WHERE state = 'leased'")

    def jobs(self) -> list[tuple[Any, ...]]:
        return self.sql("SELECT type, state, attempt FROM runtime.jobs ORDER BY created_at")


@asynccontextmanager
async def house(database: Database, clock: Clock | None = None) -> AsyncIterator[House]:
    with connected(database.system_url) as connection:
        tenant_id = open_ledger(connection)
    async with open_handler(database.system_url, clock=clock) as handler:
        yield House(database, tenant_id, handler)


@asynccontextmanager
async def worker_of(
    database: Database,
    tasks: Mapping[str, Task] | None = None,
    provider: ScriptedProvider | None = None,
    leasing: Leasing | None = None,
    master_keys: MasterKeys | None = None,
    outbound: Outbound | None = None,
) -> AsyncIterator[WorkerProcess]:
    """A worker that does not run by itself."""
    providers = provider or ScriptedProvider()
    async with open_worker(
        database.system_url,
        ENGINE,
        providers,
        listen_url=database.listen_url,
        tasks=tasks,
        leasing=leasing,
        master_keys=master_keys,
        outbound=outbound,
    ) as worker:
        yield worker


@asynccontextmanager
async def at_work(worker: WorkerProcess) -> AsyncIterator[asyncio.Event]:
    """It runs until the block ends, or the event is set."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, PATIENCE)


def step(job_type: str = "step", **fields: Json) -> tuple[str, Json, Json]:
    """A task node."""
    return "task", {"job_type": job_type, "input": "=input"}, fields


def steps(count: int = 1, **fields: Json) -> Json:
    """So many tasks, one after another."""
    names = [f"t{number}" for number in range(count)]
    line = ["s", *names, "e"]
    edges = [f"{one} > {following}" for one, following in pairwise(line)]
    return drawing({"s": "start", **{name: step(**fields) for name in names}, "e": "end"}, *edges)


def asking(**fields: Json) -> Json:
    """An AI task between start and end."""
    agent = ("ai_agent", {"model": fields.pop("model", "scripted"), "prompt": "Say it"}, fields)
    return drawing({"s": "start", "a": agent, "e": ("end", {"output": "=nodes.a.output"})}, "s > a", "a > e")


RETRY = {"max_attempts": 3, "initial_interval": "PT0.01S"}
LONG_RETRY = {"max_attempts": 3, "initial_interval": "PT10M"}
SHORT = Leasing(drain=0.0)
