"""The worker: leases jobs, fires timers, takes back expired leases, and does the maintenance."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from domain.bulk_operation import JOB as BULK_OPERATION
from domain.notification_delivery import DELIVER as NOTIFY
from domain.notification_preferences import DIGEST
from engine.ai_job import AI
from engine.context import Engine
from engine.deliveries import DELIVER
from engine.family import CHILD
from engine.fan_out import MOVE_ITEMS
from engine.nodes.http import JOB as HTTP
from engine.nodes.wait_event import LOOK_BACK
from engine.work import CONTINUE
from runtime.clock import Clock
from runtime.ids import new_id
from runtime.master_keys import MasterKeys
from runtime.pools import open_pool
from runtime.supervision import stop as end
from runtime.supervision import supervise
from store.handler import open_handler
from store.notifications.listening import Notifications
from store.notifications.waking import CHANNELS, leases_ending, setting_at, timers_set
from store.vault import Vault
from worker.ai.choosing import ProvidersOf
from worker.ai.telemetry import Telemetry
from worker.ai_runner import ai_runner
from worker.archiving import Archiving
from worker.bulk_runner import bulk_runner
from worker.context import Mailing, WorkerContext
from worker.event_runners import event_runner, lookback_runner
from worker.http_runner import http_runner
from worker.leases import JobExecutor, Leasing, Runner
from worker.maintenance import (
    end_analysts,
    forget_commands,
    run_periodically,
    sweep_models,
    sweep_secrets,
    sweep_sensitive_values,
    take_expired_leases,
    timer_firing,
)
from worker.notifying.digests import digest_runner
from worker.notifying.feeds import Sender
from worker.notifying.follower import Follower
from worker.notifying.runner import delivery_runner
from worker.outbound.client import Outbound
from worker.tasks import Task, child_runner, continue_runner, foreach_runner, task_runner

CONNECTIONS = 4
DELIVERIES = 50
"""Of notifications, at a time."""


class WorkerProcess:
    """One process's worker. `tasks`: handlers of this process by type of job, beside Gesta's own types."""

    def __init__(self, context: WorkerContext, providers: ProvidersOf, tasks: Mapping[str, Task], leasing: Leasing) -> None:
        self.context = context
        runners: dict[str, Runner] = {
            AI: ai_runner(context, providers),
            CONTINUE: continue_runner(context),
            CHILD: child_runner(context),
            MOVE_ITEMS: foreach_runner(context),
            DELIVER: event_runner(context),
            LOOK_BACK: lookback_runner(context),
            HTTP: http_runner(context),
            BULK_OPERATION: bulk_runner(context),
            DIGEST: digest_runner(context),
        }
        runners |= {type: task_runner(context, task) for type, task in tasks.items()}
        self.leases = JobExecutor(context, runners, leasing)
        # Beside the others: each may wait for a receiver, and what executions do is not to wait for that.
        at_a_time = replace(leasing, concurrency=DELIVERIES)
        self.deliveries = JobExecutor(context, {NOTIFY: delivery_runner(context)}, at_a_time)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, and until what runs then has come to its end."""
        context, notifications, firing = self.context, self.context.notifications, timer_firing()
        follower, sender, archiving = Follower(), Sender(), Archiving()
        with ExitStack() as stack:
            turns = (
                (firing.fire_timers, stack.enter_context(timers_set(notifications))),
                (take_expired_leases, stack.enter_context(leases_ending(notifications))),
                (follower.ask_for_deliveries, stack.enter_context(follower.listening(notifications))),
                (sender.send_events, stack.enter_context(sender.listening(notifications))),
                (forget_commands, asyncio.Event()),
                (sweep_secrets, asyncio.Event()),
                (sweep_sensitive_values, asyncio.Event()),
                (sweep_models, asyncio.Event()),
                (end_analysts, asyncio.Event()),
                (archiving.archive_finished, asyncio.Event()),
            )
            for _, woken in turns:
                stack.enter_context(setting_at(stop, woken))
            async with notifications.listening():
                maintenance = [
                    supervise(turn.__name__, partial(run_periodically, context, turn, woken, stop), until=stop)
                    for turn, woken in turns
                ]
                try:
                    await asyncio.gather(self.leases.run(stop), self.deliveries.run(stop), *maintenance)
                finally:
                    await end(*maintenance)
                    await firing.finish()
                    await sender.finish()


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
    master_keys: MasterKeys | None = None,
    outbound: Outbound | None = None,
    mailing: Mailing | None = None,
    telemetry: Telemetry | None = None,
) -> AsyncIterator[WorkerProcess]:
    """A worker with connections of its own. `url`: as gesta_system; `listen_url`: the same, direct, where `url` is a pooler's.

    `master_keys`: None: no secret can be used here. `outbound`: the way out, closed with the worker. `mailing`: None: by the
    servers of tenants alone, and without links. `telemetry`: closed with the worker; None: nobody is told.
    """
    notifications = Notifications(listen_url or url, "gesta worker (listening)", CHANNELS)
    async with (
        open_pool(url, name="gesta worker", size=CONNECTIONS) as pool,
        open_handler(url, clock=clock, heard=notifications.hear) as handler,
        AsyncExitStack() as stack,
    ):
        vault, way_out = Vault(handler, pool, master_keys), outbound or Outbound()
        stack.push_async_callback(way_out.aclose)
        telling = telemetry or Telemetry()
        stack.push_async_callback(telling.aclose)
        acting = worker_id or name_of_process()
        context = WorkerContext(handler, engine, pool, notifications, acting, vault, way_out, mailing or Mailing(), telling)
        yield WorkerProcess(context, providers, tasks or {}, leasing or Leasing())


def name_of_process() -> str:
    """Which worker it was: host, process, and a word that no other start of it shares."""
    return f"{socket.gethostname()}:{os.getpid()}:{new_id().hex[-8:]}"
