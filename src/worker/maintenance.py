"""What a worker does when its time has come: timers, leases that ran out, and housekeeping.

All workers do it. What two of them do at once counts once: the id of each command is derived from what it is about. One that
fails is recorded and put off by itself (`store.failures`); the others go on.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid5

from domain.ai_task import AI_TASK
from domain.envelope import Envelope
from domain.facts import Decided, Fence, NotForThisRelease, RuleViolation, View
from domain.secret import SECRET
from domain.trigger import TRIGGER
from engine.expired_leases import expire_lease
from engine.timers import fire
from runtime import analysts, counters
from runtime.failpoints import failpoint
from store import ai_answers, ai_providers, ai_streams, failures, jobs, secrets, sensitive
from store import due as work
from store.due import DueTimer, ExpiredLease
from store.errors import LeaseLost, LedgerBusy, LedgerUnavailable
from store.jobs import COMMANDS_KEPT, Connection
from store.notifications.waking import wait
from worker.context import OUT_OF_REACH, WorkerContext
from worker.timers import Firing

log = logging.getLogger(__name__)

BATCH = 100
PAUSE_SECONDS = 1.0
COMMANDS_BATCH = 1_000
SECRETS_BATCH = 100
HOUSEKEEPING_SECONDS = 60.0
SWEEP_SECONDS = 600.0
WATCH_SECONDS, IDLE_WATCH_SECONDS = 3.0, 15.0
"""How often sessions of analysts are looked at, and whether there are any."""

METRIC = "gesta_work_failures_total"
ENDED = "gesta_analyst_sessions_ended_total"
TRANSIENT = (LedgerBusy, LedgerUnavailable, *OUT_OF_REACH)
"""Nothing that a single timer or lease is to blame for."""

Turn = Callable[[WorkerContext], Awaitable[float | None]]
"""Does what is due. Returns in how many seconds something will be; None: nothing is."""


def timer_firing() -> Firing:
    """Fires timers that are due."""
    return Firing(_fire)


async def fire_timers(context: WorkerContext) -> float | None:
    """Timers that are due, to their end."""
    firing = timer_firing()
    try:
        return await firing.fire_timers(context)
    finally:
        await firing.finish()


async def take_expired_leases(context: WorkerContext) -> float | None:
    """Leases that expired without a heartbeat."""
    async with context.pool.connection() as connection:
        expired = await work.expired_leases(connection, BATCH)
        if not expired:
            return await work.seconds_to_expiry(connection)
    return await _all([_expire(context, job) for job in expired])


async def forget_commands(context: WorkerContext) -> float | None:
    """Commands that nobody will repeat any more."""
    async with context.pool.connection() as connection:
        count = await jobs.delete_old_commands(connection, COMMANDS_KEPT, COMMANDS_BATCH)
    return 0 if count == COMMANDS_BATCH else HOUSEKEEPING_SECONDS


async def sweep_models(context: WorkerContext) -> float | None:
    """What models said, and what was used of providers, where it is old."""
    async with context.pool.connection() as connection:
        swept = max(await ai_streams.sweep(connection), await ai_answers.sweep(connection))
        await ai_providers.sweep(connection)
    return 0 if swept >= ai_streams.SWEPT else HOUSEKEEPING_SECONDS


async def sweep_secrets(context: WorkerContext) -> float | None:
    """Values of secrets that no event names: left by who died before the event, or after the one that named another."""
    async with context.pool.connection() as connection:
        found = await secrets.doubtful(connection, SECRETS_BATCH)
    for value in found:
        try:
            secret, _ = await context.handler.read(value.tenant_id, SECRET, value.secret_id)
            async with context.pool.connection() as connection:
                if secret.value_id == value.id:
                    await secrets.keep(connection, value.tenant_id, value.id)
                else:
                    await secrets.delete(connection, value.tenant_id, value.id)
        except NotForThisRelease as error:
            log.warning("A secret is left to a newer release: %s", error, extra={"action": "sweep_secrets"})
            return SWEEP_SECONDS
    return 0 if len(found) == SECRETS_BATCH else SWEEP_SECONDS


async def sweep_sensitive_values(context: WorkerContext) -> float | None:
    """What prompts left out of tasks that are over, or were never asked for."""
    async with context.pool.connection() as connection:
        found = await sensitive.doubtful(connection, SECRETS_BATCH)
    for tenant_id, task_id in found:
        try:
            task, _ = await context.handler.read(tenant_id, AI_TASK, task_id)
            async with context.pool.connection() as connection:
                if task.requested is None or task.closed:
                    await sensitive.forget(connection, tenant_id, task_id)
                else:
                    await sensitive.keep(connection, tenant_id, task_id)
        except NotForThisRelease as error:
            log.warning("Sensitive values are left to a newer release: %s", error, extra={"action": "sweep_sensitive_values"})
            return SWEEP_SECONDS
    return 0 if len(found) == SECRETS_BATCH else SWEEP_SECONDS


async def end_analysts(context: WorkerContext) -> float | None:
    """Sessions of analysts that are beyond their limits: what a session begins with it can change."""
    async with context.pool.connection() as connection:
        ended, are_there = await analysts.end_beyond_limits(connection)
    for each in ended:
        counters.count(ENDED)
        log.warning("A session of %s was ended: %s", each.login, each.reason, extra={"action": "end_analysts"})
    return WATCH_SECONDS if are_there else IDLE_WATCH_SECONDS


async def run_periodically(context: WorkerContext, turn: Turn, woken: asyncio.Event, stop: asyncio.Event) -> None:
    """Turns until told to stop: when something is due, when woken, and from time to time."""
    while not stop.is_set():
        woken.clear()
        failpoint(f"worker.{turn.__name__}")
        try:
            due = await turn(context)
        except OUT_OF_REACH as error:
            log.warning("The database is out of reach: %s", error, extra={"action": turn.__name__})
            due = PAUSE_SECONDS
        await wait(woken, due)


async def _all(commands: list[Awaitable[bool]]) -> float:
    """Seconds until the next turn: none, unless nothing came of any."""
    return 0 if any(await asyncio.gather(*commands)) else PAUSE_SECONDS


async def _fire(context: WorkerContext, due: DueTimer) -> bool:
    def decide(view: View) -> Decided:
        return fire(view, context.engine, due)

    # Its moment is part of the command's id: a timer may be set again, for another moment, after a pause.
    command_id = uuid5(due.id, f"fired {due.due_at.isoformat()}")
    dropped = Decided(dropped_timers=(due.id,))

    def failed(connection: Connection, error: Exception) -> Awaitable[int | None]:
        return failures.timer_failed(connection, due, error)

    who = Envelope("schedule", str(due.owner_id)) if due.owner == TRIGGER.name else None
    failpoint("worker.timer_found")
    fired = await _once(context, due.tenant_id, "timer.fire", decide, command_id, lambda _: dropped, failed, who)
    failpoint("worker.timer_fired")
    return fired


async def _expire(context: WorkerContext, job: ExpiredLease) -> bool:
    jitter = random.random()  # a decision may run more than once, and is to come to the same

    def decide(view: View) -> Decided:
        return expire_lease(view, context.engine, job, jitter=jitter)

    def dead(refusal: RuleViolation) -> Decided:
        error = {"type": refusal.code, "message": refusal.message}
        return Decided(fences=(Fence(job.id, job.fence, "dead", error=error, expired=True),))

    def failed(connection: Connection, error: Exception) -> Awaitable[int | None]:
        return failures.lease_failed(connection, job.lease, error)

    return await _once(context, job.tenant_id, "job.expire", decide, uuid5(job.id, f"lapsed {job.fence}"), dead, failed)


async def _once(
    context: WorkerContext,
    tenant_id: UUID,
    name: str,
    decide: Callable[[View], Decided],
    command_id: UUID,
    otherwise: Callable[[RuleViolation], Decided],
    failed: Callable[[Connection, Exception], Awaitable[int | None]],
    who: Envelope | None = None,
) -> bool:
    """Whether something came of it, by this process or another.

    `otherwise`: what is done where the rules refuse it, so that it is not found again. Nobody asked: it is no refusal to record.
    `failed`: records whatever else is in the way, and puts it off.
    """
    details = {"action": name, "tenant_id": str(tenant_id)}

    def quietly(view: View) -> Decided:
        try:
            return replace(decide(view), result=None)
        except RuleViolation as refusal:
            log.warning("The work was refused, and is ended: %s", refusal, extra=details)
            return otherwise(refusal)

    try:
        done = await context.do(tenant_id, name, quietly, command_id=command_id, who=who)
    except LeaseLost:
        return True
    except TRANSIENT as error:
        log.warning("The work will be tried again: %s", error, extra=details)
        return False
    except Exception as error:
        await _record(context, error, failed, details)
        return True
    return done.position is not None


async def _record(
    context: WorkerContext,
    error: Exception,
    failed: Callable[[Connection, Exception], Awaitable[int | None]],
    details: dict[str, str],
) -> None:
    """Logged in full the first time; after that it is to be seen among the work that fails (`gesta jobs`)."""
    counters.count(METRIC, action=details["action"])
    try:
        async with context.pool.connection() as connection:
            count = await failed(connection, error)
    except OUT_OF_REACH:
        count = 1  # it is found again, and fails again
    if count == 1:
        log.error("The work failed, and is postponed: %s", error, exc_info=error, extra=details)
    elif count is not None:
        log.warning("The work has failed %d times, and is postponed: %s", count, error, extra=details)
