"""All of it in turn: load; poison for one tenant; a storm over all; rest; and what must be true then."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.faults.chaos import after
from tests.faults.chaos.load import Load
from tests.faults.chaos.poison import Poison
from tests.faults.chaos.scene import EACH, OTHERS, Scene, client_of, scene
from tests.faults.chaos.storm import Storm

CALLERS = 2
"""Clients of each tenant."""
MOST_P99, MOST_TIMES_CALM = 1.0, 2.0
"""Seconds; or so many times what it was before, where the machine itself is slower than that."""
REST_SECONDS, REST_STARTS = 10.0, 4.0
"""Seconds; or so many times what the processes took to start, where the machine is slow."""


@dataclass(frozen=True)
class Length:
    """Seconds of each part, one after another: nothing wrong; poison for one tenant; the storm over all, the poison going on."""

    calm: float = 3.0
    poison: float = 5.0
    storm: float = 14.0


@dataclass
class Report:
    """`lines`: what was done and what was seen. `broken`: what must be true, and is not."""

    say: Callable[[str], None]
    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def tell(self, line: str) -> None:
        self.lines.append(line)
        self.say(line)


async def run(directory: Path, seed: int, length: Length, say: Callable[[str], None] = lambda _: None) -> Report:
    report, chance = Report(say), random.Random(seed)
    async with scene(directory) as made, AsyncExitStack() as stack:
        https = [await stack.enter_async_context(client_of(made.urls)) for _ in range(CALLERS)]
        clock = asyncio.get_running_loop().time
        load, poison, storm = Load(chance), Poison(made), Storm(made, chance)
        report.tell(
            f"Seed {seed}. {EACH} of each process, {len(made.tenants)} tenants, {CALLERS} clients each, at the APIs in turns."
        )
        within = max(REST_SECONDS, REST_STARTS * made.started_in)
        async with _loaded(made, load, https):
            await asyncio.sleep(length.calm)
            calm, _ = load.p99(OTHERS, 0, clock())
            async with _beside(poison.hold(), storm.rubbish(), storm.analyst()):
                await poison.give()
                since = clock()
                await asyncio.sleep(length.poison)
                until = clock()
                _poisoned(report, poison, await poison.troubled(), load, (since, until), calm)
                await storm.rage(length.storm)
            ended = clock()
            skipped = await poison.cure()
        _, found = await after.rest(made, within - (clock() - ended), well=False)
        report.broken += found
        rested = clock() - ended
        if not skipped:
            report.broken.append("The event of a newer release stopped nothing.")
        report.tell(
            f"A storm of {length.storm:.0f} s: " + "; ".join(f"{what}: {n}" for what, n in sorted(storm.done.items())) + "."
        )
        report.tell("Processes started again: " + ", ".join(f"{kind} {n}" for kind, n in sorted(made.deaths.items())) + ".")
        _clients(report, load, until, ended)
        report.tell(f"The platform was {'not ' if found else ''}at rest {rested:.1f} s after it.")
        report.broken += load.wrong
        await _audited(report, made, load, chance)
    return report


def _poisoned(
    report: Report, poison: Poison, troubled: tuple[int, int], load: Load, between: tuple[float, float], calm: float
) -> None:
    """What the others saw of one tenant's poison."""
    (timers, jobs), (since, until) = troubled, between
    p99, count = load.p99(OTHERS, since, until)
    report.tell(
        f"Poison for one tenant, {until - since:.0f} s: {timers} timers and {jobs} jobs failed, its head was held"
        f" {poison.held} times. The other tenants' clients made {count} calls meanwhile, with a p99 of {p99 * 1000:.0f} ms"
        f" as they saw it; before, it was {calm * 1000:.0f} ms."
    )
    if not (timers and jobs):
        report.broken.append("Nothing of the poison failed.")
    if not count or p99 > max(MOST_P99, MOST_TIMES_CALM * calm):
        report.broken.append(f"The other tenants' p99 was {p99:.2f} s.")


def _clients(report: Report, load: Load, since: float, until: float) -> None:
    known = sum(order.is_acknowledged for order in load.orders)
    unknown = sum(order.answer is None for order in load.orders)
    refused = len(load.orders) - known - unknown
    report.tell(
        f"Clients: {len(load.calls)} calls; {len(load.orders)} commands: {known} acknowledged, {refused} refused,"
        f" {unknown} given up without an answer. The longest time without any answer: {load.longest_silence(since, until):.1f} s."
    )
    if not known:
        report.broken.append("No command was acknowledged.")


async def _audited(report: Report, made: Scene, load: Load, chance: random.Random) -> None:
    """The ledger against the clients' record, before and after some commands are repeated; the tables against the ledger."""
    report.broken += await after.held_against_the_ledger(made, load.orders)
    report.broken += await after.repeated(made, load.orders, chance)
    report.broken += (await after.rest(made, REST_SECONDS * 3))[1]
    report.broken += await after.held_against_the_ledger(made, load.orders)
    for check in ("verify", "replay"):
        try:
            await asyncio.to_thread(made.gesta, check)
        except AssertionError as error:
            report.broken.append(f"gesta {check}: {error}")
    if not report.broken:
        report.tell(
            "Each acknowledged command is there once, none is half there; gesta verify and gesta replay find all in order."
        )


@asynccontextmanager
async def _loaded(made: Scene, load: Load, https: Sequence[httpx2.AsyncClient]) -> AsyncIterator[None]:
    """Clients of all tenants. In the end each waits for its last answer."""
    async with asyncio.TaskGroup() as clients:
        for slug, someone in made.tenants.items():
            for http in https:
                clients.create_task(load.caller(slug, someone, http))
        try:
            yield
        finally:
            load.stopping.set()


@asynccontextmanager
async def _beside(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end
