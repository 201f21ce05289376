"""The worker: leases jobs, fires timers, takes jobs from those that are not heard of, and keeps house."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from engine.nodes.ai_agent import JOB as AI
from engine.plans import Engine
from engine.work import CONTINUE
from runtime.clock import Clock
from runtime.ids import new_id
from runtime.pools import open_pool
from store.handler import open_handler
from store.wakeups import Wakeups
from worker.acting import Acting
from worker.ai_runner import ProvidersOf, ai_runner
from worker.clockwork import fire_timers, forget_commands, lapse_leases, turn_by_turn
from worker.leases import Leases, Leasing, Runner
from worker.tasks import Task, continue_runner, task_runner

CONNECTIONS = 4


class Worker:
    """One process's worker. `tasks`: handlers of this process by type of job, beside Gesta's own types."""

    def __init__(self, acting: Acting, providers: ProvidersOf, tasks: Mapping[str, Task], leasing: Leasing) -> None:
        self.acting = acting
        runners: dict[str, Runner] = {AI: ai_runner(acting, providers), CONTINUE: continue_runner(acting)}
        runners |= {type: task_runner(acting, task) for type, task in tasks.items()}
        self.leases = Leases(acting, runners, leasing)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, and until what runs then has come to its end."""
        acting = self.acting
        with acting.wakeups.timers() as timers_set, acting.wakeups.lapses() as lapsing:
            listening = asyncio.create_task(acting.wakeups.run())
            try:
                async with asyncio.TaskGroup() as group:
                    for turn, woken in (
                        (fire_timers, timers_set),
                        (lapse_leases, lapsing),
                        (forget_commands, asyncio.Event()),
                    ):
                        group.create_task(turn_by_turn(acting, turn, woken, stop))
                        group.create_task(_wake(woken, stop))
                    group.create_task(self.leases.run(stop))
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def open_worker(
    url: str,
    engine: Engine,
    providers: ProvidersOf,
    *,
    listen_url: str | None = None,
    tasks: Mapping[str, Task] | None = None,
    leasing: Leasing | None = None,
    worker_id: str | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Worker]:
    """A worker with connections of its own. `url`: as gesta_system; `listen_url`: the same, direct, where `url` is a pooler's."""
    wakeups = Wakeups(listen_url or url)
    try:
        async with (
            open_pool(url, name="gesta worker", size=CONNECTIONS) as pool,
            open_handler(url, clock=clock, heard=wakeups.hear) as handler,
        ):
            acting = Acting(handler, engine, pool, wakeups, worker_id or name_of_process())
            yield Worker(acting, providers, tasks or {}, leasing or Leasing())
    finally:
        await wakeups.aclose()


def name_of_process() -> str:
    """Which worker it was: host, process, and a word that no other start of it shares."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id().hex[-8:]}"


async def _wake(woken: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()
    woken.set()
