"""Telling events to those who wait for them, visits and triggers: one command for each, whatever becomes of the others.

Whoever dies in between leaves a job whose lease runs out; who then tells everybody again tells nobody twice, for the id of each
command follows from the event and the wait.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid5

from domain.envelope import Envelope
from domain.event import EVENT
from domain.facts import Refusal
from engine.events import EventSubscription, deliver, delivered
from engine.jobs import complete_own, stream_of
from engine.triggers.arriving import start_by_event
from runtime.failpoints import failpoint
from store import subscriptions
from store.errors import LeaseLost
from store.jobs import LeasedJob
from worker.context import WorkerContext
from worker.leases import Runner

log = logging.getLogger(__name__)

TOGETHER = 10
"""Visits told at a time."""


def event_runner(context: WorkerContext) -> Runner:
    """Tells an event to all who waited when it came. Where one cannot be told, the others are, and the job is tried again."""

    async def run(job: LeasedJob) -> None:
        tenant_id, event_id = job.tenant_id, UUID(job.input["event"])
        received, _ = await context.handler.read(tenant_id, EVENT, event_id)
        assert received.event is not None, "the job was written with the event"
        woken, after, failed = 0, "", None
        at_once = [EventSubscription(UUID(wait), UUID(stream)) for wait, stream in job.input.get("to", ())]
        while True:
            async with context.pool.connection() as connection:
                page = await subscriptions.waiting(connection, tenant_id, event_id, received.event.type, after)
            found, at_once = [*at_once, *page], []
            for some in (found[start : start + TOGETHER] for start in range(0, len(found), TOGETHER)):
                told = await _tell_all(context, tenant_id, event_id, some)
                woken += sum(one is True for one in told)
                failed = next((one for one in told if isinstance(one, BaseException)), failed)
                failpoint("worker.event_told")
            if len(page) < subscriptions.PAGE:
                break
            after = str(page[-1].id)
        started, unstarted = await _start_all(context, tenant_id, event_id, received.event.type)
        if failed is not None or unstarted is not None:
            raise failed or unstarted or AssertionError
        await context.do(tenant_id, "event.delivered", lambda view: delivered(view, job, event_id, woken, started))

    return Runner(run)


def lookback_runner(context: WorkerContext) -> Runner:
    """Tells a visit of events that came before it began to wait, the latest first, until one is wanted."""

    async def run(job: LeasedJob) -> None:
        wait_id, type, back = UUID(job.input["wait"]), job.input["type"], timedelta(seconds=job.input["seconds"])
        stream_id = stream_of(job)
        assert stream_id is not None
        to = EventSubscription(wait_id, stream_id)
        async with context.pool.connection() as connection:
            begun = await subscriptions.since(connection, job.tenant_id, wait_id, type)
        position = None if begun is None else begun[0]
        while begun is not None and position is not None:
            async with context.pool.connection() as connection:
                page = await subscriptions.before(connection, job.tenant_id, type, position, begun[1], back)
            for event_id in page.events:
                if await _tell(context, job.tenant_id, event_id, to):
                    return  # the visit is over, and this job with it
            position = page.next
        try:
            await context.do(job.tenant_id, "job.complete", lambda view: complete_own(view, context.engine, job, None))
        except (LeaseLost, Refusal):
            log.debug("The node has gone on meanwhile.", extra={"action": "lookback", "job": str(job.id)})

    return Runner(run)


async def _tell_all(
    context: WorkerContext, tenant_id: UUID, event_id: UUID, to: Sequence[EventSubscription]
) -> list[bool | BaseException]:
    return await asyncio.gather(*(_tell(context, tenant_id, event_id, one) for one in to), return_exceptions=True)


async def _start_all(context: WorkerContext, tenant_id: UUID, event_id: UUID, type: str) -> tuple[int, BaseException | None]:
    """How many executions its triggers start, one command for each; and what one of them failed by, if any did."""
    started, after, failed = 0, "", None
    while True:
        async with context.pool.connection() as connection:
            found = await subscriptions.triggers(connection, tenant_id, event_id, type, after)
        for some in (found[start : start + TOGETHER] for start in range(0, len(found), TOGETHER)):
            told = await asyncio.gather(*(_start(context, tenant_id, event_id, one) for one in some), return_exceptions=True)
            started += sum(one is True for one in told)
            failed = next((one for one in told if isinstance(one, BaseException)), failed)
            failpoint("worker.event_started")
        if len(found) < subscriptions.PAGE:
            return started, failed
        after = str(found[-1])


async def _start(context: WorkerContext, tenant_id: UUID, event_id: UUID, trigger_id: UUID) -> bool:
    """Whether the trigger started an execution by this event."""
    done = await context.do(
        tenant_id,
        "trigger.start",
        lambda view: start_by_event(view, context.engine, event_id, trigger_id),
        command_id=uuid5(trigger_id, f"event {event_id}"),
        who=Envelope("event", str(trigger_id), causation_id=event_id),
    )
    return done.result is not None and done.result["execution"] is not None


async def _tell(context: WorkerContext, tenant_id: UUID, event_id: UUID, to: EventSubscription) -> bool:
    """Whether the visit went on by this event."""
    command_id = uuid5(to.id, f"event {event_id}")
    done = await context.do(
        tenant_id, "event.deliver", lambda view: deliver(view, context.engine, event_id, to), command_id=command_id
    )
    return done.result is not None and done.result["execution"] is not None
