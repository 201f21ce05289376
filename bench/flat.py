"""Steps a second of a loop that has turned often and seldom: a step costs the same, with its state at hand and after a loss."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import cycle, islice
from uuid import UUID

from bench.figures import Contender, Lost, Ratio, Result, in_turn
from bench.ledgers import ENVELOPE, expect, open_ledgers
from bench.played import no_faults
from bench.sizes import Sizes
from bench.stage import Stage, run
from domain import workflow
from domain.execution import EXECUTION
from domain.facts import Json
from engine.cel import CelEvaluator
from engine.engine import Engine, signal, start
from runtime.ids import new_id
from store.command import Command
from store.handler import Decide, Handler
from store.loader import Loader
from store.notifications.sending import Notifier
from store.sizes import measured_size
from store.snapshots import Snapshots
from store.writer import Writer

MARK = 1 / 1.2
TURN = "turn"
NODES = ("start", "wait", "note")
DEFINITION: Json = {
    "key": "loop",
    "name": "A loop",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "wait", "type": "wait_event", "config": {"event_type": TURN}},
        {"id": "note", "type": "set", "config": {"values": {"last": "=nodes.wait.output"}}},
    ],
    "edges": [{"source": source, "target": target} for source, target in (("start", "wait"), ("wait", "note"), ("note", "wait"))],
}
PAYLOAD = {"approved": True, "by": "Ada Lovelace", "amount": 1250.5}
SHORT = 5
"""Turns that a short loop is measured for: then another one begins, lest it become a long one."""


class Flat:
    """One ledger with loops of several lengths. The engine, whose plans are the same for all, is kept; states are not."""

    def __init__(self, on: Stage) -> None:
        self.on = on
        (self.ledger,) = open_ledgers(on, 1)
        self.engine = Engine(CelEvaluator())
        self.workflow = new_id()
        self.long: dict[int, UUID] = {}
        """By the events that it had to begin with."""
        self.executions: list[UUID] = []

    def grown(self, lengths: tuple[int, ...]) -> None:
        """A loop for each length, and its snapshots."""

        async def work() -> None:
            async with self.parts() as (handler, snapshots, _):
                await self.publish(handler)
                for length in lengths:
                    self.long[length] = await self.begun(handler)
                    version = 0
                    while version < length:
                        await asyncio.gather(*(self.step(handler, self.long[length]) for _ in range(min(length // 5 + 1, 50))))
                        _, version = await handler.read(self.ledger, EXECUTION, self.long[length])
                await snapshots.taken()

        run(work())

    def steps_a_second(self, length: int, turns: int, *, lost: bool) -> float:
        """Turns of a loop of about so many events, one after another. `lost`: nothing is at hand of it, each time."""

        async def work() -> float:
            async with self.parts() as (handler, _, afresh):
                loops = (
                    [await self.begun(handler) for _ in range(turns // SHORT + 1)] if length < 5 * SHORT else [self.long[length]]
                )
                for loop in loops:
                    await self.step(handler, loop)
                    if len(loops) > 1:
                        await self.step(handler, loop)
                begun = time.perf_counter()
                for loop in islice(cycle(loops), turns):
                    await self.step(afresh() if lost else handler, loop)
                return turns / (time.perf_counter() - begun)

        return run(work())

    @asynccontextmanager
    async def parts(self) -> AsyncIterator[tuple[Handler, Snapshots, "partial[Handler]"]]:
        """As of a process, with which a handler can be made that has no state at hand."""
        url = self.on.addresses.system
        writer, notifier, snapshots = Writer(url), Notifier(url), Snapshots(url)
        loader = Loader(url, state_versions=snapshots.state_versions)
        afresh = partial(Handler, writer, loader, notifier, snapshots=snapshots)
        try:
            yield afresh(), snapshots, afresh
        finally:
            await writer.aclose()
            await snapshots.aclose()
            await loader.aclose()
            await notifier.aclose()

    async def publish(self, handler: Handler) -> None:
        await self.do(handler, lambda view: workflow.draft(view, self.workflow, DEFINITION))
        await self.do(handler, lambda view: workflow.publish(view, self.workflow, no_faults(self.engine)))

    async def begun(self, handler: Handler) -> UUID:
        execution_id = new_id()
        self.executions.append(execution_id)
        await self.do(
            handler,
            lambda view: start(view, self.engine, workflow_id=self.workflow, execution_id=execution_id, input={"amount": 1250.5}),
        )
        return execution_id

    async def step(self, handler: Handler, execution_id: UUID) -> None:
        await self.do(handler, lambda view: signal(view, self.engine, execution_id, TURN, PAYLOAD))

    async def do(self, handler: Handler, decide: Decide) -> None:
        await handler.handle(Command(self.ledger, "bench.step", ENVELOPE), decide)

    def sizes(self) -> list[str]:
        """How much memory the states take; and that nothing was lost. Raises Lost."""

        async def work() -> tuple[int, list[str]]:
            async with self.parts() as (handler, _, _):
                events, told = 2, []  # the workflow's
                for execution_id in self.executions:
                    state, version = await handler.read(self.ledger, EXECUTION, execution_id)
                    if state.status != "running":
                        raise Lost(f"an execution is {state.status}")
                    events += version
                    if execution_id in self.long.values():
                        told.append(f"{measured_size(state):,} bytes after {version:,} events")
                return events, told

        events, told = run(work())
        expect(self.on, [self.ledger], events=events, streams=len(self.executions) + 1)
        return told


def bench(on: Stage, sizes: Sizes) -> Result:
    flat = Flat(on)
    flat.grown(sizes.flat_events)
    contenders = [
        Contender(
            f"{length:,} events, {'nothing at hand' if lost else 'at hand'}",
            partial(flat.steps_a_second, length, sizes.flat_turns, lost=lost),
        )
        for lost in (False, True)
        for length in sizes.flat_events
    ]
    rates = in_turn(contenders, sizes.rounds)
    count = len(sizes.flat_events)
    ratios = [Ratio(each, first, MARK) for first, *others in (rates[:count], rates[count:]) for each in others]
    notes = [f"{each.name}: {1000 / each.median:.2f} ms a step" for each in rates]
    return Result("steps a second", rates, ratios, [*notes, f"states: {'; '.join(flat.sizes())}"])
